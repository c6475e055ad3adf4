#pragma once
/* libcurl's functions, found when they are first needed. For the files of HTTP clients only: this layer's,
 * and the one of src/kube/, which has watches. */
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

/* Many transfers in one thread. */
typedef struct CurlMulti {
    CURLM *(*init)(void);
    CURLMcode (*cleanup)(CURLM *);
    CURLMcode (*setopt)(CURLM *, CURLMoption, ...);
    CURLMcode (*add)(CURLM *, CURL *);
    CURLMcode (*remove)(CURLM *, CURL *);
    CURLMcode (*socket_action)(CURLM *, curl_socket_t, int, int *);
    CURLMsg *(*info_read)(CURLM *, int *);
    CURLcode (*pause)(CURL *, int);
} CurlMulti;

int http_curl_load(Curl *c, Error *e);            /* the library stays for the life of the process */
int http_curl_load_multi(CurlMulti *c, Error *e); /* after the former */
