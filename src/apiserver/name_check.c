/* Each rule is a walk over the text with a set of characters; the sentences are those of apimachinery's
 * validation, since clients and people compare them. Of two faults the first is told. */
#include "apiserver/name_check.h"

#include <stddef.h>
#include <string.h>

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGIT "0123456789"

#define LABEL_TEXT                                                                                           \
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start "  \
    "and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "   \
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
#define SUBDOMAIN_TEXT                                                                                       \
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and "    \
    "must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "   \
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
#define QUALIFIED_TEXT                                                                                       \
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric " \
    "character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "                  \
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
#define VALUE_TEXT                                                                                           \
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and "     \
    "must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex " \
    "used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"

/* `all` anywhere, `ends` at both ends; not empty. */
static bool consists(const char *s, size_t n, const char *all, const char *ends)
{
    if (!n || !strchr(ends, s[0]) || !strchr(ends, s[n - 1]))
        return false;
    for (size_t i = 0; i < n; i++)
        if (!strchr(all, s[i]))
            return false;
    return true;
}

static bool subdomain(const char *s, size_t n)
{
    for (size_t at = 0; at <= n;) {
        const char *dot = memchr(s + at, '.', n - at);
        size_t len = dot ? (size_t)(dot - s) - at : n - at;
        if (!consists(s + at, len, LOWER DIGIT "-", LOWER DIGIT))
            return false;
        at += len + 1;
    }
    return true;
}

const char *name_check_label_key(const char *s)
{
    const char *slash = strchr(s, '/'), *name = slash ? slash + 1 : s;
    if (strchr(name, '/'))
        return "a qualified name " QUALIFIED_TEXT
               " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')";
    if (slash && slash == s)
        return "prefix part must be non-empty";
    if (slash && slash - s > NAME_SUBDOMAIN_MAX)
        return "prefix part must be no more than 253 bytes";
    if (slash && !subdomain(s, (size_t)(slash - s)))
        return "prefix part " SUBDOMAIN_TEXT;
    if (!*name)
        return "name part must be non-empty";
    if (strlen(name) > NAME_PART_MAX)
        return "name part must be no more than 63 bytes";
    if (!consists(name, strlen(name), LOWER UPPER DIGIT "-_.", LOWER UPPER DIGIT))
        return "name part " QUALIFIED_TEXT;
    return NULL;
}

const char *name_check_label_value(const char *s)
{
    if (strlen(s) > NAME_PART_MAX)
        return "must be no more than 63 bytes";
    if (*s && !consists(s, strlen(s), LOWER UPPER DIGIT "-_.", LOWER UPPER DIGIT))
        return VALUE_TEXT;
    return NULL;
}

const char *name_check_label(const char *s)
{
    if (strlen(s) > NAME_PART_MAX)
        return "must be no more than 63 bytes";
    return consists(s, strlen(s), LOWER DIGIT "-", LOWER DIGIT) ? NULL : LABEL_TEXT;
}

const char *name_check_subdomain(const char *s)
{
    if (strlen(s) > NAME_SUBDOMAIN_MAX)
        return "must be no more than 253 bytes";
    return subdomain(s, strlen(s)) ? NULL : SUBDOMAIN_TEXT;
}

const char *name_check_path_segment(const char *s)
{
    if (!strcmp(s, "."))
        return "may not be '.'";
    if (!strcmp(s, ".."))
        return "may not be '..'";
    if (strchr(s, '/'))
        return "may not contain '/'";
    return strchr(s, '%') ? "may not contain '%'" : NULL;
}
