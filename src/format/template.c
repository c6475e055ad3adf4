/* One pass over the text, from brace to brace. A filter is a row: how a value becomes part of the text. The
 * templates are ours, so anything wrong in them is an internal error; values come from the user, and filters
 * are what keeps them inside the place that they were meant for. */
#include "format/template.h"

#include <stdlib.h>
#include <string.h>

#include "format/data_url.h"
#include "format/node.h"

void template_done(TemplateValues *v)
{
    map_done(&v->map);
}

void template_set(TemplateValues *v, const char *name, const char *value)
{
    map_put(&v->map, name, (void *)(value ? value : ""));
}

const char *template_value(const TemplateValues *v, const char *name)
{
    const char *s = map_get(&v->map, name);
    return s ? s : "";
}

typedef void Filter(const char *value, unsigned argument, Buf *out);

static void filter_plain(const char *value, unsigned argument _unused_, Buf *out)
{
    buf_add_str(out, value);
}

static void filter_base64(const char *value, unsigned argument _unused_, Buf *out)
{
    base64_encode(value, strlen(value), out);
}

static void filter_dataurl(const char *value, unsigned argument _unused_, Buf *out)
{
    data_url_encode_base64("text/plain;charset=utf-8", value, strlen(value), out);
}

static void filter_json(const char *value, unsigned argument _unused_, Buf *out)
{
    Node n = {.kind = NODE_STRING, .string = value, .len = strlen(value)};
    json_write(&n, JSON_COMPACT, out);
}

static void filter_indent(const char *value, unsigned argument, Buf *out)
{
    size_t n = strlen(value);
    while (n && value[n - 1] == '\n')
        n--;
    for (size_t i = 0; i < n; i++) {
        buf_add_char(out, value[i]);
        if (value[i] == '\n' && value[i + 1] != '\n')
            buf_addf(out, "%*s", (int)argument, "");
    }
}

static void filter_shell(const char *value, unsigned argument _unused_, Buf *out)
{
    buf_add_char(out, '\'');
    for (; *value; value++)
        if (*value == '\'')
            buf_add_str(out, "'\\''");
        else
            buf_add_char(out, *value);
    buf_add_char(out, '\'');
}

/* The word is quoted as a whole by its assignment; what systemd would expand or end the quotes with is
 * escaped. */
static void filter_unit(const char *value, unsigned argument _unused_, Buf *out)
{
    for (; *value; value++) {
        if (*value == '%')
            buf_add_char(out, '%');
        if (*value == ' ')
            buf_add_str(out, "\\x20");
        else if (strchr("\\\"'", *value))
            buf_addf(out, "\\x%02x", (unsigned char)*value);
        else
            buf_add_char(out, *value);
    }
}

static const struct {
    const char *name;
    Filter *filter;
    bool number; /* the name is followed by an argument */
} filters[] = {
    {"base64", filter_base64, false}, {"dataurl", filter_dataurl, false}, {"json", filter_json, false},
    {"indent", filter_indent, true},  {"shell", filter_shell, false},     {"unit", filter_unit, false},
};

static int add_value(const TemplateValues *v, const char *tag, Buf *out, Error *e)
{
    const char *colon = strchr(tag, ':'), *name = colon ? colon + 1 : tag;
    Filter *filter = colon ? NULL : filter_plain;
    unsigned argument = 0;

    for (size_t i = 0; colon && i < ELEMENTS(filters); i++) {
        size_t n = strlen(filters[i].name);
        if (strncmp(tag, filters[i].name, n) == 0 && (filters[i].number || tag[n] == ':')) {
            filter = filters[i].filter;
            argument = (unsigned)strtoul(tag + n, NULL, 10);
        }
    }
    if (!filter || !map_has(&v->map, name))
        return error_set(e, EINVAL, "internal error: nothing stands behind {{%s}}", tag);
    filter(template_value(v, name), argument, out);
    return 0;
}

static const TemplateFile *file_find(const TemplateFile *files, const char *name)
{
    for (const TemplateFile *f = files; f->name; f++)
        if (strcmp(f->name, name) == 0)
            return f;
    return NULL;
}

int template_render(const TemplateValues *v, const char *file, Buf *out, Error *e)
{
    const TemplateFile *f = file_find(v->files, file);
    if (!f)
        return error_set(e, ENOENT, "internal error: no template %s", file);
    for (const char *p = f->text; *p;) {
        char tag[64];
        const char *open = strstr(p, "{{"), *close = open ? strstr(open, "}}") : NULL;
        if (!close) {
            buf_add_str(out, p);
            break;
        }
        size_t n = (size_t)(close - open) - 2;
        if (n >= sizeof(tag))
            return error_set(e, EINVAL, "internal error: template %s has an overlong tag", file);
        memcpy(tag, open + 2, n);
        tag[n] = '\0';
        buf_add(out, p, (size_t)(open - p));
        p = close + 2;
        if (tag[0] == '?' || tag[0] == '!') {
            bool there = *template_value(v, tag + 1) != '\0';
            if (there == (tag[0] == '?'))
                continue;
            const char *end = strstr(p, "{{/}}");
            if (!end)
                return error_set(e, EINVAL, "internal error: template %s has an open section", file);
            p = end + 5;
        } else if (tag[0] != '/') {
            int r = add_value(v, tag, out, e);
            if (r < 0)
                return error_wrap(e, r, "template %s", file);
        }
    }
    return 0;
}

const char *template_text(const TemplateValues *v, const char *file, Error *e)
{
    _cleanup_buf_ Buf text = BUF_INIT;
    if (template_render(v, file, &text, e) < 0)
        return NULL;
    return arena_memdup(v->arena, text.data ? text.data : "", text.len);
}
