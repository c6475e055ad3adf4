/* A machine that cannot fetch its config at its first boot has one line to say why. So the line has the names
 * and dates that one would otherwise look for with `openssl s_client`. They come from a server that nobody
 * trusts: they are cut, and only printable characters are shown. */
#include "net/http_trust.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/file.h"

/* NO_VERDICT is what libcurl leaves when the chain is good and it refuses the name itself. */
enum { SYSTEM_FILE_MAX = 16 << 20, SHOWN_MAX = 200, NO_VERDICT = 1 };

/* ---- what is trusted ---- */

static bool is_hashed(const char *name)
{
    size_t hex = strspn(name, "0123456789abcdef"),
           digits = name[hex] ? strspn(name + hex + 1, "0123456789") : 0;
    return hex == 8 && name[8] == '.' && digits && !name[9 + digits];
}

static bool has_hashed_names(const char *directory)
{
    _cleanup_closedir_ DIR *d = directory ? opendir(directory) : NULL;
    for (const struct dirent *entry; d && (entry = readdir(d));)
        if (is_hashed(entry->d_name))
            return true;
    return false;
}

void http_trust_bundle(const char *authorities, const char *file, const char *directory, Buf *ret)
{
    _cleanup_buf_ Buf system = BUF_INIT;
    buf_addf(ret, "%s\n", authorities);
    /* A file that is not there is a system that trusts nobody: the config's authorities are all there is. */
    if (file && !has_hashed_names(directory) &&
        file_read_at(AT_FDCWD, file, SYSTEM_FILE_MAX, &system, NULL) >= 0)
        buf_add(ret, system.data, system.len);
}

/* ---- why a server is not ---- */

static const char *field(const struct curl_slist *certificate, const char *name)
{
    size_t n = strlen(name);
    for (; certificate; certificate = certificate->next)
        if (!strncmp(certificate->data, name, n) && certificate->data[n] == ':')
            return certificate->data + n + 1;
    return NULL;
}

static void show(const char *text, size_t n, Buf *out)
{
    for (size_t i = 0; i < n && out->len < SHOWN_MAX; i++)
        buf_add_char(out, isprint((unsigned char)text[i]) ? text[i] : '?');
    if (out->len >= SHOWN_MAX)
        buf_add_str(out, "...");
}

/* "DNS:a, IP Address:192.0.2.1" without the kinds, else the common name, else the whole subject. */
static void show_names(const struct curl_slist *certificate, Buf *out)
{
    const char *names = field(certificate, "X509v3 Subject Alternative Name"),
               *subject = field(certificate, "Subject");
    if (!names) {
        const char *common = subject ? strstr(subject, "CN = ") : NULL;
        subject = common ? common + strlen("CN = ") : subject ? subject : "nobody";
        show(subject, strcspn(subject, ","), out);
        return;
    }
    while (*names && out->len < SHOWN_MAX) {
        size_t n = strcspn(names, ","), kind = strcspn(names, ":");
        size_t skip = kind < n ? kind + 1 : 0;
        show(names + skip, n - skip, out);
        names += n + strspn(names + n, ", ");
        if (*names && out->len < SHOWN_MAX)
            buf_add_str(out, ", ");
    }
}

static void host_of(const char *url, Buf *out)
{
    const char *authority = strstr(url, "//");
    authority = authority ? authority + strspn(authority, "/") : url;
    size_t n = strcspn(authority, "/?#");
    const char *at = memrchr(authority, '@', n), *host = at ? at + 1 : authority;
    n -= (size_t)(host - authority);
    show(host, *host == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":/?#"), out);
}

/* The date that is on the wrong side of the clock, of whichever certificate of the chain that is. */
static const char *wrong_date(const struct curl_certinfo *seen, const char *name, bool past, time_t now)
{
    for (int i = 0; seen && i < seen->num_of_certs; i++) {
        const char *date = field(seen->certinfo[i], name);
        struct tm tm = {0};
        if (!date || !strptime(date, "%b %d %H:%M:%S %Y GMT", &tm))
            continue;
        if (past ? timegm(&tm) < now : timegm(&tm) > now)
            return date;
    }
    return NULL;
}

static void explain_date(const struct curl_certinfo *seen, bool expired, Error *e)
{
    char clock[32];
    time_t now = time(NULL);
    struct tm tm;
    _cleanup_buf_ Buf shown = BUF_INIT;
    const char *date = wrong_date(seen, expired ? "Expire date" : "Start date", expired, now);
    strftime(clock, sizeof(clock), "%b %e %H:%M:%S %Y GMT", gmtime_r(&now, &tm));
    if (date)
        show(date, strlen(date), &shown);
    error_set(e, EKEYREJECTED, "the server's certificate%s %s%s%s; the clock says %s%s",
              date ? "" : ", or an authority above it,", expired ? "has expired" : "is not valid yet",
              date ? (expired ? " on " : ", but from ") : "", date ? shown.data : "", clock,
              expired ? "" : ": is it right?");
}

static void explain_name(const struct curl_certinfo *seen, const char *url, Error *e)
{
    _cleanup_buf_ Buf names = BUF_INIT, host = BUF_INIT;
    host_of(url, &host);
    if (seen && seen->num_of_certs > 0)
        show_names(seen->certinfo[0], &names);
    error_set(e, EKEYREJECTED, "the server's certificate is for %s, not for %s",
              names.len ? names.data : "another name", host.len ? host.data : "its address");
}

void http_trust_explain(long verdict, const struct curl_certinfo *seen, const char *url, Error *e)
{
    static const char unknown[] =
        "the server's certificate is signed by no authority that the system or the config names";
    static const struct {
        long verdict; /* X509_V_ERR_… */
        const char *text;
    } rows[] = {
        {18, "the server's certificate is signed by itself, and the config does not name it"},
        {19, unknown},
        {20, unknown},
        {21, unknown},
        {26, "the server's certificate is not meant for servers"},
        {79, "an authority of the server's certificate is no authority"},
    };
    if (verdict == 0 || verdict == NO_VERDICT)
        explain_name(seen, url, e);
    else if (verdict == 9 || verdict == 10)
        explain_date(seen, verdict == 10, e);
    else {
        for (size_t i = 0; i < ELEMENTS(rows); i++)
            if (rows[i].verdict == verdict) {
                error_set(e, EKEYREJECTED, "%s", rows[i].text);
                return;
            }
        error_set(e, EKEYREJECTED, "the server's certificate is not good: OpenSSL's verdict %ld", verdict);
    }
}
