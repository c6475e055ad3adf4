/* Takes off what the mount stage put below the root: the deepest first, up to three tries each with a second
 * between them (something of the boot may still look at it); who keeps it busy is told. A place where nothing
 * is mounted is done. What lies on the root itself is taken off only if the mount stage put it there, which
 * it says in the state: otherwise it is the root that the machine was started with. */
#include "provision/stage.h"

#include <fcntl.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "provision/mount_points.h"

enum { UMOUNT_TRIES = 3 };

/* The descriptor stays one, but keeps nothing busy. */
static int let_go(int root)
{
    _cleanup_close_ int elsewhere = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

    return elsewhere < 0 || dup3(elsewhere, root, O_CLOEXEC) < 0 ? -errno : 0;
}

int stage_umount_run(StageContext *c, Error *e)
{
    const IgnFilesystem *const *list;
    size_t n = mount_points_list(c->arena, &c->config->storage, &list);
    int root = n > 0 ? stage_root(c, e) : 0;

    if (root < 0)
        return root;
    for (size_t i = n; i-- > 0;) {
        _cleanup_free_ char *inside = NULL;
        int r = root_resolve(c->root, list[i]->path, &inside);
        if (r < 0)
            return error_errno(e, r, "resolving '%s'", list[i]->path);
        if (strcmp(inside, "/") == 0) {
            if (!c->state->root_covered)
                continue;
            r = let_go(c->root);
            if (r < 0)
                return error_errno(e, r, "letting the root go");
        }
        const char *path = mount_point_text(c->arena, c->root_path, inside);
        log_info("umounting \"%s\"", path);
        r = mount_point_umount(c->arena, path, UMOUNT_TRIES, e);
        if (r < 0)
            return r;
        if (strcmp(inside, "/") == 0)
            c->state->root_covered = false;
    }
    return 0;
}
