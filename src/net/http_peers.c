/* Why not a timer a connection: 4096 of them come and go by the thousand in an attack, and two queues need no
 * search at all. Counting goes through all of them, but only for a server that limits addresses. IPv4
 * addresses are kept as the IPv6 addresses that a dual socket shows them as. */
#include "net/http_peers.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "net/http_subject.h"

static struct in6_addr to_address(const struct sockaddr *a)
{
    struct in6_addr out = IN6ADDR_ANY_INIT;
    if (a && a->sa_family == AF_INET6)
        out = ((const struct sockaddr_in6 *)(const void *)a)->sin6_addr;
    else if (a && a->sa_family == AF_INET) {
        out.s6_addr[10] = out.s6_addr[11] = 0xff;
        memcpy(out.s6_addr + 12, &((const struct sockaddr_in *)(const void *)a)->sin_addr, 4);
    }
    return out;
}

void http_peers_init(HttpPeers *p, int request_ms, int answer_ms)
{
    *p = (HttpPeers){0};
    p->queues[HTTP_PEER_REQUEST].limit_ms = request_ms;
    p->queues[HTTP_PEER_ANSWER].limit_ms = answer_ms;
    p->queues[HTTP_PEER_STREAM].limit_ms = INT_MAX;
}

static void enter(HttpPeers *p, HttpPeer *peer, HttpPhase phase)
{
    peer->phase = phase;
    peer->late_ms = monotonic_ms() + p->queues[phase].limit_ms;
    peer->after = NULL;
    peer->before = p->queues[phase].last;
    *(peer->before ? &peer->before->after : &p->queues[phase].first) = peer;
    p->queues[phase].last = peer;
}

static void leave(HttpPeers *p, HttpPeer *peer)
{
    *(peer->before ? &peer->before->after : &p->queues[peer->phase].first) = peer->after;
    *(peer->after ? &peer->after->before : &p->queues[peer->phase].last) = peer->before;
}

HttpPeer *http_peers_add(HttpPeers *p, int fd, const struct sockaddr *address)
{
    HttpPeer *peer = calloc(1, sizeof(*peer));
    if (!peer)
        abort();
    peer->fd = fd;
    peer->address = to_address(address);
    enter(p, peer, HTTP_PEER_REQUEST);
    p->n++;
    return peer;
}

void http_peers_remove(HttpPeers *p, HttpPeer *peer)
{
    if (!peer)
        return;
    leave(p, peer);
    p->n--;
    http_subject_free(peer->subject);
    free(peer);
}

void http_peers_phase(HttpPeers *p, HttpPeer *peer, HttpPhase phase)
{
    if (!peer)
        return;
    leave(p, peer);
    enter(p, peer, phase);
}

unsigned http_peers_count(const HttpPeers *p, const struct sockaddr *address)
{
    struct in6_addr wanted = to_address(address);
    unsigned n = 0;
    for (unsigned i = 0; i < HTTP_PEER_PHASES; i++)
        for (const HttpPeer *peer = p->queues[i].first; peer; peer = peer->after)
            n += !memcmp(&peer->address, &wanted, sizeof(wanted));
    return n;
}

int http_peers_wait_ms(const HttpPeers *p)
{
    int64_t soonest = INT64_MAX, now = monotonic_ms();
    for (unsigned i = 0; i < HTTP_PEER_PHASES; i++)
        if (p->queues[i].first && p->queues[i].first->late_ms < soonest)
            soonest = p->queues[i].first->late_ms;
    if (soonest == INT64_MAX)
        return -1;
    return soonest <= now ? 0 : soonest - now > INT_MAX ? INT_MAX : (int)(soonest - now);
}

void http_peers_expire(HttpPeers *p)
{
    int64_t now = monotonic_ms();
    for (unsigned i = 0; i < HTTP_PEER_PHASES; i++)
        for (HttpPeer *peer; (peer = p->queues[i].first) && peer->late_ms <= now;) {
            shutdown(peer->fd, SHUT_RDWR);
            http_peers_phase(p, peer,
                             peer->phase); /* until its end is noticed, it is not the first any more */
        }
}
