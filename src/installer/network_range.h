#pragma once
/* A network in CIDR notation, IPv4 or IPv6, and what can be asked about two of them. The address is kept as
 * it was written, host bits included, so that a message can say what was wrong with it. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { NETWORK_TEXT_MAX = 64 };

typedef struct NetworkRange {
    bool ipv6;
    uint8_t address[16]; /* the first 4 bytes for IPv4 */
    unsigned prefix;
} NetworkRange;

/* -EINVAL unless "address/prefix". */
int network_range_parse(const char *text, NetworkRange *ret);
bool address_parse(const char *text, NetworkRange *ret); /* a bare address: prefix 32 or 128 */
void network_range_text(const NetworkRange *n, char out[NETWORK_TEXT_MAX]);
NetworkRange network_range_masked(const NetworkRange *n);
bool network_range_overlap(const NetworkRange *a, const NetworkRange *b);
bool network_range_contains(const NetworkRange *n, const NetworkRange *address);
/* What a cluster may not use as a network, in words; NULL when it is fine. */
const char *network_range_complaint(const NetworkRange *n, char *buf, size_t size);
/* The n-th address of the network, as text. */
void network_range_nth(const NetworkRange *n, uint8_t nth, char out[NETWORK_TEXT_MAX]);
