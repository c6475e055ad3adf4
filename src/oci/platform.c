/* One row a machine. The variant is that of the processor; older ones of the same architecture run on it. */
#include "oci/platform.h"

#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

static const struct {
    const char *machine, *architecture, *variant;
} machines[] = {
    {"x86_64", "amd64", "v1"},  {"aarch64", "arm64", "v8"}, {"armv8l", "arm", "v8"},
    {"armv7l", "arm", "v7"},    {"armv6l", "arm", "v6"},    {"armv5tel", "arm", "v5"},
    {"i686", "386", ""},        {"i586", "386", ""},        {"i386", "386", ""},
    {"ppc64le", "ppc64le", ""}, {"ppc64", "ppc64", ""},     {"s390x", "s390x", ""},
    {"riscv64", "riscv64", ""}, {"mips64", "mips64", ""},   {"loongarch64", "loong64", ""},
};

Platform platform_of_machine(const char *machine)
{
    for (size_t i = 0; i < ELEMENTS(machines); i++)
        if (!strcmp(machines[i].machine, machine))
            return (Platform){"linux", machines[i].architecture, machines[i].variant};
    return (Platform){.os = "linux"};
}

int platform_of_host(Platform *ret, Error *e)
{
    struct utsname u;
    if (uname(&u) < 0)
        return error_errno(e, -errno, "uname");
    Platform p = platform_of_machine(u.machine);
    if (!p.architecture)
        return error_set(e, ENOTSUP, "images have no name for machines such as this one (%s)", u.machine);
    *ret = p;
    return 0;
}

static unsigned variant_number(const char *variant)
{
    unsigned n;
    char rest;
    return sscanf(variant, "v%2u%c", &n, &rest) == 1 ? n : 0;
}

unsigned platform_fits(const Platform *want, const Platform *have)
{
    if (strcmp(want->os, have->os) || strcmp(want->architecture, have->architecture))
        return 0;
    if (!*have->variant)
        return 1;
    unsigned wanted = variant_number(want->variant), n = variant_number(have->variant);
    return n && n <= wanted ? 1 + n : 0;
}
