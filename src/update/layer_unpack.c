/* blob → (digest, size) → inflater → diff_id → tar reader → sink. Each link pushes into the next, so that a
 * piece has gone through all of them when feed returns. A sink's own words are kept past the inflater, which
 * knows only its code. What follows the end of the archive still counts for the diff_id. */
#include "update/layer_unpack.h"

struct LayerUnpack {
    LayerUnpackOptions options;
    Digest *blob, *archive; /* blob NULL: verified by others */
    uint64_t size;
    Inflater *inflater;
    TarReader *reader;
    Error *error; /* of the call that is under way */
    bool said;    /* the reader or the sink put its words there */
};

static int take_archive(void *context, const void *data, size_t n)
{
    LayerUnpack *u = context;
    Error why = ERROR_INIT;

    digest_update(u->archive, data, n);
    int r = tar_reader_feed(u->reader, data, n, &why);
    if (r < 0) {
        u->said = true;
        if (u->error)
            *u->error = why;
    }
    return r;
}

uint64_t layer_unpack_max(const LayerUnpackOptions *o)
{
    uint64_t size = o->blob->size;

    if (o->max)
        return o->max;
    return LAYER_UNPACKED_FREE +
           (size < LAYER_SIZE_MAX ? size : LAYER_SIZE_MAX) * (uint64_t)LAYER_UNPACKED_RATIO;
}

int layer_unpack_new(const LayerUnpackOptions *o, const TarSink *sink, void *context, LayerUnpack **ret,
                     Error *e)
{
    _cleanup_(layer_unpack_freep)
    LayerUnpack *u = calloc(1, sizeof(*u));
    Compression kind;

    if (!u)
        abort();
    u->options = *o;
    int r = layer_compression(o->blob->media_type, &kind, e);
    if (r >= 0 && !o->verified)
        r = digest_new(o->blob->digest.kind, &u->blob, e);
    if (r >= 0)
        r = digest_new(o->diff_id->kind, &u->archive, e);
    if (r >= 0)
        r = inflater_new(kind, layer_unpack_max(o), take_archive, u, &u->inflater, e);
    if (r < 0)
        return r;
    u->reader = tar_reader_new(sink, context);
    *ret = TAKE_PTR(u);
    return 0;
}

void layer_unpack_free(LayerUnpack *u)
{
    if (!u)
        return;
    tar_reader_free(u->reader);
    inflater_free(u->inflater);
    digest_free(u->archive);
    digest_free(u->blob);
    free(u);
}

/* The inflater's code with its words, or those of who took what it gave. */
static int told(LayerUnpack *u, int r, const Error *inflater, Error *e)
{
    if (r < 0 && !u->said && e)
        *e = *inflater;
    u->error = NULL;
    return r;
}

int layer_unpack_feed(LayerUnpack *u, const void *data, size_t n, Error *e)
{
    Error why = ERROR_INIT;

    u->size += n;
    if (u->size > u->options.blob->size)
        return error_set(e, EBADMSG, "the layer %s has more than its %llu bytes",
                         u->options.blob->digest.text, (unsigned long long)u->options.blob->size);
    if (u->blob)
        digest_update(u->blob, data, n);
    u->error = e;
    return told(u, inflater_feed(u->inflater, data, n, &why), &why, e);
}

static int check(Digest *running, const ContentDigest *expected, const char *what, Error *e)
{
    ContentDigest is;

    content_digest_finish(running, expected->kind, &is);
    if (!content_digest_equal(&is, expected))
        return error_set(e, EBADMSG, "the %s should be %s and is %s", what, expected->text, is.text);
    return 0;
}

/* The outer digest first: of a blob that broke off, what is inside is broken too. */
int layer_unpack_finish(LayerUnpack *u, Error *e)
{
    const Descriptor *d = u->options.blob;
    Error why = ERROR_INIT;
    int r = 0;

    if (u->size != d->size)
        return error_set(e, EBADMSG, "the layer %s has %llu bytes and should have %llu", d->digest.text,
                         (unsigned long long)u->size, (unsigned long long)d->size);
    if (u->blob)
        r = check(u->blob, &d->digest, "layer's digest", e);
    if (r < 0)
        return r;
    u->error = e;
    r = told(u, inflater_finish(u->inflater, &why), &why, e);
    if (r >= 0)
        r = tar_reader_finish(u->reader, e);
    return r < 0 ? r : check(u->archive, u->options.diff_id, "layer's diff_id", e);
}
