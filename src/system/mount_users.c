/* Looked at, in this order: mounts on top of it, swap files and loop devices on it, and of every process the
 * working directory, the root, the program, the open and the mapped files, each by the mount that it lies in
 * (the links of /proc lead there without a path being walked). A process that ends meanwhile is skipped. */
#include "system/mount_users.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/file.h"
#include "system/mount_table.h"

enum { TEXT_MAX = 1 << 20 };

typedef struct Search {
    Arena *arena;
    uint64_t mount;
    Buf text;
    unsigned told;
} Search;

static void tell(Search *s, const char *what)
{
    if (s->told < MOUNT_USERS_TOLD)
        buf_addf(&s->text, "%s%s", s->told > 0 ? ", " : "", what);
    else if (s->told == MOUNT_USERS_TOLD)
        buf_add_str(&s->text, " and others");
    s->told++;
}

static bool lies_in(const Search *s, int dirfd, const char *path)
{
    struct statx st;

    return statx(dirfd, path, AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT, STATX_MNT_ID, &st) == 0 &&
           (st.stx_mask & STATX_MNT_ID) && st.stx_mnt_id == s->mount;
}

static void search_mounts(Search *s)
{
    MountTable t;

    if (mount_table_read(s->arena, &t, NULL) < 0)
        return;
    for (size_t i = 0; i < t.n; i++)
        if (t.entries[i].parent == s->mount && t.entries[i].id != s->mount)
            tell(s, arena_printf(s->arena, "%s is mounted on %s", t.entries[i].source, t.entries[i].point));
}

static void search_swaps(Search *s)
{
    _cleanup_buf_ Buf text = BUF_INIT;

    if (file_read_at(AT_FDCWD, "/proc/swaps", TEXT_MAX, &text, NULL) < 0)
        return;
    for (char *line = text.data, *next; line && *line; line = next) {
        next = strchr(line, '\n');
        if (next)
            *next++ = '\0';
        line[strcspn(line, " \t")] = '\0';
        if (line[0] == '/' && lies_in(s, AT_FDCWD, line))
            tell(s, arena_printf(s->arena, "%s is used as swap", line));
    }
}

static void search_loops(Search *s)
{
    _cleanup_closedir_ DIR *d = opendir("/sys/block");

    for (struct dirent *f; d && (f = readdir(d));) {
        _cleanup_buf_ Buf text = BUF_INIT;
        if (strncmp(f->d_name, "loop", 4) != 0)
            continue;
        const char *file = arena_printf(s->arena, "/sys/block/%s/loop/backing_file", f->d_name);
        if (file_read_at(AT_FDCWD, file, TEXT_MAX, &text, NULL) < 0 || !text.data)
            continue;
        text.data[strcspn(text.data, "\n")] = '\0';
        if (lies_in(s, AT_FDCWD, text.data))
            tell(s, arena_printf(s->arena, "/dev/%s is made of %s", f->d_name, text.data));
    }
}

static const char *link_text(Search *s, int dir, const char *name)
{
    char text[4096];
    ssize_t n = readlinkat(dir, name, text, sizeof(text));

    return n > 0 ? arena_memdup(s->arena, text, (size_t)n) : "something";
}

/* The first entry of a directory of links that lies in the mount, or NULL. */
static const char *search_links(Search *s, int process, const char *name)
{
    int fd = openat(process, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    _cleanup_closedir_ DIR *d = fd < 0 ? NULL : fdopendir(fd);

    if (fd >= 0 && !d)
        close(fd);
    for (struct dirent *f; d && (f = readdir(d));)
        if (f->d_name[0] != '.' && lies_in(s, dirfd(d), f->d_name))
            return link_text(s, dirfd(d), f->d_name);
    return NULL;
}

static const char *use_of(Search *s, int process)
{
    static const struct {
        const char *name, *words;
    } single[] = {{"cwd", "works in"}, {"root", "has its root at"}, {"exe", "runs"}};
    static const struct {
        const char *name, *words;
    } several[] = {{"fd", "open"}, {"map_files", "mapped"}};

    for (size_t i = 0; i < ELEMENTS(single); i++)
        if (lies_in(s, process, single[i].name))
            return arena_printf(s->arena, "%s %s", single[i].words, link_text(s, process, single[i].name));
    for (size_t i = 0; i < ELEMENTS(several); i++) {
        const char *file = search_links(s, process, several[i].name);
        if (file)
            return arena_printf(s->arena, "has %s %s", file, several[i].words);
    }
    return NULL;
}

static void search_processes(Search *s)
{
    _cleanup_closedir_ DIR *d = opendir("/proc");

    for (struct dirent *f; d && (f = readdir(d)) && s->told <= MOUNT_USERS_TOLD;) {
        _cleanup_buf_ Buf name = BUF_INIT;
        if (f->d_name[0] < '1' || f->d_name[0] > '9')
            continue;
        _cleanup_close_ int process = openat(dirfd(d), f->d_name, O_PATH | O_DIRECTORY | O_CLOEXEC);
        const char *use = process < 0 ? NULL : use_of(s, process);
        if (!use)
            continue;
        if (file_read_at(process, "comm", 64, &name, NULL) >= 0 && name.data)
            name.data[strcspn(name.data, "\n")] = '\0';
        tell(s, arena_printf(s->arena, "process %s (%s) %s", f->d_name, name.data ? name.data : "?", use));
    }
}

const char *mount_users_text(Arena *a, uint64_t mount_id)
{
    Search s = {.arena = a, .mount = mount_id};

    search_mounts(&s);
    search_swaps(&s);
    search_loops(&s);
    search_processes(&s);
    const char *text = arena_memdup(a, s.text.data ? s.text.data : "", s.text.len);
    buf_done(&s.text);
    return text;
}
