/* Every text is read whole, then its documents are handed on one by one. */
#include "installer/documents.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>

#include "base/file.h"
#include "format/data_url.h"
#include "format/yaml.h"

#define CARRIED_DIR "/opt/openshift/" /* where a bootstrap.ign puts what the cluster is made of */

static void take_object(Documents *d, const Node *document)
{
    const char *kind = node_string(node_get(document, "kind"));
    const Node *items = node_get(document, "items");
    if (kind && !strcmp(kind, "List") && items && items->kind == NODE_ARRAY) {
        NODE_EACH (item, items)
            take_object(d, item);
        return;
    }
    d->documents++;
    d->take(d->context, document);
}

/* What is wrong with the text is in the report; NULL: not readable. */
static Node *read_documents(Documents *d, const char *name, const Buf *text)
{
    Arena *a = d->report->arena;
    Source *source = ARENA_NEW(a, Source);
    *source = (Source){.name = arena_strdup(a, name),
                       .text = arena_memdup(a, text->data ? text->data : "", text->len),
                       .len = text->len};
    Node *documents;
    Severity duplicates = d->lenient ? SEVERITY_WARNING : SEVERITY_ERROR;
    return yaml_read_all(a, source, duplicates, &documents, d->report) < 0 ? NULL : documents;
}

static bool names_document(const char *path)
{
    const char *dot = strrchr(path, '.');
    return dot && (!strcmp(dot, ".yaml") || !strcmp(dot, ".yml") || !strcmp(dot, ".json"));
}

static void take_carried(Documents *d, const char *name, const Node *config)
{
    const Node *files = node_get_path(config, "storage.files");
    if (!files || files->kind != NODE_ARRAY)
        return;
    NODE_EACH (file, files) {
        _cleanup_buf_ Buf text = BUF_INIT;
        const char *path = node_string(node_get(file, "path")),
                   *url = node_string(node_get_path(file, "contents.source"));
        if (!path || !url || strncmp(path, CARRIED_DIR, strlen(CARRIED_DIR)) || !names_document(path) ||
            data_url_decode(url, &text, NULL) < 0)
            continue;
        const Node *documents = read_documents(d, arena_printf(d->report->arena, "%s:%s", name, path), &text);
        if (documents)
            NODE_EACH (document, documents)
                take_object(d, document);
    }
}

static int take_file(Documents *d, const char *path, Error *e)
{
    _cleanup_buf_ Buf text = BUF_INIT;
    int r = file_read_at(AT_FDCWD, path, DOCUMENT_SIZE_MAX, &text, e);
    if (r < 0)
        return r;
    const Node *documents = read_documents(d, path, &text);
    if (!documents)
        return 0;
    NODE_EACH (document, documents) {
        if (node_get(document, "ignition"))
            take_carried(d, path, document);
        else
            take_object(d, document);
    }
    return 0;
}

static int is_visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static int take_directory(Documents *d, const char *path, unsigned below, Error *e)
{
    struct dirent **entries;
    struct stat st;
    int n = scandir(path, &entries, is_visible, alphasort), r = 0;
    if (n < 0)
        return error_errno(e, -errno, "%s", path);
    for (int i = 0; i < n; i++) {
        const char *name = arena_printf(d->report->arena, "%s/%s", path, entries[i]->d_name);
        if (r >= 0 && names_document(name))
            r = take_file(d, name, e);
        else if (r >= 0 && below && stat(name, &st) == 0 && S_ISDIR(st.st_mode))
            r = take_directory(d, name, below - 1, e);
        free(entries[i]);
    }
    free(entries);
    return r;
}

int documents_take(Documents *d, const char *path, Error *e)
{
    struct stat st;
    if (strcmp(path, "-") && stat(path, &st) < 0)
        return error_errno(e, -errno, "%s", path);
    return !strcmp(path, "-") || !S_ISDIR(st.st_mode) ? take_file(d, path, e)
                                                      : take_directory(d, path, d->below, e);
}
