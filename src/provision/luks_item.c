/* Order: key; container (marked as unfinished in its header from the first write on); Clevis, and the
 * generated key taken away again; open; mark taken away. A run that is interrupted before the mark is gone
 * left a container that the next run makes again: perhaps nobody has its key. A generated key that stays
 * lives in memory until the files stage has written it, so such a container stays marked until then
 * (luks_files_finish). The interrupted run may have left the mapping open within the same boot; it is
 * closed first. */
#include "provision/luks_item.h"

#include <errno.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

#include "base/log.h"
#include "format/data_url.h"
#include "format/digest.h"
#include "provision/clevis.h"
#include "provision/luks_plan.h"
#include "system/luks_device.h"
#include "system/mapping.h"

enum { GENERATED_BYTES = 4096 };

static const IgnList *luks_objects(const IgnStorage *s)
{
    return &s->luks;
}

static void luks_describe(StorageItem *item)
{
    const IgnLuks *l = item->object;
    Arena *a = item->arena;

    item->name = arena_printf(a, "encrypted volume '%s'", l->name);
    string_list_add(&item->needs, l->device);
    string_list_add(&item->gives, arena_printf(a, "/dev/mapper/%s", l->name));
    string_list_add(&item->gives, arena_printf(a, "/dev/disk/by-id/dm-name-%s", l->name));
    if (l->label)
        string_list_add(&item->gives, arena_printf(a, "/dev/disk/by-label/%s", l->label));
    if (l->uuid)
        string_list_add(&item->gives, arena_printf(a, "/dev/disk/by-uuid/%s", l->uuid));
}

static int key_get(StorageContext *c, const IgnLuks *l, const LuksPlan *p, Buf *ret, Error *e)
{
    uint8_t bytes[GENERATED_BYTES];
    size_t got = 0;

    if (!p->generated) {
        int r = storage_fetch(c, &l->key_file, LUKS_KEY_MAX, ret, e);
        if (r >= 0 && !ret->len)
            return error_set(e, EINVAL, "the key file is empty");
        return r < 0 ? error_wrap(e, r, "the key file") : 0;
    }
    while (got < sizeof(bytes)) {
        ssize_t n = getrandom(bytes + got, sizeof(bytes) - got, 0);
        if (n < 0 && errno != EINTR)
            return error_errno(e, -errno, "random bytes");
        got += n > 0 ? (size_t)n : 0;
    }
    hex_encode(bytes, sizeof(bytes), buf_reserve(ret, 2 * sizeof(bytes) + 1));
    ret->len = 2 * sizeof(bytes);
    explicit_bzero(bytes, sizeof(bytes));
    return 0;
}

static void key_keep(StorageContext *c, const IgnLuks *l, const Buf *key)
{
    _cleanup_(buf_done_secret)
    Buf url = BUF_INIT;
    data_url_encode_base64("application/octet-stream", key->data, key->len, &url);
    storage_keep_key(c, l->name, url.data);
}

static int step(StorageContext *c, const char *what, const LuksPlan *p, Error *e)
{
    int r = storage_step(c, "%s %s", what, p->device);
    return r < 0 ? error_errno(e, r, "interrupted") : 0;
}

static int make(StorageContext *c, StorageItem *item, const Buf *key, Error *e)
{
    const IgnLuks *l = item->object;
    const LuksPlan *p = item->plan;
    int r = 0;

    if (p->close) {
        r = step(c, "close", p, e);
        if (r >= 0)
            r = luks_device_close(p->close, e);
        if (r < 0)
            return error_wrap(e, r, "closing /dev/mapper/%s of the container that was there", p->close);
    }
    log_info("creating LUKS2 container '%s' on %s", l->name, p->device);
    r = step(c, "format", p, e);
    if (r >= 0)
        r = luks_device_format(p->device, &p->options, key, p->generated, e);
    if (r < 0 || !p->clevis)
        return r;
    log_info("binding %s to %s", p->device, clevis_policy_wanted(item->arena, l));
    r = clevis_bind(c, l, p->device, key, e);
    return r < 0 ? error_wrap(e, r, "binding %s", p->device) : 0;
}

/* The key that the config has must open it; with Clevis and without a key file it is Clevis' own. */
static int reuse(StorageContext *c, const IgnLuks *l, const LuksPlan *p, Buf *key, Error *e)
{
    int r;
    if (p->generated) {
        log_info("opening the container on %s by Clevis", p->device);
        r = clevis_unlock(p->device, key, e);
    } else {
        r = key_get(c, l, p, key, e);
        if (r >= 0)
            r = luks_device_key_fits(p->device, key, e);
        if (r == 0)
            r = error_set(e, EACCES,
                          "the key of keyFile does not open it; to replace it set wipeVolume, which destroys "
                          "everything on it");
    }
    if (r < 0)
        return error_wrap(e, r, "the LUKS container on %s was there before", p->device);
    r = step(c, "flags", p, e);
    if (r >= 0)
        r = luks_device_set_flags(p->device, p->options.flags, e);
    return r < 0 ? r : 0;
}

static int finish(StorageContext *c, const LuksPlan *p, const Buf *key, Error *e)
{
    int r = 0;
    if (p->action == LUKS_REUSE)
        return 0;
    if (p->generated && p->clevis) {
        r = step(c, "remove key", p, e);
        if (r >= 0)
            r = luks_device_remove_key(p->device, key, e);
        if (r < 0)
            return error_wrap(e, r, "taking the first key away again");
    }
    if (p->generated && !p->clevis)
        return 0;
    r = step(c, "finish", p, e);
    if (r >= 0)
        r = luks_device_set_subsystem(p->device, NULL, e);
    return r < 0 ? r : 0;
}

static int luks_apply(StorageContext *c, StorageItem *item, Error *e)
{
    const IgnLuks *l = item->object;
    const LuksPlan *p = item->plan;
    _cleanup_(buf_done_secret)
    Buf key = BUF_INIT;
    bool open = p->action == LUKS_REUSE && item->facts->luks.opened;
    int r = 0;

    /* Of a run that was killed while it opened the container. */
    if (open && (r = mapping_remove_unstarted(item->facts->luks.mapping, e)) > 0)
        open = false;
    if (r < 0)
        return error_wrap(e, r, "encrypted volume '%s'", l->name);
    if (p->action == LUKS_REUSE)
        r = reuse(c, l, p, &key, e);
    else {
        r = key_get(c, l, p, &key, e);
        if (r >= 0)
            r = make(c, item, &key, e);
    }
    if (r >= 0 && !open) {
        r = step(c, "open", p, e);
        if (r >= 0)
            r = luks_device_open(p->device, l->name, &key, e);
    }
    if (r >= 0)
        r = finish(c, p, &key, e);
    if (r >= 0 && !p->clevis)
        key_keep(c, l, &key);
    return r < 0 ? error_wrap(e, r, "encrypted volume '%s'", l->name) : 0;
}

const StorageKind storage_luks = {
    .name = "luks",
    .section = "storage.luks",
    .objects = luks_objects,
    .object_size = sizeof(IgnLuks),
    .look = LOOK_ALL,
    .describe = luks_describe,
    .plan = luks_plan_make,
    .apply = luks_apply,
};

void storage_luks_prepare(StorageContext *c, Report *report)
{
    size_t i = 0;
    if (c->offline)
        return;
    IGN_EACH (const IgnLuks, l, c->config->storage.luks) {
        Error e = ERROR_INIT;
        const PathStep *path =
            PATH_KEY(PATH_INDEX(PATH_KEY(PATH_KEY(NULL, "storage"), "luks"), i++), "clevis");
        if (clevis_wanted(l) && clevis_check(c, l, &e) < 0)
            report_add(report, SEVERITY_ERROR, path, l->clevis.node ? l->clevis.node : l->node,
                       "encrypted volume '%s': %s", l->name, e.text);
    }
}
