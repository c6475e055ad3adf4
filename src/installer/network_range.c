/* CIDR arithmetic on byte strings: an IPv4 network is 4 bytes, an IPv6 one 16, and everything else is a mask
 * over them. Networks of different families never overlap. The complaints are the installer's contract: the
 * network address must be the first of its network, and the container engine's default bridge is taken. */
#include "installer/network_range.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t address_size(const NetworkRange *n)
{
    return n->ipv6 ? 16 : 4;
}

bool address_parse(const char *text, NetworkRange *ret)
{
    NetworkRange n = {0};

    if (inet_pton(AF_INET, text, n.address) == 1)
        n.prefix = 32;
    else if (inet_pton(AF_INET6, text, n.address) == 1) {
        n.ipv6 = true;
        n.prefix = 128;
    } else
        return false;
    *ret = n;
    return true;
}

int network_range_parse(const char *text, NetworkRange *ret)
{
    char address[INET6_ADDRSTRLEN + 1];
    const char *slash = strchr(text, '/');
    NetworkRange n;

    if (!slash || (size_t)(slash - text) >= sizeof(address))
        return -EINVAL;
    memcpy(address, text, (size_t)(slash - text));
    address[slash - text] = '\0';
    if (!address_parse(address, &n))
        return -EINVAL;
    size_t digits = strspn(slash + 1, "0123456789");
    if (digits == 0 || digits > 3 || slash[1 + digits] || (digits > 1 && slash[1] == '0'))
        return -EINVAL;
    unsigned prefix = (unsigned)strtoul(slash + 1, NULL, 10);
    if (prefix > n.prefix)
        return -EINVAL;
    n.prefix = prefix;
    *ret = n;
    return 0;
}

void network_range_text(const NetworkRange *n, char out[NETWORK_TEXT_MAX])
{
    char address[INET6_ADDRSTRLEN];
    inet_ntop(n->ipv6 ? AF_INET6 : AF_INET, n->address, address, sizeof(address));
    snprintf(out, NETWORK_TEXT_MAX, "%s/%u", address, n->prefix);
}

NetworkRange network_range_masked(const NetworkRange *n)
{
    NetworkRange m = *n;

    for (size_t i = 0; i < address_size(n); i++) {
        unsigned bits = n->prefix > 8 * i ? n->prefix - 8 * (unsigned)i : 0;
        if (bits < 8)
            m.address[i] &= (uint8_t)(0xff00 >> bits);
    }
    return m;
}

bool network_range_contains(const NetworkRange *n, const NetworkRange *address)
{
    if (n->ipv6 != address->ipv6)
        return false;
    NetworkRange other = *address;
    other.prefix = n->prefix;
    NetworkRange a = network_range_masked(n), b = network_range_masked(&other);
    return memcmp(a.address, b.address, address_size(n)) == 0;
}

bool network_range_overlap(const NetworkRange *a, const NetworkRange *b)
{
    return network_range_contains(a, b) || network_range_contains(b, a);
}

const char *network_range_complaint(const NetworkRange *n, char *buf, size_t size)
{
    static const uint8_t zero[16];
    static const NetworkRange bridge = {.address = {172, 17}, .prefix = 16};
    char is[NETWORK_TEXT_MAX], should_be[NETWORK_TEXT_MAX];

    if (memcmp(n->address, zero, address_size(n)) == 0)
        return "address must be specified";
    network_range_text(n, is);
    NetworkRange masked = network_range_masked(n);
    network_range_text(&masked, should_be);
    if (strcmp(is, should_be) != 0) {
        snprintf(buf, size, "invalid network address. got %s, expecting %s", is, should_be);
        return buf;
    }
    if (network_range_overlap(n, &bridge)) {
        snprintf(buf, size, "overlaps with default Docker Bridge subnet (%s)", is);
        return buf;
    }
    return NULL;
}

void network_range_nth(const NetworkRange *n, uint8_t nth, char out[NETWORK_TEXT_MAX])
{
    NetworkRange m = network_range_masked(n);
    m.address[address_size(n) - 1] = (uint8_t)(m.address[address_size(n) - 1] + nth);
    inet_ntop(m.ipv6 ? AF_INET6 : AF_INET, m.address, out, NETWORK_TEXT_MAX);
}
