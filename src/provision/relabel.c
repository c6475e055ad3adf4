/* setfiles of the initramfs with the file contexts of the root. There is no policy loaded yet, so labels are
 * set on paths afterwards, and the tools' files get theirs in the same way. */
#include "provision/relabel.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/file.h"
#include "base/map.h"
#include "base/process.h"

#define SELINUX_CONFIG "/etc/selinux/config"

/* The value of SELINUXTYPE; the caller frees. */
static int policy_name(const char *config, char **ret, Error *e)
{
    static const char key[] = "SELINUXTYPE=";
    for (const char *p = config; p && *p; p = strchr(p, '\n') ? strchr(p, '\n') + 1 : NULL) {
        p += strspn(p, " \t");
        if (strncmp(p, key, sizeof(key) - 1) != 0)
            continue;
        p += sizeof(key) - 1;
        size_t n = strcspn(p, "\n");
        while (n && strchr(" \t\r", p[n - 1]))
            n--;
        if (!n || memchr(p, '/', n))
            return error_set(e, EINVAL, "%s: the value of SELINUXTYPE", SELINUX_CONFIG);
        *ret = strndup(p, n);
        return *ret ? 0 : -ENOMEM;
    }
    return error_set(e, EINVAL, "%s: no SELINUXTYPE", SELINUX_CONFIG);
}

static int paths_join(int root, const char *root_path, const StringList *paths, Buf *out)
{
    _cleanup_map_ Map seen = MAP_INIT;
    for (size_t i = 0; i < paths->n; i++) {
        const char *path = paths->items[i];
        if (map_put(&seen, path, (void *)path) == 0)
            continue;
        _cleanup_close_ int fd = root_openat(root, path, O_PATH | O_NOFOLLOW, 0);
        if (fd == -ENOENT || fd == -ENOTDIR)
            continue;
        if (fd < 0)
            return fd;
        buf_addf(out, "%s%s", strcmp(root_path, "/") == 0 ? "" : root_path, path);
        buf_add_char(out, '\0');
    }
    return 0;
}

int relabel_paths(int root, const char *root_path, const StringList *paths, Error *e)
{
    _cleanup_buf_ Buf config = BUF_INIT, input = BUF_INIT;
    int r = root_read(root, SELINUX_CONFIG, 1 << 20, &config);
    if (r == -ENOENT || r == -ENOTDIR)
        return 0;
    if (r < 0)
        return error_errno(e, r, "%s of the root", SELINUX_CONFIG);
    _cleanup_free_ char *policy = NULL;
    r = policy_name(config.data, &policy, e);
    if (r < 0)
        return r;
    r = paths_join(root, root_path, paths, &input);
    if (r < 0)
        return error_errno(e, r, "looking for what is to be relabelled");
    if (!input.len)
        return 0;
    _cleanup_buf_ Buf contexts = BUF_INIT;
    buf_addf(&contexts, "%s/etc/selinux/%s/contexts/files/file_contexts",
             strcmp(root_path, "/") ? root_path : "", policy);
    const char *argv[] = {"setfiles", "-vF0", "-r", root_path, contexts.data, "-f", "-", NULL};
    _cleanup_buf_ Buf output = BUF_INIT;
    r = process_run(&(ProcessRun){.argv = argv,
                                  .input = input.data,
                                  .input_len = input.len,
                                  .output = &output,
                                  .output_max = 256 << 20},
                    e);
    return r ? error_wrap(e, r > 0 ? -EIO : r, "relabelling") : 0;
}
