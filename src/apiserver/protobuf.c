/* Every length is held against what is left before it is used; depth and the number of values are bounded;
 * fields that the type does not have are left out, as in any protobuf. A value that is zero is left out
 * unless the field can tell zero from nothing. */
#include "apiserver/protobuf.h"

#include <string.h>
#include <time.h>

#include "format/data_url.h"
#include "format/json.h"
#include "format/utf8.h"

typedef struct Span {
    const uint8_t *p, *end;
} Span;

typedef struct Reader {
    Arena *a;
    size_t values;
} Reader;

typedef struct Field {
    uint64_t number;
    unsigned wire;
    uint64_t value; /* of wires 0, 1, 5 */
    Span bytes;     /* of wire 2 */
} Field;

static bool read_varint(Span *s, uint64_t *ret)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 64 && s->p < s->end; shift += 7) {
        uint8_t b = *s->p++;
        v |= (uint64_t)(b & 0x7f) << shift;
        if (!(b & 0x80)) {
            *ret = v;
            return true;
        }
    }
    return false;
}

static bool read_fixed(Span *s, size_t n, uint64_t *ret)
{
    if ((size_t)(s->end - s->p) < n)
        return false;
    *ret = 0;
    for (size_t i = 0; i < n; i++)
        *ret |= (uint64_t)s->p[i] << (8 * i);
    s->p += n;
    return true;
}

static bool read_field(Span *s, Field *ret)
{
    uint64_t key;
    if (!read_varint(s, &key))
        return false;
    *ret = (Field){.number = key >> 3, .wire = key & 7};
    if (ret->wire == 0)
        return read_varint(s, &ret->value);
    if (ret->wire == 1 || ret->wire == 5)
        return read_fixed(s, ret->wire == 1 ? 8 : 4, &ret->value);
    uint64_t n;
    if (ret->wire != 2 || !read_varint(s, &n) || n > (uint64_t)(s->end - s->p))
        return false;
    ret->bytes = (Span){s->p, s->p + n};
    s->p += n;
    return true;
}

static size_t length(Span s)
{
    return (size_t)(s.end - s.p);
}

/* ---- types ---- */

static const ProtobufType *find_type(const char *name, size_t n)
{
    size_t low = 0, high = protobuf_types_n;
    while (low < high) {
        size_t mid = (low + high) / 2;
        int c = strncmp(protobuf_types[mid].name, name, n);
        if (!c && protobuf_types[mid].name[n])
            c = 1;
        if (!c)
            return &protobuf_types[mid];
        if (c < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return NULL;
}

typedef struct Described {
    const char *name, *type; /* type ends at a blank or the end */
    size_t name_n;
    bool zero, within;
} Described;

static bool describe(const ProtobufType *t, uint64_t number, Described *ret)
{
    for (const char *p = t->fields; *p; p += strcspn(p, " "), p += *p == ' ') {
        char *end;
        if (strtoull(p, &end, 10) != number)
            continue;
        const char *colon = strchr(end, ':');
        *ret = (Described){.name = end + 1, .name_n = (size_t)(colon - end - 1), .type = colon + 1};
        for (; *ret->type == '*' || *ret->type == '+'; ret->type++)
            *(*ret->type == '*' ? &ret->zero : &ret->within) = true;
        return true;
    }
    return false;
}

/* ---- values ---- */

static int read_message(Reader *r, const ProtobufType *t, Span s, Node *into, unsigned depth);

static Node *text_of(Reader *r, Span s)
{
    if (!utf8_is_valid((const char *)s.p, length(s)))
        return NULL;
    return node_new_string_n(r->a, (const char *)s.p, length(s));
}

static Node *base64_of(Reader *r, Span s)
{
    _cleanup_buf_ Buf b = BUF_INIT;
    base64_encode(s.p, length(s), &b);
    return node_new_string_n(r->a, b.data ? b.data : "", b.len);
}

/* Field 1 of a message that wraps a text, bytes or a number. */
static bool wrapped(Span s, uint64_t number, Field *ret)
{
    Field f;
    bool found = false;
    while (s.p < s.end && read_field(&s, &f))
        if (f.number == number) {
            *ret = f;
            found = true;
        }
    return found;
}

static Node *time_of(Reader *r, Span s, bool micro)
{
    Field seconds = {0}, nanos = {0};
    struct tm tm;
    char text[40];
    if (!wrapped(s, 1, &seconds) && !wrapped(s, 2, &nanos))
        return node_new(r->a, NODE_NULL);
    (void)wrapped(s, 2, &nanos);
    time_t t = (time_t)seconds.value;
    if (!gmtime_r(&t, &tm) || tm.tm_year < -1900 || tm.tm_year > 8099)
        return NULL;
    size_t n = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(text + n, sizeof(text) - n, micro ? ".%06uZ" : "Z", (unsigned)(nanos.value / 1000 % 1000000));
    return node_new_string(r->a, text);
}

static Node *int_or_text(Reader *r, Span s)
{
    Field type = {0}, f = {0};
    (void)wrapped(s, 1, &type);
    if (type.value != 1)
        return node_new_int(r->a, wrapped(s, 2, &f) ? (int64_t)f.value : 0);
    return text_of(r, wrapped(s, 3, &f) ? f.bytes : (Span){0});
}

static Node *json_of(Reader *r, Span s)
{
    Field f;
    Report report = REPORT_INIT(r->a);
    Source *source = ARENA_NEW(r->a, Source);
    Node *n = NULL;
    if (!wrapped(s, 1, &f) || !length(f.bytes))
        return node_new(r->a, NODE_NULL);
    const JsonLimits limits = {
        .duplicate_keys = SEVERITY_WARNING, .depth = 64, .values = PROTOBUF_VALUES_MAX};
    *source = (Source){.name = "body",
                       .text = arena_memdup(r->a, f.bytes.p, length(f.bytes)),
                       .len = length(f.bytes),
                       .secret = true};
    int code = json_read_within(r->a, source, &limits, &n, &report);
    report_done(&report);
    return code < 0 ? NULL : n;
}

static Node *texts_of(Reader *r, Span s)
{
    Node *list = node_new(r->a, NODE_ARRAY);
    Field f;
    while (s.p < s.end && read_field(&s, &f)) {
        Node *n = f.number == 1 && f.wire == 2 ? text_of(r, f.bytes) : NULL;
        if (!n || ++r->values > PROTOBUF_VALUES_MAX)
            return NULL;
        node_append(list, n);
    }
    return list;
}

static Node *value_of(Reader *r, const char *type, const Field *f, unsigned depth)
{
    size_t n = strcspn(type, " ");
    if (++r->values > PROTOBUF_VALUES_MAX)
        return NULL;
    if (n == 1 && *type == 'i')
        return f->wire ? NULL : node_new_int(r->a, (int64_t)f->value);
    if (n == 1 && *type == 't')
        return f->wire ? NULL : node_new_bool(r->a, f->value != 0);
    if (f->wire != 2)
        return NULL;
    Field inner;
    if (n == 1)
        switch (*type) {
        case 's':
            return text_of(r, f->bytes);
        case 'b':
            return base64_of(r, f->bytes);
        case 'T':
        case 'M':
            return time_of(r, f->bytes, *type == 'M');
        case 'Q':
            return text_of(r, wrapped(f->bytes, 1, &inner) ? inner.bytes : (Span){0});
        case 'I':
            return int_or_text(r, f->bytes);
        case 'R':
            return json_of(r, f->bytes);
        case 'E':
            return texts_of(r, f->bytes);
        default:
            return NULL;
        }
    const ProtobufType *t = find_type(type, n);
    Node *object = node_new(r->a, NODE_OBJECT);
    return t && read_message(r, t, f->bytes, object, depth + 1) >= 0 ? object : NULL;
}

static bool is_nothing(const Node *n)
{
    return n->kind == NODE_NULL || (n->kind == NODE_BOOL && !n->boolean) ||
           (n->kind == NODE_STRING && !n->len) ||
           (n->kind == NODE_NUMBER && n->len == 1 && n->string[0] == '0');
}

static int add_entry(Reader *r, Node *into, const char *name, const char *type, Span s, unsigned depth)
{
    Node *map = node_get(into, name), *value = NULL;
    const char *key = "";
    Field f;
    if (!map)
        map = node_set(r->a, into, name, node_new(r->a, NODE_OBJECT));
    while (s.p < s.end) {
        if (!read_field(&s, &f))
            return -EBADMSG;
        if (f.number == 1 && f.wire == 2) {
            Node *k = text_of(r, f.bytes);
            if (!k || strlen(k->string) != k->len)
                return -EBADMSG;
            key = k->string;
        } else if (f.number == 2 && !(value = value_of(r, type, &f, depth)))
            return -EBADMSG;
    }
    if (!value) /* its own zero */
        value =
            *type == '[' || strcspn(type, " ") > 1 ? node_new(r->a, NODE_OBJECT) : node_new_string(r->a, "");
    if (map->n >= PROTOBUF_ENTRIES_MAX)
        return -EBADMSG;
    node_set(r->a, map, key, value);
    return 0;
}

static int add_value(Reader *r, const Described *d, const Field *f, Node *into, unsigned depth)
{
    const char *name = arena_memdup(r->a, d->name, d->name_n), *type = d->type;
    if (d->within) {
        const ProtobufType *t = find_type(type, strcspn(type, " "));
        return t && f->wire == 2 ? read_message(r, t, f->bytes, into, depth + 1) : -EBADMSG;
    }
    if (*type == '{')
        return f->wire == 2 ? add_entry(r, into, name, type + 1, f->bytes, depth) : -EBADMSG;
    if (*type == '[') {
        Node *list = node_get(into, name), *item = value_of(r, type + 1, f, depth);
        if (!list)
            list = node_set(r->a, into, name, node_new(r->a, NODE_ARRAY));
        if (item)
            node_append(list, item);
        return item ? 0 : -EBADMSG;
    }
    Node *n = value_of(r, type, f, depth);
    if (!n)
        return -EBADMSG;
    if (d->zero ? n->kind != NODE_NULL : !is_nothing(n))
        node_set(r->a, into, name, n);
    return 0;
}

static int read_message(Reader *r, const ProtobufType *t, Span s, Node *into, unsigned depth)
{
    Field f;
    Described d;
    if (depth > PROTOBUF_DEPTH_MAX)
        return -EBADMSG;
    while (s.p < s.end) {
        if (!read_field(&s, &f))
            return -EBADMSG;
        if (describe(t, f.number, &d) && add_value(r, &d, &f, into, depth) < 0)
            return -EBADMSG;
    }
    return 0;
}

/* ---- the envelope ---- */

static const struct {
    const char *api, *prefix;
} groups[] = {
    {"v1", "core"},
    {"apps/v1", "apps"},
    {"authentication.k8s.io/v1", "authn"},
    {"authorization.k8s.io/v1", "authz"},
    {"certificates.k8s.io/v1", "csr"},
    {"coordination.k8s.io/v1", "coord"},
    {"events.k8s.io/v1", "events"},
    {"policy/v1", "policy"},
    {"policy/v1beta1", "policy"},
    {"rbac.authorization.k8s.io/v1", "rbac"},
};

static const ProtobufType *type_of(const char *api, const char *kind)
{
    char name[256];
    if (!strcmp(kind, "DeleteOptions"))
        return find_type("meta.DeleteOptions", strlen("meta.DeleteOptions"));
    for (size_t i = 0; i < ELEMENTS(groups); i++)
        if (!strcmp(groups[i].api, api)) {
            int n = snprintf(name, sizeof(name), "%s.%s", groups[i].prefix, kind);
            return n > 0 && (size_t)n < sizeof(name) ? find_type(name, (size_t)n) : NULL;
        }
    return NULL;
}

int protobuf_read(Arena *a, const void *data, size_t n, Node **ret, Error *e)
{
    Reader r = {.a = a};
    Field type, raw = {0}, part;
    Span s = {data, (const uint8_t *)data + n};
    const Node *api, *kind;
    if (n < 4 || memcmp(data, "k8s", 4))
        return error_set(e, EBADMSG, "the body is no object in protobuf");
    s.p += 4;
    for (Span whole = s; whole.p < whole.end;)
        if (!read_field(&whole, &part))
            return error_set(e, EBADMSG, "the body is cut off");
    (void)wrapped(s, 2, &raw);
    if (!wrapped(s, 1, &type) || !wrapped(type.bytes, 1, &part) || !(api = text_of(&r, part.bytes)) ||
        !wrapped(type.bytes, 2, &part) || !(kind = text_of(&r, part.bytes)))
        return error_set(e, EBADMSG, "the body is no object in protobuf");
    const ProtobufType *t = type_of(api->string, kind->string);
    if (!t)
        return error_set(e, EOPNOTSUPP, "%s of %s is not known in protobuf", kind->string, api->string);
    Node *object = node_new(a, NODE_OBJECT);
    node_set_string(a, object, "kind", kind->string);
    node_set_string(a, object, "apiVersion", api->string);
    if (read_message(&r, t, raw.bytes, object, 0) < 0)
        return error_set(e, EBADMSG, "the body is cut off, or no %s in protobuf", kind->string);
    *ret = object;
    return 0;
}
