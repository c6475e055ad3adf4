#pragma once
/* What the command line says, parsed: the program's options and those of `create`. */
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "ignition/version.h"

typedef struct InstallerOptions {
    const char *dir;
    time_t now;
    const char *key_type;        /* "p256" or "rsa2048" */
    unsigned lifetime_scale;     /* lifetimes are divided by it; for tests */
    unsigned token_hours;        /* life of the provisioning tokens */
    IgnVersion ignition_version; /* of the written configs */
    bool reuse_state;
    bool lenient; /* a YAML key that stands twice is a warning */
    /* for an install config that is not there yet */
    const char *name, *base_domain, *ssh_key_file, *pull_secret_file, *trust_bundle_file;
    const char *control_plane_replicas, *compute_replicas;
} InstallerOptions;
