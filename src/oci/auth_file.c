/* Keys are compared with ever shorter parts of the name. Docker wrote URLs for keys in its early days and
 * still does for its own registry, which has three names. */
#include "oci/auth_file.h"

#include <string.h>

#include "base/file.h"
#include "format/data_url.h"
#include "oci/document.h"

/* The first three are those of OSTree's container tools, then podman's of root, then Docker's. Docker's still
 * older .dockercfg, which has no "auths", is not read. */
const char *const auth_files[] = {"run/ostree/auth.json",
                                  "etc/ostree/auth.json",
                                  "usr/lib/ostree/auth.json",
                                  "run/containers/0/auth.json",
                                  "root/.config/containers/auth.json",
                                  "root/.docker/config.json",
                                  NULL};

static const char *hub(const char *host, size_t *n)
{
    static const char *const names[] = {"index.docker.io", "registry-1.docker.io"};
    for (size_t i = 0; i < ELEMENTS(names); i++)
        if (strlen(names[i]) == *n && !strncasecmp(names[i], host, *n)) {
            *n = strlen("docker.io");
            return "docker.io";
        }
    return host;
}

/* "https://index.docker.io/v1/" is docker.io. Only a URL's path means nothing: "host/project" is for that
 * alone. */
static bool key_is_host(const char *key, const char *registry)
{
    size_t scheme = !strncmp(key, "https://", 8) ? 8 : !strncmp(key, "http://", 7) ? 7 : 0;
    const char *host = key + scheme;
    size_t n = scheme ? strcspn(host, "/") : strlen(host);
    host = hub(host, &n);
    return strlen(registry) == n && !strncasecmp(host, registry, n);
}

static const Node *find_entry(const Node *auths, const ImageName *name)
{
    Buf path = BUF_INIT;
    const Node *found = NULL;
    buf_addf(&path, "%s/%s", name->registry, name->repository);
    for (char *slash = path.data; !found && slash;) {
        found = node_get(auths, path.data);
        slash = strrchr(path.data, '/');
        if (slash)
            *slash = '\0';
    }
    buf_done(&path);
    for (const Node *n = auths->first; !found && n; n = n->next)
        if (key_is_host(n->key, name->registry))
            found = n;
    return found;
}

/* "user:password" in base64; Docker's early files end it in NULs. */
static int decode(Arena *a, const Node *at, const char *text, Credentials *ret, Error *e)
{
    Buf plain = BUF_INIT;
    int r = base64_decode(text, strlen(text), &plain);
    while (r >= 0 && plain.len && !plain.data[plain.len - 1])
        plain.len--;
    const char *colon = r >= 0 && plain.len ? memchr(plain.data, ':', plain.len) : NULL;
    bool good = colon && !memchr(plain.data, '\0', plain.len) && !memchr(plain.data, '\n', plain.len) &&
                !memchr(plain.data, '\r', plain.len);
    if (good) {
        ret->user = arena_memdup(a, plain.data, (size_t)(colon - plain.data));
        ret->password = arena_memdup(a, colon + 1, plain.len - (size_t)(colon + 1 - plain.data));
    }
    buf_done_secret(&plain);
    return good ? 0 : document_fault(e, at, "'auth' is not user:password in base64");
}

static int read_entry(Arena *a, const Node *entry, Credentials *ret, Error *e)
{
    const char *auth, *token;
    if (entry->kind != NODE_OBJECT)
        return document_fault(e, entry, "expected an object, found %s", node_kind_name(entry->kind));
    int r = document_string(entry, "auth", DOCUMENT_OPTIONAL, &auth, e);
    if (r < 0 || (r = document_string(entry, "identitytoken", DOCUMENT_OPTIONAL, &token, e)) < 0)
        return r;
    if (auth && *auth && (r = decode(a, node_get(entry, "auth"), auth, ret, e)) < 0)
        return r;
    if (token && *token)
        ret->identity_token = token;
    return ret->user || ret->identity_token ? 1 : 0;
}

static int refuse_helper(const char *file, const char *registry, const char *helper, Error *e)
{
    return error_set(
        e, ENOTSUP,
        "%s: the credentials of %s are kept by docker-credential-%.40s, and helpers are not run here; "
        "write them with `podman login --authfile /etc/ostree/auth.json %s`",
        file, registry, helper, registry);
}

static int find_helper(const char *file, const Node *root, const ImageName *name, const Node *entry, Error *e)
{
    const Node *helpers;
    const char *store;
    int r = document_texts(root, "credHelpers", &helpers, e);
    if (r < 0 || (r = document_string(root, "credsStore", DOCUMENT_OPTIONAL, &store, e)) < 0)
        return r;
    for (const Node *n = helpers ? helpers->first : NULL; n; n = n->next)
        if (key_is_host(n->key, name->registry))
            return refuse_helper(file, name->registry, n->string, e);
    if (entry && store && *store) /* an entry without credentials says that the store has them */
        return refuse_helper(file, name->registry, store, e);
    return 0;
}

int auth_text_find(Arena *a, const char *file, const void *text, size_t n, const ImageName *name,
                   Credentials *ret, Error *e)
{
    const DocumentText document = {.name = file, .data = text, .n = n, .max = AUTH_FILE_MAX};
    Credentials found = {0};
    Node *root;
    const Node *auths;
    int r = document_read(a, &document, &root, e);
    if (r < 0 || (r = document_member(root, "auths", NODE_OBJECT, DOCUMENT_OPTIONAL, &auths, e)) < 0)
        return r;
    const Node *entry = auths ? find_entry(auths, name) : NULL;
    r = entry ? read_entry(a, entry, &found, e) : 0;
    if (r == 0)
        r = find_helper(file, root, name, entry, e);
    if (r > 0)
        *ret = found;
    return r;
}

int auth_find(Arena *a, int root, const char *const *files, const ImageName *name, Credentials *ret, Error *e)
{
    for (files = files ? files : auth_files; *files; files++) {
        Buf text = BUF_INIT;
        int r = root_read(root, *files, AUTH_FILE_MAX, &text);
        if (r < 0 && r != -ENOENT)
            r = error_errno(e, r, "reading /%s", *files);
        else if (r >= 0)
            r = auth_text_find(a, arena_printf(a, "/%s", *files), text.len ? text.data : "", text.len, name,
                               ret, e);
        buf_done_secret(&text);
        if (r != 0 && r != -ENOENT)
            return r;
    }
    return 0;
}
