#pragma once
/* What the listening process has: one snapshot, and the bodies made from it so far. The answers to all
 * requests. */
#include "net/http_server.h"
#include "format/node.h"

typedef struct Site Site;
/* Takes the text of a snapshot; on failure there is no site. */
int site_new(const char *snapshot, size_t n, Site **ret, Error *e);
void site_free(Site *s);
DEFINE_CLEANUP(Site *, site_free);
const char *site_certificate(const Site *s);
const char *site_key(const Site *s);

/* The handler of http_server.h; context is a Site **, so that a new site can take the place of the former
 * one. */
HttpAnswer site_answer(void *context, const HttpExchange *x, const char *method, const char *path);
