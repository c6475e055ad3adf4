#pragma once
/* SELinux labels for what the stage made, by the policy of the root. */
#include "base/command.h"
#include "base/error.h"

/* Paths as in the root; those that do not exist are left out. A root without /etc/selinux/config has no
 * policy: nothing to do. */
int relabel_paths(int root, const char *root_path, const StringList *paths, Error *e);
