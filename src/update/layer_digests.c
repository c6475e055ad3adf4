/* The outer digest is asked first: of a blob that broke off, what is inside is broken too. */
#include "update/layer_digests.h"

int layer_digests_begin(LayerDigests *d, const LayerUnpackOptions *o, Error *e)
{
    *d = (LayerDigests){.options = o};
    int r = o->verified ? 0 : digest_new(o->blob->digest.kind, &d->blob, e);
    return r < 0 ? r : digest_new(o->diff_id->kind, &d->archive, e);
}

void layer_digests_done(LayerDigests *d)
{
    digest_free(d->blob);
    digest_free(d->archive);
}

int layer_digests_blob(LayerDigests *d, const void *data, size_t n, Error *e)
{
    const Descriptor *blob = d->options->blob;

    d->size += n;
    if (d->size > blob->size)
        return error_set(e, EBADMSG, "the layer %s has more than its %llu bytes", blob->digest.text,
                         (unsigned long long)blob->size);
    if (d->blob)
        digest_update(d->blob, data, n);
    return 0;
}

static int check(Digest *running, const ContentDigest *expected, const char *what, Error *e)
{
    ContentDigest is;

    content_digest_finish(running, expected->kind, &is);
    if (!content_digest_equal(&is, expected))
        return error_set(e, EBADMSG, "the %s should be %s and is %s", what, expected->text, is.text);
    return 0;
}

int layer_digests_blob_end(LayerDigests *d, Error *e)
{
    const Descriptor *blob = d->options->blob;

    if (d->size != blob->size)
        return error_set(e, EBADMSG, "the layer %s has %llu bytes and should have %llu", blob->digest.text,
                         (unsigned long long)d->size, (unsigned long long)blob->size);
    return d->blob ? check(d->blob, &blob->digest, "layer's digest", e) : 0;
}

void layer_digests_archive(LayerDigests *d, const void *data, size_t n)
{
    digest_update(d->archive, data, n);
}

int layer_digests_archive_end(LayerDigests *d, Error *e)
{
    return check(d->archive, d->options->diff_id, "layer's diff_id", e);
}
