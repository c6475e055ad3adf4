#pragma once
/* A request as bytes, for a process that makes it in our place, and the frames in which the answer comes
 * back. For http_apart.c and http_worker.c alone. */
#include "base/arena.h"
#include "base/buf.h"
#include "net/http_client.h"

enum { WIRE_PIECE_MAX = 64 << 10, WIRE_REQUEST_MAX = 64 << 20 };

typedef enum WireKind {                  /* of a frame: a WireHead, then `length` bytes */
                        WIRE_HEADER = 1, /* a line of an answer's head */
                        WIRE_BODY,
                        WIRE_RESTART,
                        WIRE_RETRYING, /* WireRetry */
                        WIRE_DONE,     /* WireDone; the last one */
} WireKind;

typedef struct WireHead {
    uint32_t kind, length;
} WireHead;

typedef struct WireRetry {
    uint32_t attempt;
    char url[512], why[1024];
} WireRetry;

typedef struct WireDone {
    int32_t code; /* of http_get() */
    uint32_t attempts;
    int64_t status;
    uint64_t redirected;
    char text[ERROR_TEXT_MAX];
} WireDone;

/* Of the callbacks only whether there is a restart(), whose absence has a meaning. */
void wire_request_write(const HttpOptions *o, const HttpRequest *r, Buf *to);
int wire_request_read(Arena *a, const void *data, size_t n, HttpOptions *o, HttpRequest *r,
                      bool *ret_restarts);
