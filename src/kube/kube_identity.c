/* A file is taken for the same while it has its inode, size and time of change: files that are replaced by a
 * rename, and those behind a link that is, are both seen. */
#include "kube/kube_identity.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"

static const char *const nouns[] = {[IDENTITY_AUTHORITY] = "the authority",
                                    [IDENTITY_CERTIFICATE] = "the certificate",
                                    [IDENTITY_KEY] = "the key",
                                    [IDENTITY_TOKEN] = "the token"};

void kube_identity_init(KubeIdentity *i, const KubeConfig *c)
{
    *i = (KubeIdentity){.parts = {
                            [IDENTITY_AUTHORITY] = {.from = &c->authority, .max = KUBE_PEM_MAX},
                            [IDENTITY_CERTIFICATE] = {.from = &c->certificate, .max = KUBE_PEM_MAX},
                            [IDENTITY_KEY] = {.from = &c->key, .max = KUBE_PEM_MAX},
                            [IDENTITY_TOKEN] = {.from = &c->token, .max = KUBE_TOKEN_MAX},
                        }};
}

void kube_identity_done(KubeIdentity *i)
{
    for (size_t k = 0; k < IDENTITY_PARTS; k++)
        buf_done_secret(&i->parts[k].text);
}

static bool same(const KubeIdentityPart *p, const struct stat *st)
{
    return p->text.len && p->stamp.device == st->st_dev && p->stamp.inode == st->st_ino &&
           p->stamp.size == (uint64_t)st->st_size && p->stamp.changed_sec == st->st_mtim.tv_sec &&
           p->stamp.changed_ns == st->st_mtim.tv_nsec;
}

/* A token ends up in a header: its white space around it goes, within it is a fault. */
static int trim(size_t part, Buf *text)
{
    while (text->len && strchr(" \t\r\n", text->data[text->len - 1]))
        text->data[--text->len] = '\0';
    for (size_t i = 0; part == IDENTITY_TOKEN && i < text->len; i++)
        if (text->data[i] <= ' ' || text->data[i] == 0x7f)
            return -EINVAL;
    return text->len && !memchr(text->data, '\0', text->len) ? 0 : -EINVAL;
}

static int read_file(KubeIdentityPart *p, size_t part)
{
    _cleanup_close_ int fd = open(p->from->file, O_RDONLY | O_CLOEXEC);
    _cleanup_(buf_done_secret)
    Buf text = BUF_INIT;
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0)
        return -errno;
    int r = file_read_fd(fd, p->max, &text);
    if (r >= 0)
        r = trim(part, &text);
    if (r < 0)
        return r;
    bool changed = text.len != p->text.len || memcmp(text.data, p->text.data, text.len);
    Buf old = p->text;
    p->text = text;
    text = old;
    p->stamp.device = st.st_dev;
    p->stamp.inode = st.st_ino;
    p->stamp.size = (uint64_t)st.st_size;
    p->stamp.changed_sec = st.st_mtim.tv_sec;
    p->stamp.changed_ns = st.st_mtim.tv_nsec;
    return changed;
}

static int refresh(KubeIdentityPart *p, size_t part, Error *e)
{
    struct stat st;
    if (p->from->text) {
        if (!p->text.len)
            buf_add_str(&p->text, p->from->text);
        return 0;
    }
    if (!p->from->file || (stat(p->from->file, &st) >= 0 && same(p, &st)))
        return 0;
    int r = read_file(p, part);
    if (r >= 0 || p->text.len)
        return r < 0 ? 0 : r;
    return r == -EINVAL ? error_set(e, EINVAL, "%s: '%s' has none", nouns[part], p->from->file)
                        : error_errno(e, r, "%s: reading '%s'", nouns[part], p->from->file);
}

int kube_identity_refresh(KubeIdentity *i, Error *e)
{
    int changed = 0;
    for (size_t k = 0; k < IDENTITY_PARTS; k++) {
        int r = refresh(&i->parts[k], k, e);
        if (r < 0)
            return r;
        changed |= r;
    }
    return changed;
}
