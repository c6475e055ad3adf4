/* What both begin and end with is set aside; for the middle the longest common subsequence of lines is found
 * in a table, from the back, so that the way through it is read from the front. A middle whose table would be
 * too large has nothing in common. Then the marks are shown, those that are near each other as one part. */
#include "format/text_diff.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { TABLE_MAX = 4 << 20 }; /* fields */

typedef struct Lines {
    DiffText *items;
    size_t n;
} Lines;

typedef struct Mark {
    char sign;
    const DiffText *line;
    size_t number; /* in `to`, from 1: of the line, or of the one that a removed one stood before */
} Mark;

typedef struct Marks {
    Mark *items;
    size_t n, next; /* next: line of `to` */
} Marks;

static void *allocate(size_t n, size_t size)
{
    void *p = calloc(n + 1, size);
    if (!p)
        abort();
    return p;
}

static Lines split(DiffText t)
{
    Lines l = {.n = 0};
    size_t n = 1;
    for (size_t i = 0; i < t.len; i++)
        n += t.data[i] == '\n';
    l.items = allocate(n, sizeof(*l.items));
    for (size_t at = 0; at < t.len;) {
        const char *end = memchr(t.data + at, '\n', t.len - at);
        size_t len = end ? (size_t)(end - t.data) - at : t.len - at;
        l.items[l.n++] = (DiffText){t.data + at, len + (end != NULL)};
        at += len + 1;
    }
    return l;
}

static bool equal(const DiffText *x, const DiffText *y)
{
    return x->len == y->len && !memcmp(x->data, y->data, x->len);
}

static void mark(Marks *m, char sign, const DiffText *line)
{
    m->items[m->n++] = (Mark){sign, line, m->next};
    m->next += sign != '-';
}

/* The middles, x of `from` and y of `to`. */
static void compare(Lines x, Lines y, Marks *m)
{
    size_t i = 0, k = 0, width = y.n + 1;
    bool whole = x.n && y.n > TABLE_MAX / (x.n + 1);
    _cleanup_free_ uint32_t *common = allocate(whole ? 0 : (x.n + 1) * width, sizeof(*common));
    for (i = x.n; i-- > 0 && !whole;)
        for (k = y.n; k-- > 0;) {
            uint32_t down = common[(i + 1) * width + k], right = common[i * width + k + 1];
            common[i * width + k] = equal(&x.items[i], &y.items[k]) ? common[(i + 1) * width + k + 1] + 1
                                    : down > right                  ? down
                                                                    : right;
        }
    for (i = k = 0; i < x.n || k < y.n;) {
        if (!whole && i < x.n && k < y.n && equal(&x.items[i], &y.items[k])) {
            mark(m, ' ', &y.items[k++]);
            i++;
        } else if (i < x.n &&
                   (whole || k == y.n || common[(i + 1) * width + k] >= common[i * width + k + 1])) {
            mark(m, '-', &x.items[i++]);
        } else {
            mark(m, '+', &y.items[k++]);
        }
    }
}

static void compare_all(Lines x, Lines y, Marks *m)
{
    size_t head = 0, tail = 0, least = x.n < y.n ? x.n : y.n;
    while (head < least && equal(&x.items[head], &y.items[head]))
        head++;
    while (tail < least - head && equal(&x.items[x.n - 1 - tail], &y.items[y.n - 1 - tail]))
        tail++;
    for (size_t i = 0; i < head; i++)
        mark(m, ' ', &y.items[i]);
    compare((Lines){x.items + head, x.n - head - tail}, (Lines){y.items + head, y.n - head - tail}, m);
    for (size_t i = y.n - tail; i < y.n; i++)
        mark(m, ' ', &y.items[i]);
}

/* ---- shown ---- */

static bool near_a_change(const Marks *m, size_t at)
{
    size_t first = at > TEXT_DIFF_AROUND ? at - TEXT_DIFF_AROUND : 0;
    for (size_t i = first; i <= at + TEXT_DIFF_AROUND && i < m->n; i++)
        if (m->items[i].sign != ' ')
            return true;
    return false;
}

/* A line that is too long ends between two characters. */
static void show_line(const Mark *k, Buf *out)
{
    size_t n = k->line->len;
    bool ended = n && k->line->data[n - 1] == '\n';
    n -= ended;
    bool cut = n > TEXT_DIFF_COLUMNS;
    if (cut)
        for (n = TEXT_DIFF_COLUMNS; n && ((unsigned char)k->line->data[n] & 0xc0) == 0x80;)
            n--;
    buf_add_char(out, k->sign);
    buf_add(out, k->line->data, n);
    buf_add_str(out, cut ? "…\n" : "\n");
    if (!ended && k->sign != ' ')
        buf_add_str(out, "\\ no newline at the end\n");
}

static void show(const Marks *m, Buf *out)
{
    size_t shown = 0, more = 0;
    bool open = false;
    for (size_t i = 0; i < m->n; i++) {
        if (!near_a_change(m, i)) {
            open = false;
        } else if (shown == TEXT_DIFF_LINES) {
            more++;
        } else {
            if (!open)
                buf_addf(out, "@@ %zu\n", m->items[i].number);
            open = true;
            shown++;
            show_line(&m->items[i], out);
        }
    }
    if (more)
        buf_addf(out, "… and %zu lines more\n", more);
}

static bool is_text(DiffText t)
{
    for (size_t i = 0; i < t.len; i++) {
        unsigned char c = (unsigned char)t.data[i];
        if ((c < ' ' && c != '\t' && c != '\n') || c == 0x7f)
            return false;
    }
    return true;
}

void text_diff(DiffText from, DiffText to, Buf *out)
{
    if (!is_text(from) || !is_text(to)) {
        buf_addf(out, "no text: %zu bytes, then %zu\n", from.len, to.len);
        return;
    }
    Lines x = split(from), y = split(to);
    Marks m = {.items = allocate(x.n + y.n, sizeof(Mark)), .next = 1};
    compare_all(x, y, &m);
    show(&m, out);
    free(x.items);
    free(y.items);
    free(m.items);
}
