#pragma once
/* libcurl's functions, found when they are first needed. For the files of the HTTP client only. */
#include <curl/curl.h>

#include "base/error.h"

typedef struct Curl {
    CURLcode (*global_init)(long);
    CURL *(*init)(void);
    void (*cleanup)(CURL *);
    void (*reset)(CURL *);
    CURLcode (*setopt)(CURL *, CURLoption, ...);
    CURLcode (*perform)(CURL *);
    CURLcode (*getinfo)(CURL *, CURLINFO, ...);
    struct curl_slist *(*list_add)(struct curl_slist *, const char *);
    void (*list_free)(struct curl_slist *);
    const char *(*strerror)(CURLcode);
} Curl;

int http_curl_load(Curl *c, Error *e); /* the library stays for the life of the process */
