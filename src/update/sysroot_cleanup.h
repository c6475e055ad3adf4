#pragma once
/* What a change leaves behind and what an interrupted one left: deployments that no entry leads to, entries
 * and links of the number that is not in force, kernels of none, refs. The repository gets a ref for every
 * deployment (ostree/<0 or 1>/<0 or 1>/<index>, as libostree's), so that nobody's prune takes their objects.
 */
#include "update/sysroot.h"

/* -EUCLEAN: entries lead nowhere; what they may have meant is not removed before sysroot_repair(). */
int sysroot_need_whole(const Sysroot *s, Error *e);
/* `synced`: nothing has changed since boot_swap(). What cannot be removed is a finding and no failure; 1 when
 * something was removed. The running system is never. */
int sysroot_cleanup(Sysroot *s, bool synced, Report *r, Error *e);
/* Right after boot_swap(): only what is in boot/, and old links. */
int sysroot_cleanup_boot(Sysroot *s, Report *r, Error *e);
/* Only the refs. */
int sysroot_write_refs(Sysroot *s, Error *e);
/* One deployment's directory, origin and what else belongs to it. */
int sysroot_remove_tree(Sysroot *s, const Deployment *d, Error *e);
/* The flag that keeps a directory from changing. */
int tree_set_immutable(int fd, bool immutable);
