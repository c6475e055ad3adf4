#pragma once
/* The configs that the system's image brings along, below /run/ignition, /etc/ignition and /usr/lib/ignition
 * (the first that has a name wins; IGNITION_SYSTEM_RUNTIME_CONFIG_DIR, IGNITION_SYSTEM_LOCAL_CONFIG_DIR and
 * IGNITION_SYSTEM_CONFIG_DIR put them elsewhere): base.d and base.platform.d/ID, which lie under every user
 * config, and user.ign, which stands in for the platform's. */
#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "ignition/config.h"

int system_config_base(Arena *a, const char *platform, IgnConfig **ret, Error *e);
/* Appends the text; -ENOENT: there is none. */
int system_config_user(Buf *ret, Error *e);
