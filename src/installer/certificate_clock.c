/* A file is taken for what stands in it: the first certificate of each text is the one that it is about; what
 * a server appends to it is its signer's. Bundles are left out, they repeat their signers'. Links are looked
 * at as what they lead to, directories behind links are not: "current" is a link, and loops are links. */
#include "installer/certificate_clock.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "installer/asset_state.h"
#include "installer/certificate_table.h"

enum { DEPTH_MAX = 4, ENTRIES_MAX = 1000, FILE_MAX = 1 << 20, NAME_SIZE = 256 };

typedef struct Walk {
    CertificateClock *clock;
    Arena *a;
    time_t now;
    bool state; /* of an install directory */
} Walk;

unsigned certificate_used(time_t from, time_t until, time_t now)
{
    if (now >= until)
        return 100;
    return now <= from ? 0 : (unsigned)((__int128)(now - from) * 100 / (until - from));
}

void certificate_clock_done(CertificateClock *c)
{
    free(c->entries);
    *c = (CertificateClock){0};
}

/* ---- one ---- */

static const char *base_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static const CertificateRow *row_of(Arena *a, const char *path)
{
    const char *base = base_of(path);
    size_t n = strlen(base);
    return n > 4 && strcmp(base + n - 4, ".crt") == 0 ? certificate_row(arena_memdup(a, base, n - 4)) : NULL;
}

static bool is_bundle(const char *path)
{
    const char *base = base_of(path);
    for (size_t i = 0; i < bundle_rows_n; i++) {
        size_t n = strlen(bundle_rows[i].file);
        if (strncmp(base, bundle_rows[i].file, n) == 0 && strcmp(base + n, ".crt") == 0)
            return true;
    }
    return false;
}

static const char *renewer(const Walk *w, const CertificateRow *row, const ClockEntry *entry)
{
    if (w->state)
        return "basalt create ignition-configs";
    if (row)
        return "basalt certs renew";
    if (strncmp(entry->name, "system:node:", 12) == 0)
        return "its node, by a certificate signing request";
    return "nobody that basalt knows of";
}

static const char *warning(const Walk *w, const CertificateRow *row, const ClockEntry *x)
{
    const CertificateRow *signer = row ? certificate_signer(row) : NULL;
    if (x->expired)
        return "has expired";
    if (x->early)
        return "is not valid yet: is the clock right?";
    if (row && strcmp(x->signer, signer ? signer->common_name : row->common_name) != 0)
        return arena_printf(w->a, "is not signed by %s", signer ? signer->common_name : "itself");
    return x->used >= CERTIFICATE_DUE_PERCENT ? "is due to be renewed" : NULL;
}

static ClockEntry *append(CertificateClock *c)
{
    if (c->n == c->size) {
        c->size = c->size ? c->size * 2 : 32;
        c->entries = realloc(c->entries, c->size * sizeof(*c->entries));
        if (!c->entries)
            abort();
    }
    return &c->entries[c->n++];
}

static void add(Walk *w, const char *path, const char *text, size_t n)
{
    _cleanup_(certificate_freep)
    Certificate *c = NULL;
    char name[NAME_SIZE];
    if (is_bundle(path) || w->clock->n >= ENTRIES_MAX || certificate_read(text, n, &c, NULL) < 0)
        return;
    const CertificateRow *row = row_of(w->a, path);
    ClockEntry *x = append(w->clock);
    *x = (ClockEntry){.path = arena_strdup(w->a, path),
                      .from = certificate_not_before(c),
                      .until = certificate_not_after(c),
                      .authority = certificate_is_authority(c)};
    x->name = arena_strdup(w->a, certificate_common_name(c, name, sizeof(name)));
    x->signer = arena_strdup(w->a, certificate_issuer_name(c, name, sizeof(name)));
    x->used = certificate_used(x->from, x->until, w->now);
    x->expired = w->now >= x->until;
    x->early = w->now < x->from;
    x->renews = renewer(w, row, x);
    x->warning = warning(w, row, x);
    w->clock->expired += x->expired;
    w->clock->warnings += x->warning != NULL;
}

/* A leaf is good for nothing once its signer has expired. */
static void compare_with_signers(Walk *w, size_t from)
{
    CertificateClock *c = w->clock;
    for (size_t i = from; i < c->n; i++)
        for (size_t k = from; k < c->n && !c->entries[i].warning; k++) {
            const ClockEntry *signer = &c->entries[k];
            if (i == k || !signer->authority || strcmp(signer->name, c->entries[i].signer) != 0 ||
                signer->until >= c->entries[i].until)
                continue;
            c->entries[i].warning = arena_printf(w->a, "its signer %s ends before it", signer->path);
            c->warnings++;
        }
}

/* ---- all of a directory ---- */

static bool has_suffix(const char *name, const char *suffix)
{
    size_t n = strlen(name), m = strlen(suffix);
    return n > m && strcmp(name + n - m, suffix) == 0;
}

static int by_name(const void *x, const void *y)
{
    return strcmp(*(char *const *)x, *(char *const *)y);
}

static size_t names_of(Arena *a, int dir, const char **names)
{
    int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    _cleanup_closedir_ DIR *d = fd < 0 ? NULL : fdopendir(fd);
    size_t n = 0;
    for (struct dirent *entry; d && n < ENTRIES_MAX && (entry = readdir(d));)
        if (entry->d_name[0] != '.')
            names[n++] = arena_strdup(a, entry->d_name);
    qsort(names, n, sizeof(*names), by_name);
    return n;
}

static void walk(Walk *w, int dir, const char *path, unsigned depth)
{
    const char **names = ARENA_ARRAY(w->a, const char *, ENTRIES_MAX);
    size_t n = names_of(w->a, dir, names);
    for (size_t i = 0; i < n; i++) {
        _cleanup_(buf_done_secret)
        Buf text = BUF_INIT;
        const char *inside = arena_printf(w->a, "%s/%s", path, names[i]);
        _cleanup_close_ int below = openat(dir, names[i], O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        struct stat st;
        if (below >= 0 && depth < DEPTH_MAX)
            walk(w, below, inside, depth + 1);
        else if (below < 0 && (has_suffix(names[i], ".crt") || has_suffix(names[i], ".pem")) &&
                 fstatat(dir, names[i], &st, 0) == 0 && S_ISREG(st.st_mode) &&
                 file_read_at(dir, names[i], FILE_MAX, &text, NULL) >= 0 && text.len)
            add(w, inside, text.data, text.len);
    }
}

static int add_state(Walk *w, int dir, const char *path, Error *e)
{
    Node *state;
    int r = asset_state_read(w->a, dir, &state, e);
    if (r < 0)
        return r;
    for (size_t i = 0; i < certificate_rows_n; i++) {
        AssetValue v;
        r = asset_state_get(w->a, state, certificate_rows[i].asset.name, &v, e);
        if (r < 0)
            return r;
        for (size_t k = 0; r && k < v.n; k++)
            if (has_suffix(v.files[k].path, ".crt"))
                add(w, arena_printf(w->a, "%s/%s", path, v.files[k].path), v.files[k].data, v.files[k].len);
    }
    return 0;
}

int certificate_clock_add(CertificateClock *c, Arena *a, const char *dir, time_t now, Error *e)
{
    Walk w = {.clock = c, .a = a, .now = now};
    size_t from = c->n;
    _cleanup_close_ int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return error_errno(e, -errno, "opening '%s'", dir);
    w.state = faccessat(fd, ASSET_STATE_FILE, F_OK, 0) == 0;
    int r = w.state ? add_state(&w, fd, dir, e) : 0;
    if (r < 0)
        return r;
    if (!w.state)
        walk(&w, fd, dir, 0);
    compare_with_signers(&w, from);
    return c->n > from ? 0 : error_set(e, ENOENT, "no certificate in '%s'", dir);
}

/* ---- showing ---- */

static void add_span(Buf *out, int64_t sec)
{
    static const struct {
        int64_t sec;
        const char *unit;
    } units[] = {{365 * 86400, "y"}, {86400, "d"}, {3600, "h"}, {60, "m"}, {1, "s"}};
    size_t i = 0;
    while (i + 1 < ELEMENTS(units) && sec < 2 * units[i].sec)
        i++;
    buf_addf(out, "%lld%s", (long long)(sec / units[i].sec), units[i].unit);
}

static const char *time_of(time_t t, char out[32])
{
    struct tm tm;
    strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&t, &tm));
    return out;
}

static void add_line(const ClockEntry *x, time_t now, int width, Buf *out)
{
    _cleanup_buf_ Buf left = BUF_INIT;
    char until[32];
    if (x->expired)
        buf_add_str(&left, "-");
    add_span(&left, x->expired ? now - x->until : x->until - now);
    buf_addf(out, "%-*s %-20s  %5s  %3u%%  %s", width, x->path, time_of(x->until, until), left.data, x->used,
             x->signer);
    if (x->warning)
        buf_addf(out, "; %s: renewed by %s", x->warning, x->renews);
    buf_add_char(out, '\n');
}

void certificate_clock_text(const CertificateClock *c, time_t now, Buf *out)
{
    int width = 11;
    for (size_t i = 0; i < c->n; i++) {
        int n = (int)strlen(c->entries[i].path);
        width = n > width ? n : width;
    }
    buf_addf(out, "%-*s %-20s  %5s  %4s  %s\n", width, "CERTIFICATE", "UNTIL", "LEFT", "USED", "SIGNER");
    for (size_t i = 0; i < c->n; i++)
        add_line(&c->entries[i], now, width, out);
}

Node *certificate_clock_node(const CertificateClock *c, Arena *a)
{
    Node *list = node_new(a, NODE_ARRAY), *all = node_new(a, NODE_OBJECT);
    char text[32];
    for (size_t i = 0; i < c->n; i++) {
        const ClockEntry *x = &c->entries[i];
        Node *n = node_append(list, node_new(a, NODE_OBJECT));
        node_set_string(a, n, "path", x->path);
        node_set_string(a, n, "name", x->name);
        node_set_string(a, n, "signer", x->signer);
        node_set(a, n, "authority", node_new_bool(a, x->authority));
        node_set_string(a, n, "from", time_of(x->from, text));
        node_set_string(a, n, "until", time_of(x->until, text));
        node_set(a, n, "usedPercent", node_new_int(a, x->used));
        node_set(a, n, "expired", node_new_bool(a, x->expired));
        node_set_string(a, n, "renewedBy", x->renews);
        node_set_string(a, n, "warning", x->warning);
    }
    node_set(a, all, "certificates", list);
    node_set(a, all, "expired", node_new_int(a, (int64_t)c->expired));
    node_set(a, all, "warnings", node_new_int(a, (int64_t)c->warnings));
    return all;
}
