/* Lines of crypttab: NAME UUID=… KEYFILE|none luks[,_netdev]. A volume that Clevis opens has no key file; the
 * others have /etc/luks/NAME (0600, in a directory that is 0700 if it is made here). The keys of volumes
 * bound to a crypto card go to the repository of zkey.
 * The UUID is read from the volume's header, which has it at one place in LUKS1 and LUKS2; where the header
 * is elsewhere (detached), cryptsetup is asked. */
#include "provision/luks_files.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/process.h"
#include "system/luks_device.h"
#include "system/luks_header.h"

#define KEY_DIR  "/etc/luks"
#define ZKEY_DIR "/etc/zkey/repository"

enum { UUID_OFFSET = 168, UUID_SIZE = 40 };

static int uuid_by_tool(Arena *a, const char *device, const char **ret, Error *e)
{
    const char *argv[] = {"cryptsetup", "luksUUID", device, NULL};
    _cleanup_buf_ Buf output = BUF_INIT;
    int r = process_run(&(ProcessRun){.argv = argv, .output = &output}, e);
    if (r)
        return error_wrap(e, r > 0 ? -EIO : r, "the UUID of %s", device);
    *ret = arena_memdup(a, output.data ? output.data : "", output.data ? strcspn(output.data, " \r\n") : 0);
    return **ret ? 0 : error_set(e, ENODATA, "%s has no UUID", device);
}

int luks_uuid(Arena *a, const char *device, const char **ret, Error *e)
{
    static const char magic[] = {'L', 'U', 'K', 'S', (char)0xba, (char)0xbe};
    char header[UUID_OFFSET + UUID_SIZE];
    _cleanup_close_ int fd = open(device, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_errno(e, -errno, "%s", device);
    if (pread(fd, header, sizeof(header), 0) != sizeof(header) || memcmp(header, magic, sizeof(magic)) != 0 ||
        !header[UUID_OFFSET])
        return uuid_by_tool(a, device, ret, e);
    *ret = arena_memdup(a, header + UUID_OFFSET, strnlen(header + UUID_OFFSET, UUID_SIZE));
    return 0;
}

static const char *key_find(const StateKey *keys, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(keys[i].name, name) == 0)
            return keys[i].contents;
    return NULL;
}

static bool clevis_present(const IgnClevis *c)
{
    return (c->custom.pin && *c->custom.pin) || c->tang.n || c->tpm2 == BOOL_TRUE;
}

static bool clevis_needs_network(const IgnClevis *c)
{
    return c->tang.n || (c->custom.pin && *c->custom.pin && c->custom.needs_network == BOOL_TRUE);
}

static int key_file_add(FilesPlan *p, const char *path, const char *source, const FilesProbe *probe,
                        Report *r)
{
    /* An earlier first boot may have left one. */
    FilesOp op = {.kind = FILES_FILE, .overwrite = true, .node = files_plan_file(p->arena, path, 0600, NULL)};
    ((IgnFile *)op.node)->contents.source = source;
    return files_plan_add(p, &op, probe, r);
}

static int key_dir_add(FilesPlan *p, const FilesProbe *probe, Report *r)
{
    const char *real, *target;
    FilesBefore before;
    int result = probe->resolve(probe->context, p->arena, KEY_DIR, &real);
    if (result >= 0)
        result = probe->look(probe->context, p->arena, real, &before, &target);
    if (result < 0 || before.kind != FILES_ABSENT)
        return result;
    FilesOp op = {.kind = FILES_DIRECTORY, .node = files_plan_directory(p->arena, KEY_DIR, 0700)};
    return files_plan_add(p, &op, probe, r);
}

static int zkey_add(FilesPlan *p, const IgnLuks *l, const State *s, const FilesProbe *probe, Report *r,
                    Error *e)
{
    static const char *const extensions[] = {"info", "skey"};
    if (l->cex.enabled != BOOL_TRUE)
        return 0;
    for (size_t i = 0; i < ELEMENTS(extensions); i++) {
        const char *name = arena_printf(p->arena, "ignition-luks-%s.%s", l->name, extensions[i]);
        const char *source = key_find(s->luks_volume_key_files, s->n_luks_volume_key_files, name);
        if (!source)
            return error_set(e, ENOENT, "missing persisted zkeyfile for %s/%s", ZKEY_DIR, name);
        int result = key_file_add(p, arena_printf(p->arena, "%s/%s", ZKEY_DIR, name), source, probe, r);
        if (result < 0)
            return result;
    }
    return 0;
}

int luks_files_plan(FilesPlan *p, const IgnStorage *storage, const State *state, LuksUuid uuid,
                    const FilesProbe *probe, Report *report, Error *e)
{
    if (!storage->luks.n)
        return 0;
    _cleanup_buf_ Buf lines = BUF_INIT;
    bool have_dir = false;
    IGN_EACH (IgnLuks, l, storage->luks) {
        const char *id, *key = "none";
        int r = uuid(p->arena, l->device, &id, e);
        if (r < 0)
            return r;
        if (!clevis_present(&l->clevis)) {
            key = arena_printf(p->arena, "%s/%s", KEY_DIR, l->name);
            const char *source = key_find(state->luks_key_files, state->n_luks_key_files, l->name);
            if (!source)
                return error_set(e, ENOENT, "missing persisted keyfile for %s", l->name);
            if (!have_dir && (r = key_dir_add(p, probe, report)) < 0)
                return r;
            have_dir = true;
            r = key_file_add(p, key, source, probe, report);
            if (r < 0)
                return r;
        }
        buf_addf(&lines, "%s UUID=%s %s luks%s\n", l->name, id, key,
                 clevis_needs_network(&l->clevis) ? ",_netdev" : "");
    }
    FilesOp crypttab = {.kind = FILES_FILE,
                        .append_text = true,
                        .node = files_plan_file(p->arena, "/etc/crypttab", 0600, NULL),
                        .text = arena_memdup(p->arena, lines.data, lines.len),
                        .text_len = lines.len};
    int r = files_plan_add(p, &crypttab, probe, report);
    if (r < 0)
        return r;
    IGN_EACH (IgnLuks, l, storage->luks) {
        r = zkey_add(p, l, state, probe, report, e);
        if (r < 0)
            return r;
    }
    return 0;
}

int luks_files_finish(const IgnStorage *storage, Error *e)
{
    IGN_EACH (const IgnLuks, l, storage->luks) {
        _cleanup_arena_ Arena *a = arena_new();
        LuksFacts f;
        int r = luks_header_look(a, l->device, &f, e);
        if (r >= 0 && f.version == 2 && f.subsystem && strcmp(f.subsystem, LUKS_UNFINISHED) == 0)
            r = luks_device_set_subsystem(l->device, NULL, e);
        if (r < 0)
            return error_wrap(e, r, "encrypted volume '%s'", l->name);
    }
    return 0;
}
