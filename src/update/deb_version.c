/* [epoch:]upstream[-revision]. The two texts are compared in turns: a run of what is no digit, by letters
 * before everything else and '~' before even the end; then a run of digits, as a number of any length. */
#include "update/deb_version.h"

#include <stddef.h>
#include <string.h>

typedef struct Part {
    const char *p, *end;
} Part;

static int is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static int is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Of what is no digit; the end, and a digit, count as nothing. */
static int weight(const Part *t)
{
    if (t->p == t->end || is_digit(*t->p))
        return 0;
    if (*t->p == '~')
        return -1;
    return is_letter(*t->p) ? (unsigned char)*t->p : (unsigned char)*t->p + 256;
}

static int is_in_text(const Part *t)
{
    return t->p < t->end && !is_digit(*t->p);
}

static int numbers_compare(Part *a, Part *b)
{
    int first = 0;

    while (a->p < a->end && *a->p == '0')
        a->p++;
    while (b->p < b->end && *b->p == '0')
        b->p++;
    for (; a->p < a->end && is_digit(*a->p) && b->p < b->end && is_digit(*b->p); a->p++, b->p++)
        if (!first)
            first = *a->p - *b->p;
    if (a->p < a->end && is_digit(*a->p)) /* the longer number is the greater one */
        return 1;
    if (b->p < b->end && is_digit(*b->p))
        return -1;
    return first;
}

static int parts_compare(Part a, Part b)
{
    while (a.p < a.end || b.p < b.end) {
        while (is_in_text(&a) || is_in_text(&b)) {
            int order = weight(&a) - weight(&b);
            if (order)
                return order;
            a.p++;
            b.p++;
        }
        int order = numbers_compare(&a, &b);
        if (order)
            return order;
    }
    return 0;
}

/* Takes the epoch off the front, the revision off the end. */
static void split(const char *version, Part *epoch, Part *upstream, Part *revision)
{
    const char *end = version + strlen(version), *digits = version;

    while (is_digit(*digits))
        digits++;
    *epoch = (Part){version, *digits == ':' ? digits : version};
    *upstream = (Part){*digits == ':' ? digits + 1 : version, end};
    const char *dash = memrchr(upstream->p, '-', (size_t)(end - upstream->p));
    *revision = (Part){dash ? dash + 1 : end, end};
    if (dash)
        upstream->end = dash;
}

int deb_version_compare(const char *a, const char *b)
{
    Part of_a[3], of_b[3];
    int order = 0;

    split(a, &of_a[0], &of_a[1], &of_a[2]);
    split(b, &of_b[0], &of_b[1], &of_b[2]);
    for (size_t i = 0; order == 0 && i < 3; i++)
        order = parts_compare(of_a[i], of_b[i]);
    return order;
}
