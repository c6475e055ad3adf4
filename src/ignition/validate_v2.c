/* One function a type, from the root down; what only some versions ask is a comparison with the version. A
 * finding stands at the field that is wrong, or at the deepest thing around it that was written. Where 0.35
 * stopped after the first finding of an object, this goes on: the messages are the same, there may be more.
 */
#include "ignition/validate_v2.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "ignition/source_url.h"
#include "ignition/unit_text.h"
#include "ignition/url_parts.h"

typedef struct Check {
    IgnVersion version;
    Report *report;
    const IgnConfig *config;
} Check;

/* A finding about `key` of the object that was written at `node`. */
#define FINDING(k, severity, path, node, key, ...)                                                           \
    report_add((k)->report, severity, PATH_KEY(path, key), node_get(node, key) ?: (node), __VA_ARGS__)
#define WRONG(k, path, node, key, ...) FINDING(k, SEVERITY_ERROR, path, node, key, __VA_ARGS__)
#define WARN(k, path, node, key, ...)  FINDING(k, SEVERITY_WARNING, path, node, key, __VA_ARGS__)

static const char *text(const char *s)
{
    return s ?: "";
}

static bool among(const char *s, const char *const *words)
{
    for (; *words; words++)
        if (strcmp(text(s), *words) == 0)
            return true;
    return false;
}

/* From the last dot of the last component, as path.Ext() has it. */
static bool extension_among(const char *name, const char *const *words)
{
    const char *dot = strrchr(text(name), '.');

    return dot && !strchr(dot, '/') && among(dot, words);
}

static bool is_absolute(const char *path)
{
    return text(path)[0] == '/';
}

/* ---- sources ---- */
static void check_hash(const Check *k, const IgnVerification *v, const PathStep *path)
{
    enum { SHA512_HEX = 128 };
    const char *dash = strchr(text(v->hash), '-');

    if (!v->hash)
        return;
    if (!dash)
        WRONG(k, path, v->node, "hash", "malformed hash specifier");
    else if (strncmp(v->hash, "sha512-", 7) != 0)
        WRONG(k, path, v->node, "hash", "unrecognized hash function");
    else if (strlen(dash + 1) != SHA512_HEX)
        WRONG(k, path, v->node, "hash", "incorrect size for hash sum");
}

static void check_headers(const Check *k, const IgnResource *s, const PathStep *path)
{
    const PathStep *list = PATH_KEY(path, "httpHeaders");
    _cleanup_map_ Map seen = MAP_INIT;
    UrlParts url;

    if (k->version < IGN_2_4 || s->http_headers.n == 0)
        return;
    if (url_parts_read(text(s->source), &url) < 0)
        WRONG(k, path, s->node, "httpHeaders", "unable to parse url");
    else if (strcmp(url.scheme, "http") != 0 && strcmp(url.scheme, "https") != 0)
        WRONG(k, path, s->node, "httpHeaders", "cannot use HTTP headers with this source scheme");
    IGN_EACH (IgnHeader, h, s->http_headers) {
        const PathStep *at = PATH_INDEX(list, (size_t)(h - (IgnHeader *)s->http_headers.items));

        if (!*text(h->name))
            WRONG(k, at, h->node, "name", "HTTP header name can't be empty");
        else if (!map_put_new(&seen, h->name, h, NULL))
            WRONG(k, at, h->node, "name", "Found duplicate HTTP header: \"%s\"", h->name);
    }
}

/* A URL as a message may show it: nothing of data, query or user names, where secrets hide. */
static const char *url_shown(Arena *a, const char *url)
{
    const char *authority = strstr(url, "://"), *at;
    size_t n = strcspn(url, "?#");

    if (strncasecmp(url, "data:", 5) == 0)
        return "data:…";
    at = authority ? strchr(authority + 3, '@') : NULL;
    if (at && at < authority + 3 + strcspn(authority + 3, "/?#"))
        return arena_printf(a, "%.*s…%.*s", (int)(authority + 3 - url), url, (int)(url + n - at), at);
    return arena_printf(a, "%.*s", (int)n, url);
}

static void check_source(const Check *k, const IgnResource *s, const PathStep *path, bool is_file)
{
    Error e = ERROR_INIT;

    /* no source and an empty one are an empty file */
    if (*text(s->source) && source_url_check(s->source, k->version, &e) < 0) {
        if (is_file && k->version >= IGN_2_3)
            WRONG(k, path, s->node, "source", "invalid url \"%s\": %s",
                  url_shown(k->report->arena, s->source), e.text);
        else
            WRONG(k, path, s->node, "source", "%s", e.text);
    }
    check_hash(k, &s->verification, PATH_KEY(path, "verification"));
    check_headers(k, s, path);
}

void ign_source_validate_v2(const IgnResource *s, IgnVersion version, const PathStep *path, Report *r)
{
    check_source(&(Check){.version = version, .report = r}, s, path, true);
}

static void check_sources(const Check *k, const IgnList *list, const PathStep *path)
{
    for (size_t i = 0; i < list->n; i++)
        check_source(k, IGN_AT(*list, IgnResource, i), PATH_INDEX(path, i), false);
}

/* ---- storage ---- */
static bool guid_valid(const char *s)
{
    static const char form[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
    size_t i;

    if (!*text(s))
        return true;
    for (i = 0; form[i] && s[i]; i++)
        if (form[i] == 'x' ? !isxdigit((unsigned char)s[i]) : s[i] != '-')
            return false;
    return form[i] == s[i];
}

static void check_partition(const Check *k, const IgnPartition *p, const PathStep *path)
{
    static const char guid[] = "doesn't match the form \"01234567-89AB-CDEF-EDCB-A98765432101\"";

    if (k->version >= IGN_2_3) {
        if ((p->start.set || p->size.set) && (p->start_mib.set || p->size_mib.set))
            report_add(k->report, SEVERITY_ERROR, path, p->node, "cannot mix MBs and sectors within a disk");
        if (p->should_exist == BOOL_FALSE &&
            (p->label || *text(p->type_guid) || *text(p->guid) || p->start.set || p->size.set))
            WRONG(k, path, p->node, "shouldExist",
                  "shouldExist specified false with other options also specified");
        if (p->size.set)
            WARN(k, path, p->node, "size", "size is deprecated; use sizeMB instead");
        if (p->start.set)
            WARN(k, path, p->node, "start", "start is deprecated; use startMB instead");
    }
    if (strlen(text(p->label)) > 36)
        WRONG(k, path, p->node, "label", "partition labels may not exceed 36 characters");
    if (strchr(text(p->label), ':'))
        WARN(k, path, p->node, "label", "partition label will be truncated to text before the colon");
    if (!guid_valid(p->type_guid))
        WRONG(k, path, p->node, "typeGuid", guid);
    if (k->version >= IGN_2_1 && !guid_valid(p->guid))
        WRONG(k, path, p->node, "guid", guid);
}

static int64_t partition_end(const IgnPartition *p)
{
    return p->size.value == 0 ? p->start.value : p->start.value + p->size.value - 1;
}

/* Only what has an explicit start in sectors can be compared; before 2.3 a size that is not said is 0. */
static bool partition_placed(const Check *k, const IgnPartition *p)
{
    return p->start.value != 0 && (k->version < IGN_2_3 || (p->start.set && p->size.set));
}

typedef struct Range {
    int64_t first, last;
} Range;

static int range_compare(const void *x, const void *y)
{
    const Range *a = x, *b = y;

    return a->first < b->first ? -1 : a->first > b->first;
}

/* Sorts them. */
static bool ranges_touch(Range *r, size_t n)
{
    if (n == 0)
        return false;
    qsort(r, n, sizeof(*r), range_compare);
    for (size_t i = 1; i < n; i++) {
        if (r[i].first <= r[i - 1].last)
            return true;
    }
    return false;
}

/* What is wrong between the partitions of a disk; said once a disk, as 0.35 did. */
static void check_partitions(const Check *k, const IgnDisk *d, const PathStep *path)
{
    Range *numbers = ARENA_ARRAY(k->report->arena, Range, d->partitions.n);
    Range *extents = ARENA_ARRAY(k->report->arena, Range, d->partitions.n);
    size_t n_numbers = 0, n_extents = 0;
    bool misaligned = false, zero = false, gone = false, sectors = false, mebibytes = false;

    IGN_EACH (IgnPartition, p, d->partitions) {
        if (p->number.value != 0)
            numbers[n_numbers++] = (Range){p->number.value, p->number.value};
        if (partition_placed(k, p))
            extents[n_extents++] = (Range){p->start.value, partition_end(p)};
        misaligned |= (p->start.value & (2048 - 1)) != 0;
        gone |= p->should_exist == BOOL_FALSE;
        zero |= p->number.value == 0;
        sectors |= p->size.set || p->start.set;
        mebibytes |= p->size_mib.set || p->start_mib.set;
    }
    if (ranges_touch(numbers, n_numbers))
        WRONG(k, path, d->node, "partitions", "partition numbers collide");
    if (ranges_touch(extents, n_extents))
        WRONG(k, path, d->node, "partitions", "partitions overlap");
    if (misaligned)
        WRONG(k, path, d->node, "partitions", "partitions misaligned");
    if (k->version >= IGN_2_3 && zero && gone)
        WRONG(k, path, d->node, "partitions",
              "shouldExist is false for a partition and other partition(s) has start or size 0");
    if (k->version >= IGN_2_3 && sectors && mebibytes)
        WRONG(k, path, d->node, "partitions", "cannot mix MBs and sectors within a disk");
}

static void check_disk(const Check *k, const IgnDisk *d, const PathStep *path)
{
    const PathStep *list = PATH_KEY(path, "partitions");

    if (!*text(d->device))
        WRONG(k, path, d->node, "device", "disk device is required");
    else if (!is_absolute(d->device))
        WRONG(k, path, d->node, "device", "path not absolute");
    check_partitions(k, d, path);
    for (size_t i = 0; i < d->partitions.n; i++)
        check_partition(k, IGN_AT(d->partitions, IgnPartition, i), PATH_INDEX(list, i));
}

static void check_raid(const Check *k, const IgnRaid *raid, const PathStep *path)
{
    static const char *const spareless[] = {"linear", "raid0", "0", "stripe", NULL};
    static const char *const levels[] = {"raid1", "1",     "mirror", "raid4",  "4",  "raid5",
                                         "5",     "raid6", "6",      "raid10", "10", NULL};
    const Node *devices = node_get(raid->node, "devices");

    if (among(raid->level, spareless)) {
        if (raid->spares.value != 0)
            WRONG(k, path, raid->node, "level", "spares unsupported for arrays with a level greater than 0");
    } else if (!among(raid->level, levels)) {
        WRONG(k, path, raid->node, "level", "unrecognized raid level");
    }
    for (size_t i = 0; i < raid->devices.n; i++) {
        const Node *at = devices ? devices->first : NULL;

        for (size_t n = i; at && n > 0; n--)
            at = at->next;
        if (!is_absolute(IGN_STRING_AT(raid->devices, i)))
            report_add(k->report, SEVERITY_ERROR, PATH_INDEX(PATH_KEY(path, "devices"), i), at ?: raid->node,
                       "path not absolute");
    }
}

typedef struct LabelLimit {
    const char *format;
    size_t length;
    IgnVersion since;
} LabelLimit;

/* The formats there are, with the longest label each can carry. */
static const LabelLimit formats[] = {{"ext4", 16, IGN_2_0},
                                     {"btrfs", 256, IGN_2_0},
                                     {"xfs", 12, IGN_2_0},
                                     {"swap", 15, IGN_2_1},
                                     {"vfat", 11, IGN_2_1}};

static void check_mount(const Check *k, const IgnMount *m, const PathStep *path)
{
    const LabelLimit *format = NULL;

    for (size_t i = 0; i < ELEMENTS(formats); i++)
        if (strcmp(formats[i].format, text(m->format)) == 0 && k->version >= formats[i].since)
            format = &formats[i];
    if (!format)
        WRONG(k, path, m->node, "format", "invalid filesystem format");
    else if (strlen(text(m->label)) > format->length)
        WRONG(k, path, m->node, "label",
              "filesystem labels cannot be longer than %zu characters when using %s", format->length,
              format->format);
    if (!is_absolute(m->device))
        WRONG(k, path, m->node, "device", "path not absolute");
    if (k->version < IGN_2_1 || !m->create.node)
        return;
    if (m->wipe_filesystem == BOOL_TRUE)
        WRONG(k, path, m->node, "create", "cannot use both create object and wipeFilesystem field");
    if (m->options.n > 0)
        WRONG(k, path, m->node, "create", "cannot use both create object and mount-level options field");
    WARN(k, path, m->node, "create", "the create object has been deprecated in favor of mount-level options");
}

static void check_filesystem(const Check *k, const IgnFilesystem *f, const PathStep *path)
{
    if (!f->mount.node && !f->path)
        report_add(k->report, SEVERITY_ERROR, path, f->node, "filesystem is missing mount or path");
    if (f->mount.node && f->path)
        report_add(k->report, SEVERITY_ERROR, path, f->node, "filesystem has both mount and path defined");
    if (f->path && !is_absolute(f->path)) {
        if (k->version >= IGN_2_3)
            WRONG(k, path, f->node, "path", "filesystem \"%s\": path not absolute", text(f->name));
        else
            WRONG(k, path, f->node, "path", "path not absolute");
    }
    if (f->mount.node)
        check_mount(k, &f->mount, PATH_KEY(path, "mount"));
}

static void check_filesystems(const Check *k, const IgnList *list, const PathStep *path)
{
    _cleanup_map_ Map seen = MAP_INIT;

    map_put(&seen, "root", list->items);
    for (size_t i = 0; i < list->n; i++) {
        const IgnFilesystem *f = IGN_AT(*list, IgnFilesystem, i);

        check_filesystem(k, f, PATH_INDEX(path, i));
        /* several without a name are no matter: nothing can refer to them */
        if (*text(f->name) && !map_put_new(&seen, f->name, (void *)f, NULL))
            WARN(k, PATH_INDEX(path, i), f->node, "name",
                 "Filesystem \"%s\" shadows exising filesystem definition", f->name);
    }
}

static bool filesystem_known(const Check *k, const char *name)
{
    if (strcmp(name, "root") == 0)
        return true;
    IGN_EACH (IgnFilesystem, f, k->config->storage.filesystems) {
        if (f->name && strcmp(f->name, name) == 0)
            return true;
    }
    return false;
}

static void check_owner(const Check *k, const IgnOwner *o, const PathStep *path)
{
    if (k->version >= IGN_2_1 && o->id.set && *text(o->name))
        report_add(k->report, SEVERITY_ERROR, path, o->node, "cannot set both id and name");
}

static void check_node(const Check *k, const IgnNode *n, const PathStep *path, const char *kind)
{
    if (!*text(n->filesystem))
        WRONG(k, path, n->node, "filesystem", "no filesystem specified");
    else if (!filesystem_known(k, n->filesystem))
        WARN(k, path, n->node, "filesystem",
             "%s \"%s\" references nonexistent filesystem \"%s\". (This is ok if it is defined in a "
             "referenced config)",
             kind, text(n->path), n->filesystem);
    if (!is_absolute(n->path))
        WRONG(k, path, n->node, "path", "path not absolute");
    check_owner(k, &n->user, PATH_KEY(path, "user"));
    check_owner(k, &n->group, PATH_KEY(path, "group"));
}

static void check_mode(const Check *k, OptInt mode, const IgnNode *n, const PathStep *path)
{
    if (mode.set && (mode.value < 0 || mode.value > 07777))
        WRONG(k, path, n->node, "mode", "illegal file mode");
    if (!mode.set && k->version >= IGN_2_2)
        WARN(k, path, n->node, "mode", "permissions unset, defaulting to 0000");
}

static void check_file(const Check *k, const IgnFile *f, const PathStep *path)
{
    const PathStep *contents = PATH_KEY(path, "contents");
    const char *compression = text(f->contents.compression);

    check_node(k, &f->base, path, "File");
    check_mode(k, f->mode, &f->base, path);
    if (f->append_to == BOOL_TRUE && f->base.overwrite == BOOL_TRUE)
        report_add(k->report, SEVERITY_ERROR, path, f->base.node,
                   "cannot set both append and overwrite to true");
    if (*compression && strcmp(compression, "gzip") != 0)
        WRONG(k, contents, f->contents.node, "compression", "invalid compression method");
    check_source(k, &f->contents, contents, true);
}

static void check_storage(const Check *k, const IgnStorage *s, const PathStep *path)
{
    for (size_t i = 0; i < s->disks.n; i++)
        check_disk(k, IGN_AT(s->disks, IgnDisk, i), PATH_INDEX(PATH_KEY(path, "disks"), i));
    for (size_t i = 0; i < s->raid.n; i++)
        check_raid(k, IGN_AT(s->raid, IgnRaid, i), PATH_INDEX(PATH_KEY(path, "raid"), i));
    check_filesystems(k, &s->filesystems, PATH_KEY(path, "filesystems"));
    for (size_t i = 0; i < s->files.n; i++)
        check_file(k, IGN_AT(s->files, IgnFile, i), PATH_INDEX(PATH_KEY(path, "files"), i));
    for (size_t i = 0; i < s->directories.n; i++) {
        const IgnDirectory *d = IGN_AT(s->directories, IgnDirectory, i);
        const PathStep *at = PATH_INDEX(PATH_KEY(path, "directories"), i);

        check_node(k, &d->base, at, "Directory");
        check_mode(k, d->mode, &d->base, at);
    }
    for (size_t i = 0; i < s->links.n; i++)
        check_node(k, &IGN_AT(s->links, IgnLink, i)->base, PATH_INDEX(PATH_KEY(path, "links"), i), "Link");
}

/* ---- units ---- */
typedef struct UnitRules {
    const char *const *extensions;
    const char *unit, *dropin; /* messages */
} UnitRules;

static const char *const systemd_extensions[] = {".service", ".socket", ".device", ".mount", ".automount",
                                                 ".swap",    ".target", ".path",   ".timer", ".snapshot",
                                                 ".slice",   ".scope",  NULL};
static const char *const networkd_extensions[] = {".link", ".netdev", ".network", NULL};
static const UnitRules systemd_rules = {systemd_extensions, "invalid systemd unit extension",
                                        "invalid systemd drop-in extension"};
static const UnitRules networkd_rules = {networkd_extensions, "invalid networkd unit extension",
                                         "invalid networkd drop-in extension"};

static void check_contents(const Check *k, const char *contents, const Node *node, const PathStep *path,
                           UnitOption **ret)
{
    Error e = ERROR_INIT;

    if (unit_text_read(k->report->arena, contents, ret, &e) < 0)
        WRONG(k, path, node, "contents", "invalid unit content: %s", e.text);
}

static void check_unit(const Check *k, const IgnUnit *u, const PathStep *path, const UnitRules *rules)
{
    static const char *const conf[] = {".conf", NULL};
    UnitOption *options = NULL, *ignored = NULL;

    if (!extension_among(u->name, rules->extensions))
        WRONG(k, path, u->node, "name", "%s", rules->unit);
    check_contents(k, u->contents, u->node, path, &options);
    if ((u->enable == BOOL_TRUE || u->enabled == BOOL_TRUE) && options &&
        !unit_text_has_section(options, "Install"))
        WARN(k, path, u->node, "contents",
             "unit \"%s\" is enabled, but has no install section so enable does nothing", text(u->name));
    for (size_t i = 0; i < u->dropins.n; i++) {
        const IgnDropin *d = IGN_AT(u->dropins, IgnDropin, i);
        const PathStep *at = PATH_INDEX(PATH_KEY(path, "dropins"), i);

        check_contents(k, d->contents, d->node, at, &ignored);
        if (!extension_among(d->name, conf))
            WRONG(k, at, d->node, "name", "%s", rules->dropin);
    }
}

static void check_units(const Check *k, const IgnList *units, const PathStep *path, const UnitRules *rules)
{
    for (size_t i = 0; i < units->n; i++)
        check_unit(k, IGN_AT(*units, IgnUnit, i), PATH_INDEX(PATH_KEY(path, "units"), i), rules);
}

/* ---- users ---- */
static void check_user(const Check *k, const IgnUser *u, const PathStep *path)
{
    const struct {
        const char *field;
        bool there;
    } beside[] = {
        {"gecos", *text(u->gecos)},
        {"groups", u->groups.n > 0},
        {"homeDir", *text(u->home_dir)},
        {"noCreateHome", u->no_create_home == BOOL_TRUE},
        {"noLogInit", u->no_log_init == BOOL_TRUE},
        {"noUserGroup", u->no_user_group == BOOL_TRUE},
        {"primaryGroup", *text(u->primary_group)},
        {"shell", *text(u->shell)},
        {"system", u->system == BOOL_TRUE},
        {"uid", u->uid.set},
    };

    if (!u->create.node || k->version < IGN_2_1)
        return;
    WARN(k, path, u->node, "create", "the create object has been deprecated in favor of user-level options");
    for (size_t i = 0; i < ELEMENTS(beside); i++)
        if (beside[i].there)
            WRONG(k, path, u->node, beside[i].field,
                  "cannot use both the create object and the user-level %s field", beside[i].field);
}

void ign_config_validate_v2(const IgnConfig *c, const PathStep *path, Report *r)
{
    const Check k = {.version = c->version, .report = r, .config = c};
    const PathStep *ignition = PATH_KEY(path, "ignition");
    const PathStep *chain = PATH_KEY(ignition, "config");

    if (c->ignition.config.replace.node)
        check_source(&k, &c->ignition.config.replace, PATH_KEY(chain, "replace"), false);
    check_sources(&k, &c->ignition.config.append, PATH_KEY(chain, "append"));
    check_sources(&k, &c->ignition.security.tls.certificate_authorities,
                  PATH_KEY(PATH_KEY(PATH_KEY(ignition, "security"), "tls"), "certificateAuthorities"));
    check_storage(&k, &c->storage, PATH_KEY(path, "storage"));
    check_units(&k, &c->systemd.units, PATH_KEY(path, "systemd"), &systemd_rules);
    check_units(&k, &c->networkd.units, PATH_KEY(path, "networkd"), &networkd_rules);
    for (size_t i = 0; i < c->passwd.users.n; i++)
        check_user(&k, IGN_AT(c->passwd.users, IgnUser, i),
                   PATH_INDEX(PATH_KEY(PATH_KEY(path, "passwd"), "users"), i));
}
