#pragma once
/* A deployment made now that takes its place at shutdown, when /etc has had its last change. Until then it is
 * in no boot entry; run/ostree/staged-deployment of the sysroot says what it will be, in libostree's form, so
 * that `ostree admin` of the running system shows and keeps it. */
#include "update/deployment_make.h"

/* Replaces what was staged before. In a sysroot below a directory too. */
int deployment_stage(Sysroot *s, const DeploymentTree *t, const DeploymentMake *m, Report *r, Error *e);
/* Merges /etc and changes the order of boot. 1: done; 0: nothing is staged, or it is locked. A failure is
 * also written to boot/ostree/finalize-failure.stamp, where sysroot_failure() finds it after the next boot;
 * may be called again then. Removes nothing that takes time: deployment_cleanup() does. */
int deployment_finalize(Sysroot *s, const DeploymentTree *t, Report *r, Error *e);
/* 1 when it was not so. -ENOENT: nothing is staged. */
int deployment_set_locked(Sysroot *s, bool locked, Error *e);
