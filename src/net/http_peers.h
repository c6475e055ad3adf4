#pragma once
/* The connections of an HTTP server: who has how many, and which phase each must have left by when. The
 * phases of one kind take equally long, so that a queue of each, in order of entry, knows the next to be
 * late.
 */
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

typedef enum HttpPhase {
    HTTP_PEER_REQUEST,
    HTTP_PEER_ANSWER,
    HTTP_PEER_STREAM, /* of no limit to speak of */
    HTTP_PEER_PHASES
} HttpPhase;

typedef struct HttpPeer {
    struct HttpPeer *before, *after;
    int fd; /* not ours to close */
    HttpPhase phase;
    int64_t late_ms; /* of the monotonic clock */
    struct in6_addr address;
    struct HttpSubject *subject; /* the server's, kept here since it is the connection's; freed with it */
    bool asked;
} HttpPeer;

typedef struct HttpPeers {
    struct {
        HttpPeer *first, *last;
        int limit_ms;
    } queues[HTTP_PEER_PHASES];
    unsigned n;
} HttpPeers;

void http_peers_init(HttpPeers *p, int request_ms, int answer_ms);
HttpPeer *http_peers_add(HttpPeers *p, int fd, const struct sockaddr *address); /* in HTTP_PEER_REQUEST */
void http_peers_remove(HttpPeers *p, HttpPeer *peer);                           /* frees it; NULL: nothing */
void http_peers_phase(HttpPeers *p, HttpPeer *peer, HttpPhase phase);           /* enters it now */
unsigned http_peers_count(const HttpPeers *p, const struct sockaddr *address);
int http_peers_wait_ms(const HttpPeers *p); /* until the next is late; -1: none waits */
/* Shuts the sockets of the late ones down: whoever reads from them sees their end. */
void http_peers_expire(HttpPeers *p);
