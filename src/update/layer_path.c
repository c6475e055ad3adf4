/* Component by component; nothing is looked up. */
#include "update/layer_path.h"

#include <string.h>

#include "format/utf8.h"

#define AUFS       ".wh..wh."
#define REPOSITORY "sysroot/ostree/repo/"

static bool is_one_of(const char *s, size_t n, const char *const *list)
{
    for (; *list; list++)
        if (strlen(*list) == n && memcmp(*list, s, n) == 0)
            return true;
    return false;
}

static bool begins(const char *s, size_t n, const char *with)
{
    size_t k = strlen(with);
    return n >= k && memcmp(s, with, k) == 0;
}

/* ".wh." and something that is a name. */
static bool is_whiteout(const char *s, size_t n)
{
    static const char *const none[] = {"", ".", "..", NULL};
    size_t k = strlen(WHITEOUT_PREFIX);

    return begins(s, n, WHITEOUT_PREFIX) && !is_one_of(s + k, n - k, none);
}

static int refuse(const char *name, const char *why, Error *e)
{
    return error_set(e, EBADMSG, "the layer has an entry '%.300s': %s", name, why);
}

static int check(const char *name, const char *s, size_t n, bool last, Error *e)
{
    if (n == 2 && memcmp(s, "..", 2) == 0)
        return refuse(name, "'..' leads out of where it is", e);
    if (n > LAYER_NAME_MAX)
        return refuse(name, "a name of more than 255 bytes", e);
    if (begins(s, n, WHITEOUT_PREFIX) && !begins(s, n, AUFS) && !(last && is_whiteout(s, n)))
        return refuse(name, "a name that only whiteouts may have", e);
    return 0;
}

/* What stands at the top under another name. */
static void top_add(Buf *out, const char *s, size_t n, bool last)
{
    static const char whiteout[] = WHITEOUT_PREFIX "etc";

    if ((n == 3 && memcmp(s, "etc", 3) == 0) ||
        (last && n == sizeof(whiteout) - 1 && memcmp(s, whiteout, n) == 0))
        buf_add_str(out, "usr/");
    buf_add(out, s, n);
}

int layer_path_read(const char *name, Buf *ret, Error *e)
{
    static const char *const runtime[] = {"run", "tmp", "proc", "sys", "dev", NULL};
    LayerPath kind = LAYER_PATH_KEPT;
    const char *p = name + strspn(name, "/");
    bool in_runtime = false;

    ret->len = 0;
    buf_add(ret, "", 0);
    if (!utf8_is_valid(name, strlen(name)))
        return error_set(e, EBADMSG, "the layer has an entry whose name is no UTF-8, behind '%.300s'",
                         ret->len ? ret->data : "");
    while (*p) {
        const char *s = p;
        size_t n = strcspn(s, "/");
        p += n;
        p += strspn(p, "/");
        if (n == 1 && s[0] == '.')
            continue;
        bool last = !p[strspn(p, "./")]; /* ".." still ends in a refusal */
        int r = check(name, s, n, last, e);
        if (r < 0)
            return r;
        if (in_runtime)
            kind = LAYER_PATH_RUNTIME;
        if (begins(s, n, AUFS) && !(last && n == strlen(WHITEOUT_OPAQUE) && begins(s, n, WHITEOUT_OPAQUE)))
            kind = LAYER_PATH_OTHER;
        if (ret->len == 0) {
            in_runtime = is_one_of(s, n, runtime);
            top_add(ret, s, n, last);
        } else {
            buf_add_char(ret, '/');
            buf_add(ret, s, n);
        }
    }
    if (kind == LAYER_PATH_KEPT && begins(ret->data, ret->len, REPOSITORY))
        kind = LAYER_PATH_REPOSITORY;
    return kind;
}

bool layer_path_object(const char *path, uint8_t ret[OSTREE_CHECKSUM])
{
    static const char objects[] = REPOSITORY "objects/";
    const char *p = path + sizeof(objects) - 1;

    return strncmp(path, objects, sizeof(objects) - 1) == 0 &&
           strlen(p) == OSTREE_CHECKSUM_TEXT + strlen(".file") && p[2] == '/' &&
           strcmp(p + OSTREE_CHECKSUM_TEXT, ".file") == 0 && hex_decode(p, 2, ret) &&
           hex_decode(p + 3, OSTREE_CHECKSUM_TEXT - 3, ret + 1);
}
