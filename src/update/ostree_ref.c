/* A ref is a path below refs/heads. Writing makes its directories, then the file whole; a name that is both a
 * ref and a directory of others is refused by the file system and by libostree alike. */
#include "update/ostree_ref.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "format/utf8.h"

#define HEADS "refs/heads"

enum { DEPTH_MAX = 32, FILE_MAX = 256, PART_MAX = 255 /* as names of files */ };

static bool is_alphanumeric(unsigned char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/* libostree's ostree_validate_rev(): parts of letters, digits and "-_.", none beginning with "." or "-". */
bool ostree_ref_valid(const char *name)
{
    size_t n = strlen(name), part = 0;
    bool begins = true;

    if (n == 0 || n > OSTREE_REF_MAX)
        return false;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)name[i];
        part = c == '/' ? 0 : part + 1;
        if (part > PART_MAX)
            return false;
        if (c == '/' ? begins : !is_alphanumeric(c) && c != '_' && (begins || (c != '-' && c != '.')))
            return false;
        begins = c == '/';
    }
    return !begins;
}

/* ---- escaping ---- */

/* The code point of a valid sequence of n bytes. */
static uint32_t code_point(const char *s, size_t n)
{
    uint32_t c = n == 1 ? (unsigned char)s[0] : (unsigned char)s[0] & (0x7fU >> n);

    for (size_t i = 1; i < n; i++)
        c = c << 6 | ((unsigned char)s[i] & 0x3f);
    return c;
}

static void code_point_add(Buf *out, uint32_t c)
{
    const unsigned more = c < 0x80 ? 0 : c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    static const unsigned char first[] = {0, 0xc0, 0xe0, 0xf0};

    buf_add_char(out, (char)(first[more] | c >> (6 * more)));
    for (unsigned i = more; i-- > 0;)
        buf_add_char(out, (char)(0x80 | (c >> (6 * i) & 0x3f)));
}

char *ostree_ref_escape(Arena *a, const char *prefix, const char *text)
{
    _cleanup_buf_ Buf b = BUF_INIT;
    const size_t n = strlen(text);
    bool after = false; /* a letter or digit came before */

    if (n == 0 || n > OSTREE_REF_MAX || !utf8_is_valid(text, n))
        return NULL;
    buf_addf(&b, "%s/", prefix);
    for (size_t i = 0; i < n;) {
        size_t width = utf8_length(text + i, text + n);
        uint32_t c = code_point(text + i, width);
        i += width;
        bool plain = c < 0x80 && is_alphanumeric((unsigned char)c);
        if (plain || c == '-' || (c == '/' && after && i < n))
            buf_add_char(&b, (char)c);
        else if (c == '_')
            buf_add_str(&b, "__");
        else
            buf_addf(&b, "_%02X_", c);
        after = plain;
    }
    return ostree_ref_valid(b.data) ? arena_strdup(a, b.data) : NULL;
}

/* What stands between two underscores, which *p is behind the first of. */
static bool unescape_one(const char **p, Buf *out)
{
    const char *end = strchr(*p, '_');
    uint32_t c = 0;

    if (!end || end - *p > 6)
        return false;
    for (const char *s = *p; s < end; s++) {
        if (!((*s >= '0' && *s <= '9') || (*s >= 'A' && *s <= 'F')))
            return false;
        c = c << 4 | (uint32_t)(*s <= '9' ? *s - '0' : *s - 'A' + 10);
    }
    if (end > *p && (c == 0 || c > 0x10ffff || (c >= 0xd800 && c < 0xe000)))
        return false;
    if (end == *p)
        buf_add_char(out, '_');
    else
        code_point_add(out, c);
    *p = end + 1;
    return true;
}

char *ostree_ref_unescape(Arena *a, const char *prefix, const char *name)
{
    const size_t n = strlen(prefix);
    _cleanup_buf_ Buf b = BUF_INIT;

    if (strncmp(name, prefix, n) != 0 || name[n] != '/' || !name[n + 1])
        return NULL;
    for (const char *p = name + n + 1; *p;) {
        unsigned char c = (unsigned char)*p++;
        if (is_alphanumeric(c) || c == '-' || c == '/')
            buf_add_char(&b, (char)c);
        else if (c != '_' || !unescape_one(&p, &b))
            return NULL;
    }
    return arena_strdup(a, b.data);
}

/* ---- files ---- */

static int bad_name(const char *name, Error *e)
{
    return error_set(e, EINVAL, "'%.200s' is no name of a ref", name);
}

int ostree_ref_read(int repo, const char *name, uint8_t ret[OSTREE_CHECKSUM], Error *e)
{
    _cleanup_buf_ Buf path = BUF_INIT, text = BUF_INIT;

    if (!ostree_ref_valid(name))
        return bad_name(name, e);
    buf_addf(&path, HEADS "/%s", name);
    int r = file_read_at(repo, path.data, FILE_MAX, &text, NULL);
    if (r == -EISDIR || r == -ENOTDIR)
        r = -ENOENT;
    if (r < 0)
        return r == -ENOENT ? error_set(e, ENOENT, "there is no ref %s", name)
                            : error_errno(e, r, "the ref %s", name);
    while (text.len > 0 && text.data[text.len - 1] == '\n')
        text.len--;
    if (text.len != OSTREE_CHECKSUM_TEXT - 1 || !hex_decode(text.data, text.len, ret))
        return error_set(e, EBADMSG, "the ref %s holds no checksum", name);
    return 0;
}

/* The directories of `path`, each on disk before there is something in it. */
static int make_parents(int repo, char *path)
{
    for (char *slash = strchr(path + strlen(HEADS "/"), '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        int r = mkdirat(repo, path, 0755) < 0 ? -errno : 1;
        if (r > 0) {
            char *last = strrchr(path, '/');
            *last = '\0';
            _cleanup_close_ int parent = openat(repo, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
            *last = '/';
            r = parent < 0 ? -errno : dir_sync(parent);
        }
        *slash = '/';
        if (r < 0 && r != -EEXIST)
            return r;
    }
    return 0;
}

int ostree_ref_write(int repo, const char *name, const uint8_t checksum[OSTREE_CHECKSUM], Error *e)
{
    _cleanup_buf_ Buf path = BUF_INIT;
    char text[OSTREE_CHECKSUM_TEXT + 1];
    uint8_t old[OSTREE_CHECKSUM];

    int r = ostree_ref_read(repo, name, old, e);
    if (r == -EINVAL)
        return r;
    if (r >= 0 && memcmp(old, checksum, OSTREE_CHECKSUM) == 0)
        return 0;
    buf_addf(&path, HEADS "/%s", name);
    hex_encode(checksum, OSTREE_CHECKSUM, text);
    strcat(text, "\n");
    r = make_parents(repo, path.data);
    if (r >= 0)
        r = file_write_at(repo, path.data, text, strlen(text), FILE_WRITE(.sync = true));
    return r < 0 ? error_errno(e, r, "writing the ref %s", name) : 1;
}

/* Directories that are empty now go too: a later ref may have their name. */
int ostree_ref_delete(int repo, const char *name, Error *e)
{
    _cleanup_buf_ Buf path = BUF_INIT;

    if (!ostree_ref_valid(name))
        return bad_name(name, e);
    buf_addf(&path, HEADS "/%s", name);
    if (unlinkat(repo, path.data, 0) < 0)
        return errno == ENOENT || errno == ENOTDIR || errno == EISDIR
                   ? 0
                   : error_errno(e, -errno, "deleting the ref %s", name);
    char *slash = strrchr(path.data, '/');
    *slash = '\0';
    while (strcmp(path.data, HEADS) != 0 && unlinkat(repo, path.data, AT_REMOVEDIR) == 0)
        *strrchr(path.data, '/') = '\0';
    _cleanup_close_ int parent = openat(repo, path.data, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int r = parent < 0 ? -errno : dir_sync(parent);
    return r < 0 ? error_errno(e, r, "deleting the ref %s", name) : 1;
}

/* ---- the list ---- */

typedef struct List {
    int repo;
    Arena *arena;
    OstreeRef *refs;
    size_t n, size;
} List;

static int list_add(List *l, const char *name, Error *e)
{
    OstreeRef ref = {.name = name};
    int r = ostree_ref_read(l->repo, name, ref.checksum, e);

    if (r < 0) /* an alias, a name that is none: nothing that we write */
        return r == -EIO ? r : 0;
    if (l->n == OSTREE_REFS_MAX)
        return error_set(e, E2BIG, "the repository has more than %d refs", OSTREE_REFS_MAX);
    if (l->n == l->size) {
        OstreeRef *old = l->refs;
        l->size = l->size ? 2 * l->size : 64;
        l->refs = ARENA_ARRAY(l->arena, OstreeRef, l->size + 1);
        if (l->n > 0)
            memcpy(l->refs, old, l->n * sizeof(*old));
    }
    l->refs[l->n++] = ref;
    return 0;
}

/* `name` is a directory of refs: "" or with a slash at its end. */
static int list_directory(List *l, const char *name, unsigned depth, Error *e)
{
    _cleanup_buf_ Buf path = BUF_INIT;
    struct dirent *entry;

    buf_addf(&path, HEADS "/%s", name);
    _cleanup_close_ int fd = openat(l->repo, path.data, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT || errno == ENOTDIR ? 0 : error_errno(e, -errno, "%s", path.data);
    _cleanup_closedir_ DIR *d = fdopendir(fd);
    if (!d)
        return error_errno(e, -errno, "%s", path.data);
    fd = -EBADF;
    while (errno = 0, (entry = readdir(d))) {
        struct stat st;
        int r = 0;
        if (entry->d_name[0] == '.' || fstatat(dirfd(d), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        if (S_ISDIR(st.st_mode) && depth < DEPTH_MAX)
            r = list_directory(l, arena_printf(l->arena, "%s%s/", name, entry->d_name), depth + 1, e);
        else if (S_ISREG(st.st_mode))
            r = list_add(l, arena_printf(l->arena, "%s%s", name, entry->d_name), e);
        if (r < 0)
            return r;
    }
    return errno ? error_errno(e, -errno, "%s", path.data) : 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const OstreeRef *)a)->name, ((const OstreeRef *)b)->name);
}

int ostree_ref_list(int repo, const char *prefix, Arena *a, OstreeRef **ret, size_t *ret_n, Error *e)
{
    List l = {.repo = repo, .arena = a};
    int r = list_directory(&l, *prefix ? arena_printf(a, "%s/", prefix) : "", 0, e);

    if (r < 0)
        return r;
    if (!l.refs)
        l.refs = ARENA_ARRAY(a, OstreeRef, 1);
    l.refs[l.n] = (OstreeRef){0};
    if (l.n > 1)
        qsort(l.refs, l.n, sizeof(*l.refs), by_name);
    *ret = l.refs;
    *ret_n = l.n;
    return 0;
}
