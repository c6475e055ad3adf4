/* Go's reader, which registries and container engines use, takes "Layers" for "layers" and the last of two
 * equal keys. A text on whose meaning two readers could differ is refused here, whichever of them would be
 * right: what one of them has verified the other must not read otherwise. */
#include "oci/document.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "format/json.h"

static const char *printable(char *text)
{
    for (char *p = text; *p; p++)
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            *p = '?';
    return text;
}

int document_fault(Error *e, const Node *at, const char *format, ...)
{
    va_list ap;
    char text[512];
    va_start(ap, format);
    vsnprintf(text, sizeof(text), format, ap);
    va_end(ap);
    return error_set(e, EINVAL, "%s:%u:%u: %s", at->source ? at->source->name : "", at->line, at->column,
                     printable(text));
}

static int fault_of(const Report *r, const char *name, Error *e)
{
    char text[512];
    const ReportEntry *first = r->entries;
    snprintf(text, sizeof(text), "%s", first->message);
    return error_set(e, EINVAL, "%s:%u:%u: %s", name, first->line, first->column, printable(text));
}

int document_read(Arena *a, const DocumentText *text, Node **ret, Error *e)
{
    static const JsonLimits limits = {
        .duplicate_keys = SEVERITY_ERROR, .depth = DOCUMENT_DEPTH_MAX, .values = DOCUMENT_VALUES_MAX};
    _cleanup_report_ Report report = REPORT_INIT(a);
    Source *source = ARENA_NEW(a, Source);
    Node *root = NULL;
    if (text->n > text->max)
        return error_set(e, EFBIG, "%s: it has %zu bytes, more than %zu", text->name, text->n, text->max);
    *source =
        (Source){.name = arena_strdup(a, text->name), .text = text->data, .len = text->n, .secret = true};
    int r = json_read_within(a, source, &limits, &root, &report);
    source->text = NULL; /* the caller's; nodes keep the name alone */
    source->len = 0;
    if (r < 0)
        return fault_of(&report, text->name, e);
    if (root->kind != NODE_OBJECT)
        return document_fault(e, root, "expected an object, found %s", node_kind_name(root->kind));
    *ret = root;
    return 0;
}

/* Is it one of those that Go takes for a key of ASCII? Beside upper case these are the long s and the sign
 * for kelvin. */
static bool same_to_some(const char *a, const char *key)
{
    for (; *a && *key; key++) {
        char c = *a++;
        if ((uint8_t)c == 0xc5 && (uint8_t)a[0] == 0xbf) {
            c = 's';
            a++;
        } else if ((uint8_t)c == 0xe2 && (uint8_t)a[0] == 0x84 && (uint8_t)a[1] == 0xaa) {
            c = 'k';
            a += 2;
        } else if (c >= 'A' && c <= 'Z')
            c = (char)(c | 32);
        if (c != (*key >= 'A' && *key <= 'Z' ? *key | 32 : *key))
            return false;
    }
    return !*a && !*key;
}

int document_absent(const Node *object, const char *key, const char *why, Error *e)
{
    NODE_EACH (child, object)
        if (same_to_some(child->key, key))
            return document_fault(e, child, "'%s' %s", child->key, why);
    return 0;
}

int document_member(const Node *object, const char *key, NodeKind kind, DocumentNeed need, const Node **ret,
                    Error *e)
{
    const Node *found = NULL;
    NODE_EACH (child, object) {
        if (!strcmp(child->key, key))
            found = child;
        else if (same_to_some(child->key, key))
            return document_fault(e, child, "'%s' and '%s' are the same to some readers", child->key, key);
    }
    if (found && found->kind == NODE_NULL)
        found = NULL;
    if (!found && need == DOCUMENT_REQUIRED)
        return document_fault(e, object, "'%s' is missing", key);
    if (found && found->kind != kind)
        return document_fault(e, found, "'%s' is %s", key, node_kind_name(found->kind));
    *ret = found;
    return 0;
}

static int check_text(const Node *n, Error *e)
{
    if (strlen(n->string) != n->len)
        return document_fault(e, n, "'%s' holds a NUL character", n->key ? n->key : "an entry");
    return 0;
}

int document_string(const Node *object, const char *key, DocumentNeed need, const char **ret, Error *e)
{
    const Node *n = NULL;
    int r = document_member(object, key, NODE_STRING, need, &n, e);
    if (r < 0 || (n && (r = check_text(n, e)) < 0))
        return r;
    *ret = n ? n->string : NULL;
    return 0;
}

int document_size(const Node *object, const char *key, uint64_t max, uint64_t *ret, Error *e)
{
    const Node *n;
    int64_t v;
    int r = document_member(object, key, NODE_NUMBER, DOCUMENT_REQUIRED, &n, e);
    if (r < 0)
        return r;
    if (node_int(n, &v) < 0 || v < 0 || (uint64_t)v > max)
        return document_fault(e, n, "'%s' is no number from 0 to %llu", key, (unsigned long long)max);
    *ret = (uint64_t)v;
    return 0;
}

int document_texts(const Node *object, const char *key, const Node **ret, Error *e)
{
    const Node *texts = NULL;
    int r = document_member(object, key, NODE_OBJECT, DOCUMENT_OPTIONAL, &texts, e);
    if (r < 0)
        return r;
    for (const Node *n = texts ? texts->first : NULL; n; n = n->next) {
        if (n->kind != NODE_STRING)
            return document_fault(e, n, "'%s' is %s; it must be a string", n->key, node_kind_name(n->kind));
        if ((r = check_text(n, e)) < 0)
            return r;
    }
    *ret = texts;
    return 0;
}
