/* A program whose config is local never maps libcurl and the thirty libraries behind it. */
#include "net/http_curl.h"

#include <dlfcn.h>
#include <string.h>

int http_curl_load(Curl *c, Error *e)
{
    void *library = dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);
    if (!library)
        return error_set(e, ENOENT, "fetching needs libcurl, which cannot be loaded: %s", dlerror());
    const struct {
        const char *name;
        void *to;
    } rows[] = {
        {"curl_global_init", &c->global_init}, {"curl_easy_init", &c->init},
        {"curl_easy_cleanup", &c->cleanup},    {"curl_easy_setopt", &c->setopt},
        {"curl_easy_perform", &c->perform},    {"curl_easy_getinfo", &c->getinfo},
        {"curl_slist_append", &c->list_add},   {"curl_slist_free_all", &c->list_free},
        {"curl_easy_strerror", &c->strerror},
    };
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        void *symbol = dlsym(library, rows[i].name);
        if (!symbol)
            return error_set(e, ENOENT, "libcurl has no %s", rows[i].name);
        memcpy(rows[i].to, &symbol, sizeof(symbol));
    }
    return c->global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK ? 0 : error_set(e, EIO, "libcurl does not start");
}
