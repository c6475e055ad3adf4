#pragma once
/* Who a TLS client says that it is, by its certificate: for http_server.c. */
#include "net/http_server.h"

HttpSubject *http_subject_new(void *session); /* of GnuTLS; NULL: it sent no certificate */
void http_subject_free(HttpSubject *s);
