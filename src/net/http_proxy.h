#pragma once
/* Which requests go around the proxy, by the rules of Go's programs, whose users write these lists: localhost
 * and loopback addresses always do. An entry is "*", an address, a range "192.0.2.0/24", a name with all
 * below it, or ".name" and "*.name" for what is below only; any but the range may end in ":port". Entries may
 * stand in one string, with commas between them; what cannot be understood matches nothing. */
#include <stdbool.h>

bool http_proxy_bypassed(const char *const *no_proxy,
                         const char *url); /* the list ends with NULL; or is NULL */
