/* A program whose config is local never maps libcurl and the thirty libraries behind it. */
#include "net/http_curl.h"

#include "base/library.h"

static const char soname[] = "libcurl.so.4";

int http_curl_load(Curl *c, Error *e)
{
    const LibrarySymbol rows[] = {
        {"curl_global_init", &c->global_init}, {"curl_easy_init", &c->init},
        {"curl_easy_cleanup", &c->cleanup},    {"curl_easy_setopt", &c->setopt},
        {"curl_easy_perform", &c->perform},    {"curl_easy_getinfo", &c->getinfo},
        {"curl_slist_append", &c->list_add},   {"curl_slist_free_all", &c->list_free},
        {"curl_easy_strerror", &c->strerror},  {"curl_easy_reset", &c->reset},
    };
    int r = library_load(soname, "fetching", rows, ELEMENTS(rows), e);
    if (r < 0)
        return r;
    return c->global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK ? 0 : error_set(e, EIO, "libcurl does not start");
}

int http_curl_load_multi(CurlMulti *c, Error *e)
{
    const LibrarySymbol rows[] = {
        {"curl_multi_init", &c->init},
        {"curl_multi_cleanup", &c->cleanup},
        {"curl_multi_setopt", &c->setopt},
        {"curl_multi_add_handle", &c->add},
        {"curl_multi_remove_handle", &c->remove},
        {"curl_multi_socket_action", &c->socket_action},
        {"curl_multi_info_read", &c->info_read},
        {"curl_easy_pause", &c->pause},
    };
    return library_load(soname, "watching", rows, ELEMENTS(rows), e);
}
