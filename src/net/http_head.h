#pragma once
/* What the client wants to know of an answer's head, taken line by line as they come in. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct HttpHead {
    char etag[256];      /* "" when there is none, or one that is too long to be sent back */
    bool ranges;         /* the server gives parts */
    bool whole;          /* the line that ends the head has come */
    uint64_t part_start; /* of a 206: where its bytes belong; UINT64_MAX: the server does not say */
} HttpHead;

/* One line with its end; "HTTP/…" starts the next head. */
void http_head_line(HttpHead *h, const char *line, size_t n);
