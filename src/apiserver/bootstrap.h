#pragma once
/* What every cluster has from the beginning: namespaces, roles, Basalt's own kinds. */
#include "apiserver/api.h"

int bootstrap_objects(Api *api, Error *e);
