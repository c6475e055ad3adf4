/* An archive is walked once, header by header, and never trusted for more than a name, a size and where the
 * bytes begin; what files hold is not read for that. A symbolic link leads to another member, once: Docker's
 * old archives name layers twice. Directories, devices and the like are passed over. */
#include "oci/members.h"

#include <fcntl.h>
#include <string.h>

#include "base/file.h"
#include "base/map.h"
#include "format/tar.h"

enum { BLOCK = 512, PIECE = 256 << 10, NAMES_SIZE_MAX = 32 << 20 };

typedef struct Member {
    const char *link; /* of a symbolic link; NULL: a file */
    uint64_t at, size;
} Member;

struct Members {
    Arena *arena;
    int fd;      /* of the directory, or the archive */
    Map members; /* of an archive */
    bool archive;
};

/* ---- an archive's headers ---- */

typedef struct Walk {
    Members *m;
    uint64_t at, end; /* at: behind the block that is looked at */
    uint64_t content; /* bytes of the file that it is the header of */
} Walk;

static int read_at(int fd, uint64_t at, void *data, size_t n)
{
    for (size_t done = 0; done < n;) {
        ssize_t got = pread(fd, (char *)data + done, n - done, (off_t)(at + done));
        if (got < 0 && errno != EINTR)
            return -errno;
        if (got == 0)
            return -ENODATA;
        done += got > 0 ? (size_t)got : 0;
    }
    return 0;
}

/* "./a//b/" is "a/b"; NULL: "..", nothing, or too long. */
static char *tidy(Arena *a, const char *name)
{
    if (strlen(name) > MEMBER_NAME_MAX)
        return NULL;
    char *out = arena_alloc(a, strlen(name) + 2), *to = out;
    while (*name) {
        size_t n = strcspn(name, "/");
        if (n == 2 && !memcmp(name, "..", 2))
            return NULL;
        if (n && !(n == 1 && *name == '.')) {
            if (to > out)
                *to++ = '/';
            memcpy(to, name, n);
            to += n;
        }
        name += n + (name[n] == '/');
    }
    return to > out ? out : NULL;
}

/* "../one/layer" of "two/layer" is "one/layer"; other links stay in their directory. NULL: it leads
 * elsewhere. */
static const char *link_of(Arena *a, const char *name, const char *link)
{
    const char *slash = strchr(name, '/');
    if (link[0] == '/' || (slash && strchr(slash + 1, '/')))
        return NULL;
    if (!strncmp(link, "../", 3))
        return slash ? tidy(a, link + 3) : NULL;
    return tidy(a, slash ? arena_printf(a, "%.*s/%s", (int)(slash - name), name, link) : link);
}

static int take_entry(void *context, const TarEntry *entry, Error *e)
{
    Walk *w = context;
    Members *m = w->m;
    w->content = entry->size;
    if (entry->size > w->end - w->at)
        return error_set(e, EBADMSG, "the archive is cut off");
    if (entry->type != TAR_FILE && entry->type != TAR_SYMLINK)
        return 0;
    if (m->members.n >= MEMBERS_MAX || arena_used(m->arena) > NAMES_SIZE_MAX)
        return error_set(e, EBADMSG, "the archive has more than %d members", MEMBERS_MAX);
    char *name = tidy(m->arena, entry->path);
    if (!name)
        return 0; /* nobody can ask for it */
    Member *member = ARENA_NEW(m->arena, Member);
    *member = (Member){.at = w->at, .size = entry->size};
    if (entry->type == TAR_SYMLINK && !(member->link = link_of(m->arena, name, entry->link)))
        return 0;
    map_put(&m->members, name, member);
    return 0;
}

static int take_data(void *context, const void *data, size_t n, Error *e)
{
    (void)context;
    (void)data;
    (void)n;
    (void)e;
    return 0;
}

static int take_end(void *context, Error *e)
{
    (void)context;
    (void)e;
    return 0;
}

/* In the place of what a file holds the reader gets zeros: it counts them and looks at none. */
static int skip_content(Walk *w, TarReader *reader, Error *e)
{
    static const char zeros[PIECE];
    uint64_t left = (w->content + BLOCK - 1) / BLOCK * BLOCK;
    w->at += left;
    w->content = 0;
    for (int r; left; left -= left < PIECE ? left : PIECE)
        if ((r = tar_reader_feed(reader, zeros, left < PIECE ? (size_t)left : PIECE, e)) < 0)
            return r;
    return 0;
}

static int walk(Members *m, uint64_t end, Error *e)
{
    static const TarSink sink = {.entry = take_entry, .data = take_data, .end = take_end};
    Walk w = {.m = m, .end = end};
    _cleanup_(tar_reader_freep)
    TarReader *reader = tar_reader_new(&sink, &w);
    char block[BLOCK];
    if (end < BLOCK)
        return error_set(e, EBADMSG, "it is no tar archive");
    while (w.at < end) {
        size_t n = end - w.at < BLOCK ? (size_t)(end - w.at) : BLOCK;
        int r = read_at(m->fd, w.at, block, n);
        if (r < 0)
            return error_errno(e, r, "reading it");
        if (!w.at && (!memcmp(block, "\x1f\x8b", 2) || !memcmp(block, "\x28\xb5\x2f\xfd", 4)))
            return error_set(e, EBADMSG, "it is compressed; unpack it first");
        w.at += n;
        if ((r = tar_reader_feed(reader, block, n, e)) < 0 || (r = skip_content(&w, reader, e)) < 0)
            return r;
    }
    return tar_reader_finish(reader, e);
}

/* ---- opening ---- */

static Members *members_new(int fd, bool archive)
{
    Members *m = calloc(1, sizeof(*m));
    if (!m)
        abort();
    *m = (Members){.arena = arena_new(), .fd = fd, .archive = archive};
    return m;
}

int members_open_directory(const char *path, Members **ret, Error *e)
{
    int fd = root_open(path, e);
    if (fd < 0)
        return fd;
    *ret = members_new(fd, false);
    return 0;
}

int members_open_archive(const char *path, Members **ret, Error *e)
{
    _cleanup_(members_freep)
    Members *m = NULL;
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return error_errno(e, -errno, "%s", path);
    m = members_new(fd, true);
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return error_set(e, EINVAL, "%s: it is no regular file", path);
    int r = walk(m, (uint64_t)st.st_size, e);
    if (r < 0)
        return error_wrap(e, r, "%s", path);
    *ret = TAKE_PTR(m);
    return 0;
}

void members_free(Members *m)
{
    if (!m)
        return;
    close(m->fd);
    map_done(&m->members);
    arena_free(m->arena);
    free(m);
}

/* ---- reading ---- */

typedef struct Opened {
    int fd, owned; /* owned: to be closed, or -EBADF */
    uint64_t at, size;
} Opened;

static int open_in_archive(Members *m, const char *name, Opened *ret)
{
    const Member *member = map_get(&m->members, name);
    if (member && member->link)
        member = map_get(&m->members, member->link);
    if (!member || member->link)
        return -ENOENT;
    *ret = (Opened){.fd = m->fd, .owned = -EBADF, .at = member->at, .size = member->size};
    return 0;
}

static int open_in_directory(Members *m, const char *name, Opened *ret)
{
    struct stat st;
    _cleanup_close_ int fd = root_openat(m->fd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0);
    if (fd < 0)
        return fd;
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return -EINVAL;
    *ret = (Opened){.fd = fd, .owned = fd, .size = (uint64_t)st.st_size};
    TAKE_FD(fd);
    return 0;
}

static int member_open(Members *m, const char *name, Opened *ret, Error *e)
{
    int r = m->archive ? open_in_archive(m, name, ret) : open_in_directory(m, name, ret);
    return r < 0 ? error_errno(e, r, "%s", name) : 0;
}

int members_size(Members *m, const char *name, uint64_t *ret, Error *e)
{
    Opened o;
    int r = member_open(m, name, &o, e);
    if (r < 0)
        return r;
    closep(&o.owned);
    *ret = o.size;
    return 0;
}

int members_stream(Members *m, const char *name, int (*take)(void *context, const void *data, size_t n),
                   void *context, Error *e)
{
    Opened o;
    _cleanup_free_ char *piece = malloc(PIECE);
    int r = member_open(m, name, &o, e);
    if (r < 0)
        return r;
    if (!piece)
        abort();
    for (uint64_t left = o.size; r >= 0 && left;) {
        size_t n = left < PIECE ? (size_t)left : PIECE;
        if ((r = read_at(o.fd, o.at, piece, n)) < 0)
            r = error_errno(e, r, "reading %s", name);
        else if ((r = take(context, piece, n)) < 0)
            r = error_errno(e, r, "taking %s", name);
        o.at += n;
        left -= n;
    }
    closep(&o.owned);
    return r;
}

int members_read(Members *m, const char *name, size_t max, Buf *ret, Error *e)
{
    uint64_t size;
    int r = members_size(m, name, &size, e);
    if (r < 0)
        return r;
    if (size > max)
        return error_set(e, EFBIG, "%s has %llu bytes, more than %zu", name, (unsigned long long)size, max);
    return members_stream(m, name, buf_collect, ret, e);
}
