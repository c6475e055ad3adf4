#pragma once
/* The Ignition spec that an Accept header asks for. Contract: openshift/machine-config-operator
 * pkg/server/api.go (detectSpecVersionFromAcceptHeader). */
#include "ignition/version.h"

/* 2.2 without a header, or when none of its entries asks for a version of the Ignition type; IGN_NONE when
 * what it asks for first cannot be served (400). */
IgnVersion accept_header_version(const char *accept);
