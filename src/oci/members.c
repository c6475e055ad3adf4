/* An archive is walked once, header by header, and never trusted for more than a name, a size and where the
 * bytes begin. Read are ustar, the long names of GNU and what pax says of path, linkpath and size. A symbolic
 * link leads to another member, once: Docker's old archives name layers twice. Directories, devices and the
 * like are passed over; sparse files, whose size is not what they take, are refused. */
#include "oci/members.h"

#include <fcntl.h>
#include <string.h>

#include "base/file.h"
#include "base/map.h"

enum { BLOCK = 512, EXTENSION_MAX = 64 << 10, PIECE = 256 << 10 };

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
    uint64_t at, end;
    char *path, *link; /* said by an extension, for the next header; NULL: not */
    bool sized;
    uint64_t size;
    Buf extension;
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

/* Octal with spaces or NULs at the ends, or GNU's binary with the first bit set. */
static int number(const unsigned char *p, size_t n, uint64_t *ret)
{
    uint64_t v = 0;
    size_t i = 0;
    if (p[0] & 0x80) {
        for (i = 1; i < n; i++) {
            if (v >> 55)
                return -EINVAL;
            v = v << 8 | p[i];
        }
        *ret = v;
        return p[0] == 0x80 ? 0 : -EINVAL;
    }
    while (i < n && p[i] == ' ')
        i++;
    for (; i < n && p[i] >= '0' && p[i] <= '7'; i++)
        v = v << 3 | (uint64_t)(p[i] - '0'); /* twelve digits at most */
    *ret = v;
    return i == n || p[i] == ' ' || !p[i] ? 0 : -EINVAL;
}

static bool checksum_is_right(const unsigned char *h)
{
    uint64_t said;
    unsigned sum = 0;
    for (size_t i = 0; i < BLOCK; i++)
        sum += i >= 148 && i < 156 ? ' ' : h[i];
    return number(h + 148, 8, &said) == 0 && said == sum;
}

static char *field(Arena *a, const unsigned char *p, size_t n)
{
    return arena_memdup(a, p, strnlen((const char *)p, n));
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

/* "LENGTH KEY=VALUE\n" again and again. */
static int read_pax(Walk *w)
{
    const char *p = w->extension.data, *end = p + w->extension.len;
    while (p < end) {
        char *rest;
        unsigned long n = *p >= '1' && *p <= '9' ? strtoul(p, &rest, 10) : 0;
        if (!n || *rest != ' ' || n > (size_t)(end - p) || p[n - 1] != '\n')
            return -EINVAL;
        const char *key = rest + 1, *stop = p + n - 1, *equals = memchr(key, '=', (size_t)(stop - key));
        if (key > stop || !equals)
            return -EINVAL;
        char *value = arena_memdup(w->m->arena, equals + 1, (size_t)(stop - equals - 1));
        size_t k = (size_t)(equals - key);
        if (k == 4 && !memcmp(key, "path", 4))
            w->path = value;
        else if (k == 8 && !memcmp(key, "linkpath", 8))
            w->link = value;
        else if (k > 11 && !memcmp(key, "GNU.sparse.", 11))
            return -ENOTSUP;
        else if (k == 4 && !memcmp(key, "size", 4)) {
            errno = 0;
            w->size = strtoull(value, &rest, 10);
            w->sized = true;
            if (*value < '0' || *value > '9' || *rest || errno)
                return -EINVAL;
        }
        p += n;
    }
    return 0;
}

static int read_extension(Walk *w, char type, uint64_t size)
{
    w->extension.len = 0;
    if (size > EXTENSION_MAX)
        return -EINVAL;
    int r = read_at(w->m->fd, w->at, buf_reserve(&w->extension, (size_t)size + 1), (size_t)size);
    if (r < 0)
        return r;
    w->extension.len = (size_t)size;
    w->extension.data[size] = '\0';
    if (type == 'x')
        return read_pax(w);
    if (type == 'L')
        w->path = arena_strdup(w->m->arena, w->extension.data);
    else if (type == 'K')
        w->link = arena_strdup(w->m->arena, w->extension.data);
    return 0;
}

static int put(Walk *w, const unsigned char *h, char type, uint64_t size)
{
    Arena *a = w->m->arena;
    const char *name = w->path;
    bool ustar = !memcmp(h + 257, "ustar", 6) && h[345];
    if (!name)
        name = ustar ? arena_printf(a, "%s/%s", field(a, h + 345, 155), field(a, h, 100)) : field(a, h, 100);
    name = tidy(a, name);
    if (!name)
        return 0; /* nobody can ask for it */
    Member *member = ARENA_NEW(a, Member);
    *member = (Member){.at = w->at, .size = size};
    if (type == '2') {
        const char *link = w->link ? w->link : field(a, h + 157, 100), *slash = strrchr(name, '/');
        int up = !strncmp(link, "../", 3) && slash; /* beside the directory that the link is in */
        member->link =
            tidy(a, up                        ? link + 3
                    : link[0] != '/' && slash ? arena_printf(a, "%.*s/%s", (int)(slash - name), name, link)
                                              : link);
        if (!member->link || (up && memchr(name, '/', (size_t)(slash - name))))
            return 0;
    }
    if (w->m->members.n >= MEMBERS_MAX)
        return -E2BIG;
    map_put(&w->m->members, name, member);
    return 0;
}

/* One header and what belongs to it. 1: the archive ends here. */
static int step(Walk *w)
{
    static const unsigned char zeros[BLOCK];
    unsigned char h[BLOCK];
    uint64_t size;
    int r = read_at(w->m->fd, w->at, h, sizeof(h));
    if (r < 0)
        return r;
    if (!memcmp(h, zeros, sizeof(h)))
        return 1;
    if (!checksum_is_right(h) || number(h + 124, 12, &size) < 0)
        return -EINVAL;
    w->at += BLOCK;
    char type = (char)h[156];
    bool extension = type == 'x' || type == 'g' || type == 'L' || type == 'K';
    if (w->sized && !extension)
        size = w->size;
    if (type && !strchr("0L7xgK", type))
        size = type == 'S' ? size : 0; /* links, directories and devices have no bytes */
    if (size > w->end - w->at)
        return -ENODATA;
    if (type == 'S')
        return -ENOTSUP;
    r = extension                                            ? type == 'g' ? 0 : read_extension(w, type, size)
                                                   : !type || type == '0' || type == '7' || type == '2' ? put(w, h, type, size)
                                                             : 0;
    if (!extension) {
        w->path = w->link = NULL;
        w->sized = false;
    }
    w->at += (size + BLOCK - 1) / BLOCK * BLOCK;
    return r;
}

static int walk(Members *m, uint64_t end)
{
    Walk w = {.m = m, .end = end};
    int r = 0;
    while (r == 0 && w.at < end) {
        if (arena_used(m->arena) > 64 << 20) /* of names that are as long as they are many */
            r = -E2BIG;
        else
            r = step(&w);
    }
    buf_done(&w.extension);
    return r < 0 ? r : w.at || r ? 0 : -EINVAL;
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

static int explain(int r, const char *path, Error *e)
{
    switch (r) {
    case -EINVAL:
        return error_set(e, EINVAL, "%s: it is no tar archive, or a compressed one", path);
    case -ENODATA:
        return error_set(e, EINVAL, "%s: the archive is cut off", path);
    case -ENOTSUP:
        return error_set(e, EINVAL, "%s: the archive has sparse files", path);
    case -E2BIG:
        return error_set(e, EINVAL, "%s: the archive has more than %d members", path, MEMBERS_MAX);
    default:
        return error_errno(e, r, "%s", path);
    }
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
    int r = walk(m, (uint64_t)st.st_size);
    if (r < 0)
        return explain(r, path, e);
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

static int take_whole(void *context, const void *data, size_t n)
{
    buf_add(context, data, n);
    return 0;
}

int members_read(Members *m, const char *name, size_t max, Buf *ret, Error *e)
{
    uint64_t size;
    int r = members_size(m, name, &size, e);
    if (r < 0)
        return r;
    if (size > max)
        return error_set(e, EFBIG, "%s has %llu bytes, more than %zu", name, (unsigned long long)size, max);
    return members_stream(m, name, take_whole, ret, e);
}
