#pragma once
/* /etc/.ignition-result.json: that, when and with what kind of config this root was provisioned. */
#include "base/arena.h"
#include "base/error.h"
#include "provision/state.h"

#define RESULT_PATH "/etc/.ignition-result.json" /* 0600 */

typedef struct Result {
    const char *boot_id, *date; /* RFC 3339 */
    bool user_config;
    const char *previous; /* JSON of the report that this one follows, or NULL */
} Result;

/* Now, on this machine. */
int result_init(Arena *a, const State *state, Result *ret, Error *e);
/* -EINVAL when `previous` is not JSON. */
int result_text(Arena *a, const Result *result, const char **ret, Error *e);
