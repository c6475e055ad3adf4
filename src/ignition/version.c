/* Version numbers of the spec: from text and back. A number is three groups of digits and, for experimental
 * specs, a suffix; anything that differs from an accepted one by so much as build metadata is refused, as
 * Ignition refuses it. What is accepted stands in every refusal: not knowing it is the most frequent
 * complaint of users. */
#include "ignition/version.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define ACCEPTED "accepted are 2.0.0 to 2.4.0, 3.0.0 to 3.6.0 and 3.7.0-experimental"

static const struct {
    unsigned long long major, minor;
    const char *text, *suffix;
} versions[] = {
    [IGN_2_0] = {2, 0, "2.0.0", ""},
    [IGN_2_1] = {2, 1, "2.1.0", ""},
    [IGN_2_2] = {2, 2, "2.2.0", ""},
    [IGN_2_3] = {2, 3, "2.3.0", ""},
    [IGN_2_4] = {2, 4, "2.4.0", ""},
    [IGN_3_0] = {3, 0, "3.0.0", ""},
    [IGN_3_1] = {3, 1, "3.1.0", ""},
    [IGN_3_2] = {3, 2, "3.2.0", ""},
    [IGN_3_3] = {3, 3, "3.3.0", ""},
    [IGN_3_4] = {3, 4, "3.4.0", ""},
    [IGN_3_5] = {3, 5, "3.5.0", ""},
    [IGN_3_6] = {3, 6, "3.6.0", ""},
    [IGN_3_7_EXP] = {3, 7, "3.7.0-experimental", "-experimental"},
};

const char *ign_version_text(IgnVersion v)
{
    return v > IGN_NONE && v < ELEMENTS(versions) ? versions[v].text : "none";
}

/* "3.4.0-x" → {3, 4, 0}, "-x". False when it is not of that form. */
static bool version_split(const char *text, unsigned long long number[3], const char **ret_suffix)
{
    const char *p = text;
    for (int i = 0; i < 3; i++) {
        if (!isdigit((unsigned char)*p))
            return false;
        errno = 0;
        char *end;
        number[i] = strtoull(p, &end, 10);
        if (errno)
            return false;
        p = end;
        if (i < 2 && *p++ != '.')
            return false;
    }
    if (*p && (!strchr("-+", *p) || !p[1]))
        return false;
    *ret_suffix = p;
    return true;
}

int ign_version_parse(const char *text, IgnVersion *ret, Error *e)
{
    unsigned long long number[3];
    const char *suffix;
    if (!text || !*text)
        return error_set(e, EINVAL,
                         "invalid config version (couldn't parse): ignition.version is missing; " ACCEPTED);
    if (!version_split(text, number, &suffix))
        return error_set(e, EINVAL, "invalid config version (couldn't parse): got \"%.40s\"; " ACCEPTED,
                         text);

    for (IgnVersion v = IGN_NONE + 1; v < ELEMENTS(versions); v++)
        if (versions[v].major == number[0] && versions[v].minor == number[1] && number[2] == 0 &&
            strcmp(versions[v].suffix, suffix) == 0) {
            *ret = v;
            return 0;
        }
    return error_set(e, EOPNOTSUPP, "unsupported config version: got \"%.40s\"; " ACCEPTED, text);
}
