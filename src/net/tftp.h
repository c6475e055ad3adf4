#pragma once
/* Reading a file by TFTP (RFC 1350, octet mode), with the patience of the HTTP client: what may pass is tried
 * again from the start, after 0.2 s, doubling to 5 s. Larger blocks and the file's size are asked for (RFC
 * 2347–2349); a server that knows neither gives blocks of 512 bytes. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum { TFTP_PORT = 69, TFTP_BLOCK = 512, TFTP_BLOCK_WANTED = 1428, TFTP_PACKET_MAX = 2048 };

typedef struct TftpOptions {
    int64_t total_ms;  /* all tries together; 0: no limit */
    int64_t answer_ms; /* silence after which a try is given up; 0: 10 s */
    void (*retrying)(void *context, unsigned attempt, const char *why); /* may be NULL */
    bool (*cancelled)(void *context); /* as the HTTP client's; may be NULL */
    void *context;
} TftpOptions;

typedef struct TftpRequest {
    const char *host;
    uint16_t port; /* 0: TFTP_PORT */
    const char *path;
    int (*sink)(void *context, const void *data, size_t n); /* < 0 ends the work with that code */
    int (*restart)(void *context);                          /* the file starts anew */
    void *context;
} TftpRequest;

/* -ENOENT: the server has no such file, -EACCES: it does not give it; what else it answers with an error
 * fails at once as well, but for its wish to be asked without options. */
int tftp_get(const TftpOptions *o, const TftpRequest *q, Error *e);

typedef enum TftpKind {
    TFTP_READ = 1,
    TFTP_DATA = 3,
    TFTP_ACK = 4,
    TFTP_ERROR = 5,
    TFTP_OPTIONS = 6
} TftpKind;

typedef struct TftpPacket {
    TftpKind kind;
    uint16_t block; /* of DATA; the code of ERROR */
    const uint8_t *data;
    size_t n;            /* DATA: its bytes */
    char text[128];      /* ERROR: printable */
    size_t block_size;   /* OPTIONS: 0 when not agreed to */
    uint64_t total_size; /* OPTIONS: UINT64_MAX when not said */
} TftpPacket;

/* What a server may send; -EBADMSG: anything else. */
int tftp_packet_read(const uint8_t *packet, size_t n, TftpPacket *ret);
/* Its acknowledgement of a read request is taken only when it keeps to what was asked. */
size_t tftp_request_write(const char *path, bool options, uint8_t *out, size_t size); /* 0: too long */
