#pragma once
/* A tree below a directory as text, a line for each name: what two moments of it are compared by. Times of
 * directories are left out, as are directories without anything in them below the daemon's own. */
#include <dirent.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/file.h"

static inline int tree_text_filter(const struct dirent *d)
{
    return strcmp(d->d_name, ".") && strcmp(d->d_name, "..");
}

static inline void tree_text_add(int dir, const char *path, Buf *out)
{
    struct dirent **names;
    int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY);
    char here[64];
    snprintf(here, sizeof(here), "/proc/self/fd/%d", fd);
    int n = scandir(here, &names, tree_text_filter, alphasort);
    for (int i = 0; i < n; i++) {
        char *name = names[i]->d_name, full[1024], target[512] = "";
        struct stat st;
        fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW);
        snprintf(full, sizeof(full), "%s/%s", path, name);
        if (S_ISDIR(st.st_mode)) {
            Buf inner = BUF_INIT;
            int sub = openat(fd, name, O_RDONLY | O_DIRECTORY);
            tree_text_add(sub, full, &inner);
            close(sub);
            if (inner.len || !strstr(full, "/machine-config-daemon"))
                buf_addf(out, "d %s %o %u:%u\n%s", full, st.st_mode & 07777, st.st_uid, st.st_gid,
                         inner.data ? inner.data : "");
            buf_done(&inner);
        } else if (S_ISLNK(st.st_mode)) {
            ssize_t k = readlinkat(fd, name, target, sizeof(target) - 1);
            buf_addf(out, "l %s -> %.*s\n", full, (int)k, target);
        } else {
            Buf bytes = BUF_INIT;
            int file = openat(fd, name, O_RDONLY);
            file_read_fd(file, 1 << 22, &bytes);
            close(file);
            buf_addf(out, "f %s %o %u:%u %ld.%09ld %zu ", full, st.st_mode & 07777, st.st_uid, st.st_gid,
                     (long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec, bytes.len);
            buf_add(out, bytes.data ? bytes.data : "", bytes.len < 4096 ? bytes.len : 4096);
            buf_add_char(out, '\n');
            buf_done(&bytes);
        }
        free(names[i]);
    }
    if (n >= 0)
        free(names);
    close(fd);
}

/* The caller frees. */
static inline char *tree_text(int root)
{
    Buf out = BUF_INIT;
    tree_text_add(root, "", &out);
    return buf_take(&out);
}

static inline void tree_expect(int root, const char *was)
{
    char *now = tree_text(root);
    const char *a = was, *b = now;
    for (size_t i = 0; was[i] && was[i] == now[i]; i++)
        if (was[i] == '\n') {
            a = was + i + 1;
            b = now + i + 1;
        }
    if (strcmp(was, now))
        fail_msg("was: %.300s\nis: %.300s", a, b);
    free(now);
}
