/* Places are tried in order, and the one that had the manifest is the first to be asked for blobs. What a
 * place has given of a blob stays given: the next one is asked for the rest, since both are held against the
 * same digest. Every place's reason is told at the end. */
#include "oci/registry.h"

#include <string.h>

#include "oci/registry_place.h"

#define ACCEPT_MANIFEST                                                                                      \
    MEDIA_OCI_MANIFEST ", " MEDIA_OCI_INDEX ", " MEDIA_DOCKER_MANIFEST ", " MEDIA_DOCKER_INDEX

enum { INDEX_DEPTH_MAX = 3 };

struct Registry {
    Arena *arena;
    RegistryOptions options;
    ImageName name;
    HttpSession *session;
    Place *places;
    size_t n, current;
};

int registry_session_new(const RegistryOptions *o, HttpSession **ret, Error *e)
{
    if (!o->http)
        return http_session_new(ret, e);
    *ret = http_session_new_apart(o->http);
    return 0;
}

int registry_open(const RegistryOptions *o, const ImageName *name, Registry **ret, Error *e)
{
    _cleanup_(registry_freep)
    Registry *r = calloc(1, sizeof(*r));
    static const Registries none;
    ImagePlace *places;
    if (!r)
        abort();
    r->arena = arena_new();
    r->options = *o;
    r->name = *name;
    int k = registries_resolve(r->arena, o->registries ? o->registries : &none, name, &places, &r->n, e);
    if (k < 0)
        return k;
    r->places = ARENA_ARRAY(r->arena, Place, r->n);
    for (size_t i = 0; i < r->n; i++) {
        const char *host = places[i].name.registry;
        r->places[i].is = &places[i];
        r->places[i].host = strcmp(host, "docker.io") ? host : "registry-1.docker.io";
    }
    if ((k = registry_session_new(o, &r->session, e)) < 0)
        return k;
    *ret = TAKE_PTR(r);
    return 0;
}

void registry_free(Registry *r)
{
    if (!r)
        return;
    for (size_t i = 0; r->places && i < r->n; i++)
        place_done(&r->places[i]);
    http_session_free(r->session);
    arena_free(r->arena);
    free(r);
}

const ImagePlace *registry_place(const Registry *r)
{
    return r->places[r->current].is;
}

/* ---- one place after the other ---- */

/* What is done at a place: 0 ends the walk, and so does what no other place can make good. */
typedef struct Walk {
    const int *failed; /* not 0: for good; NULL: never */
    int (*visit)(Registry *r, Place *p, void *context, Error *e);
    void *context;
    const char *what; /* for the message */
} Walk;

static bool is_final(const Walk *w, int r)
{
    return r >= 0 || r == -ECANCELED || (w->failed && *w->failed);
}

static int walk(Registry *r, const Walk *w, Error *e)
{
    _cleanup_buf_ Buf reasons = BUF_INIT;
    int result = 0;
    bool missing = true;
    for (size_t i = 0; i < r->n; i++) {
        size_t which = (r->current + i) % r->n;
        Error why = ERROR_INIT;
        result = w->visit(r, &r->places[which], w->context, &why);
        if (is_final(w, result)) {
            if (result >= 0)
                r->current = which;
            return result < 0 ? error_set(e, -result, "%s", why.text) : result;
        }
        missing = missing && result == -ENOENT;
        buf_addf(&reasons, "%s%s: %s", i ? "; " : "", r->places[which].is->name.registry, why.text);
    }
    if (result == -ENOENT && !missing) /* others may have it: they did not say */
        result = -EIO;
    return error_set(e, -result, "%s of %s/%s: %s", w->what, r->name.registry, r->name.repository,
                     reasons.data);
}

/* ---- manifests ---- */

typedef struct Fetch {
    Arena *arena;
    const ContentDigest *digest; /* NULL: by tag */
    const char *tag;             /* NULL: the name's own */
    const char *path;            /* NULL: that of a manifest */
    Buf body;
    Manifest *manifest;
    ContentDigest *resolved;
} Fetch;

static const char *manifest_path(Registry *r, const Place *p, const Fetch *f)
{
    if (f->path)
        return f->path;
    return arena_printf(r->arena, "manifests/%s",
                        f->digest ? f->digest->text
                        : f->tag  ? f->tag
                                  : p->is->name.tag);
}

static PlaceWays ways(Registry *r)
{
    return (PlaceWays){.arena = r->arena, .session = r->session, .options = &r->options};
}

static int differ(const ContentDigest *should, const ContentDigest *is, const char *by, Error *e)
{
    return error_set(e, EBADMSG, "the manifest should be %s by %s, and is %s", should->text, by, is->text);
}

/* The digest that was asked for decides; the server's own word, where it gives one, must be true as well: a
 * cache that mixes things up is not to be trusted with a tag. */
static int verify(Fetch *f, const PlaceAnswer *answer, Error *e)
{
    ManifestText text = {.data = f->body.len ? f->body.data : "",
                         .n = f->body.len,
                         .media_type = answer->content_type,
                         .digest = f->digest ? f->digest->kind : DIGEST_SHA256};
    ContentDigest is, claimed;
    int r = content_digest_of(text.digest, text.data, text.n, &is, e);
    if (r < 0)
        return r;
    if (f->digest && !content_digest_equal(f->digest, &is))
        return differ(f->digest, &is, "its name", e);
    if (answer->digest[0]) {
        if ((r = content_digest_read(answer->digest, strlen(answer->digest), &claimed, e)) < 0)
            return error_wrap(e, r, "what the server names as the manifest's digest");
        if ((r = content_digest_of(claimed.kind, text.data, text.n, &is, e)) < 0)
            return r;
        if (!content_digest_equal(&claimed, &is))
            return differ(&claimed, &is, "the server's word", e);
    }
    return manifest_read(f->arena, &text, f->manifest, e);
}

static int visit_manifest(Registry *r, Place *p, void *context, Error *e)
{
    Fetch *f = context;
    PlaceWays w = ways(r);
    PlaceAnswer answer = {0};
    const PlaceCall call = {.path = manifest_path(r, p, f),
                            .accept = ACCEPT_MANIFEST,
                            .max = MANIFEST_SIZE_MAX,
                            .sink = buf_collect,
                            .restart = buf_restart,
                            .context = &f->body};
    f->body.len = 0;
    int k = place_call(&w, p, &call, &answer, e);
    return k < 0 ? k : verify(f, &answer, e);
}

int registry_manifest(Registry *r, Arena *a, const ContentDigest *digest, Manifest *ret, Error *e)
{
    Fetch f = {.arena = a, .digest = digest ? digest : r->name.digest, .manifest = ret};
    int k = walk(r, &(Walk){.visit = visit_manifest, .context = &f, .what = "the manifest"}, e);
    buf_done(&f.body);
    return k;
}

int registry_manifest_tagged(Registry *r, Arena *a, const char *tag, Manifest *ret, Error *e)
{
    Fetch f = {.arena = a, .tag = tag, .manifest = ret};
    if (!image_tag_valid(tag, strlen(tag)))
        return error_set(e, EINVAL, "'%.140s' is no tag", tag);
    int k = walk(r, &(Walk){.visit = visit_manifest, .context = &f, .what = "the manifest"}, e);
    buf_done(&f.body);
    return k;
}

static int referrers_check(const Manifest *m, Error *e)
{
    return m->kind == MANIFEST_INDEX ? 0 : error_set(e, EBADMSG, "the list of referrers is no index");
}

/* A registry without the API answers in various ways; one that has got it may not know yet what only the tag
 * names. */
int registry_referrers(Registry *r, Arena *a, const ContentDigest *subject, Manifest *ret, Error *e)
{
    char tag[REFERRERS_TAG_SIZE];
    const char *path = arena_printf(a, "referrers/%s", subject->text);
    Fetch f = {.arena = a, .path = path, .manifest = ret};
    int k = walk(r, &(Walk){.visit = visit_manifest, .context = &f, .what = "the referrers"}, e);
    buf_done(&f.body);
    if (k == -ECANCELED || (k >= 0 && ret->kind == MANIFEST_INDEX && ret->n_items > 0))
        return k;
    referrers_tag(subject, tag);
    k = registry_manifest_tagged(r, a, tag, ret, e);
    return k < 0 ? k : referrers_check(ret, e);
}

int registry_image(Registry *r, Arena *a, const Platform *want, Manifest *ret_index, Manifest *ret, Error *e)
{
    Manifest m;
    int k = registry_manifest(r, a, NULL, &m, e);
    if (k < 0)
        return k;
    *ret_index = m;
    for (unsigned depth = 0; m.kind == MANIFEST_INDEX; depth++) {
        const Descriptor *next;
        if (depth == INDEX_DEPTH_MAX)
            return error_set(e, ELOOP, "the index of %s/%s leads to ever another index", r->name.registry,
                             r->name.repository);
        if ((k = manifest_choose(&m, want, &next, e)) < 0 ||
            (k = registry_manifest(r, a, &next->digest, &m, e)) < 0)
            return k;
        if (m.n_bytes != next->size || strcmp(m.media_type, next->media_type))
            return error_set(e, EBADMSG, "the manifest %s is not what the index says of it",
                             next->digest.text);
    }
    if ((k = manifest_check_image(&m, e)) < 0)
        return k;
    *ret = m;
    return 0;
}

static int visit_head(Registry *r, Place *p, void *context, Error *e)
{
    const Fetch *f = context;
    PlaceWays w = ways(r);
    PlaceAnswer answer = {0};
    const PlaceCall call = {.path = manifest_path(r, p, f), .method = "HEAD", .accept = ACCEPT_MANIFEST};
    int k = place_call(&w, p, &call, &answer, e);
    return k < 0 ? k : content_digest_read(answer.digest, strlen(answer.digest), f->resolved, e);
}

int registry_resolve(Registry *r, ContentDigest *ret, Error *e)
{
    Fetch f = {.digest = r->name.digest, .resolved = ret};
    if (r->name.digest) {
        *ret = *r->name.digest;
        return 0;
    }
    return walk(r, &(Walk){.visit = visit_head, .context = &f, .what = "the manifest"}, e);
}

/* ---- blobs ---- */

typedef struct Blob {
    const Descriptor *descriptor;
    const BlobSink *to;
    Digest *running;
    uint64_t received;
    int failed; /* of the sink, or for good */
} Blob;

static int take_blob(void *context, const void *data, size_t n)
{
    Blob *b = context;
    if (n > b->descriptor->size - b->received)
        return b->failed = -EFBIG;
    digest_update(b->running, data, n);
    b->received += n;
    int r = b->to->take(b->to->context, data, n);
    if (r < 0)
        b->failed = r;
    return r;
}

static int visit_blob(Registry *r, Place *p, void *context, Error *e)
{
    Blob *b = context;
    PlaceWays w = ways(r);
    PlaceAnswer answer = {0};
    const PlaceCall call = {.path = arena_printf(r->arena, "blobs/%s", b->descriptor->digest.text),
                            .immutable = true,
                            .start = b->received,
                            .sink = take_blob,
                            .context = b};
    int k = place_call(&w, p, &call, &answer, e);
    if (k >= 0 && b->received < b->descriptor->size)
        k = error_set(e, EBADMSG, "the blob ends after %llu of %llu bytes", (unsigned long long)b->received,
                      (unsigned long long)b->descriptor->size);
    return k;
}

/* A blob that is not what it should be cannot be mended by another place: the sink has it. */
int registry_blob(Registry *r, const Descriptor *d, const BlobSink *to, Error *e)
{
    ContentDigest is;
    Blob b = {.descriptor = d, .to = to};
    int k = digest_new(d->digest.kind, &b.running, e);
    if (k < 0)
        return k;
    if (d->size) /* what is empty need not be asked for */
        k = walk(r, &(Walk){.visit = visit_blob, .context = &b, .failed = &b.failed, .what = "a blob"}, e);
    content_digest_finish(b.running, d->digest.kind, &is);
    digest_free(b.running);
    if (b.failed == -EFBIG && b.received <= d->size && k < 0)
        return error_set(e, EBADMSG, "the blob %s has more than the %llu bytes that it should have",
                         d->digest.text, (unsigned long long)d->size);
    if (k >= 0 && !content_digest_equal(&is, &d->digest))
        return error_set(e, EBADMSG, "the blob %s came as %s from %s", d->digest.text, is.text,
                         registry_place(r)->name.registry);
    return k;
}

int blob_read(BlobFetch fetch, void *from, const Descriptor *d, size_t max, Buf *ret, Error *e)
{
    size_t before = ret->len;
    if (d->size > max)
        return error_set(e, EFBIG, "the blob %s has %llu bytes, more than %zu", d->digest.text,
                         (unsigned long long)d->size, max);
    int r = fetch(from, d, &(BlobSink){.take = buf_collect, .context = ret}, e);
    if (r < 0)
        ret->len = before;
    return r;
}

static int fetch_blob(void *from, const Descriptor *d, const BlobSink *to, Error *e)
{
    return registry_blob(from, d, to, e);
}

int registry_blob_read(Registry *r, const Descriptor *d, size_t max, Buf *ret, Error *e)
{
    return blob_read(fetch_blob, r, d, max, ret, e);
}

bool registry_has_blob(Registry *r, const Descriptor *d)
{
    PlaceWays w = ways(r);
    PlaceAnswer answer = {0};
    const PlaceCall call = {.path = arena_printf(r->arena, "blobs/%s", d->digest.text), .method = "HEAD"};
    return place_call(&w, &r->places[r->current], &call, &answer, NULL) >= 0;
}
