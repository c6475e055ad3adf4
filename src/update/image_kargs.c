/* Files of the repository's tree; nothing of a deployment is looked at. Of an argument that stands in both
 * versions nothing is touched, so that one which the administrator took away does not come back. */
#include "update/image_kargs.h"

#include <string.h>

#include "base/file.h"
#include "format/report.h"
#include "format/toml.h"
#include "system/cmdline.h"
#include "update/repo.h"

#define DIRECTORY "usr/lib/bootc/kargs.d"

static bool ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), k = strlen(end);
    return n > k && strcmp(s + n - k, end) == 0;
}

/* 1: for this machine; 0: for others; -1: no list of texts. */
static int matches(const Node *top, const char *machine)
{
    const Node *list = node_get(top, "match-architectures");
    if (!list)
        return 1;
    if (list->kind != NODE_ARRAY)
        return -1;
    NODE_EACH (item, list) {
        if (!node_string(item))
            return -1;
        if (strcmp(item->string, machine) == 0)
            return 1;
    }
    return 0;
}

static int take(ImageKargs *to, const char *name, const Node *top, const char *machine, Error *e)
{
    const Node *list = node_get(top, "kargs");
    const int match = matches(top, machine);
    if (!list || list->kind != NODE_ARRAY || match < 0)
        return error_set(e, EBADMSG, DIRECTORY "/%s: `kargs` and `match-architectures` are lists of texts",
                         name);
    NODE_EACH (item, list) {
        if (!node_string(item) || strlen(item->string) != item->len || strchr(item->string, '\n'))
            return error_set(e, EBADMSG, DIRECTORY "/%s: `kargs` is a list of texts", name);
        if (match && to->n == IMAGE_KARGS_MAX)
            return error_set(e, E2BIG, DIRECTORY " has more than %d arguments", IMAGE_KARGS_MAX);
        if (match)
            to->words[to->n++] = item->string;
    }
    return 0;
}

static int read_file(int repo, Arena *a, const OstreeFileRow *row, const char *machine, ImageKargs *to,
                     Error *e)
{
    _cleanup_report_ Report r = REPORT_INIT(a);
    _cleanup_buf_ Buf text = BUF_INIT;
    Node *top;
    _cleanup_close_ int fd = repo_open_file(repo, row->checksum);
    int n = fd < 0 ? fd : file_read_fd(fd, IMAGE_KARGS_FILE_MAX, &text);
    if (n < 0)
        return error_errno(e, n, DIRECTORY "/%s", row->name);
    Source *source = ARENA_NEW(a, Source);
    *source = (Source){.name = arena_printf(a, DIRECTORY "/%s", row->name),
                       .text = arena_memdup(a, text.data ? text.data : "", text.len),
                       .len = text.len};
    if (toml_read(a, source, &top, &r) < 0)
        return error_set(e, EBADMSG, DIRECTORY "/%s:%u: %s", row->name, r.n ? r.entries[0].line : 0,
                         r.n ? r.entries[0].message : "no TOML");
    return take(to, row->name, top, machine, e);
}

int image_kargs_read(int repo, Arena *a, const uint8_t commit[OSTREE_CHECKSUM], const char *machine,
                     ImageKargs *ret, Error *e)
{
    ImageKargs found = {.words = ARENA_ARRAY(a, const char *, IMAGE_KARGS_MAX)};
    RepoEntry directory;
    OstreeTree tree;
    size_t files = 0;
    int r = repo_find(repo, commit, DIRECTORY, &directory, e);
    *ret = found;
    if (r == -ENOENT || r == -ENOTDIR || (r >= 0 && !directory.directory))
        return 0;
    if (r >= 0)
        r = repo_read_tree(repo, a, directory.checksum, &tree, e);
    for (size_t i = 0; r >= 0 && i < tree.n_files; i++)
        if (ends_with(tree.files[i].name, ".toml"))
            r = ++files > IMAGE_KARGS_FILES_MAX ? error_set(e, E2BIG, DIRECTORY " has too many files")
                                                : read_file(repo, a, tree.files + i, machine, &found, e);
    if (r >= 0)
        *ret = found;
    return r < 0 ? r : 0;
}

static bool holds(const ImageKargs *k, const char *word)
{
    for (size_t i = 0; i < k->n; i++)
        if (strcmp(k->words[i], word) == 0)
            return true;
    return false;
}

const char *image_kargs_update(Arena *a, const char *text, const ImageKargs *old, const ImageKargs *new)
{
    const char **add = ARENA_ARRAY(a, const char *, new->n + 1),
               **drop = ARENA_ARRAY(a, const char *, old->n + 1);
    CmdlineEdit edit = {.should_exist = add, .should_not_exist = drop};
    for (size_t i = 0; i < old->n; i++)
        if (!holds(new, old->words[i]))
            drop[edit.n_should_not_exist++] = old->words[i];
    for (size_t i = 0; i < new->n; i++)
        if (!holds(old, new->words[i]))
            add[edit.n_should_exist++] = new->words[i];
    (void)cmdline_edit(a, text, &edit, &text);
    return text;
}
