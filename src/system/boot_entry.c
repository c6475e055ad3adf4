/* Entries are read whole, edited as text and written whole: lines that we know nothing of, comments and order
 * stay. An edit first plans in memory (which files change, and to what), then writes all new files beside the
 * old ones and syncs them, and only then renames one after the other; power may fail in between and a machine
 * then boots with old or new arguments, never with half a file. Running the edit again finishes it. The sort
 * order is the boot loaders': entries out of tries last, then those with a sort-key (key, machine, newest
 * version first), then the rest by newest file name. Files that cannot be parsed are refused, not skipped: an
 * edit that misses an entry would boot a machine without what it asks for. */
#include "system/boot_entry.h"

#include <ctype.h>
#include <fcntl.h>
#include <string.h>

#include "base/file.h"

/* ---- reading ---- */

typedef struct EntryKey {
    const char *name;
    size_t offset; /* of a const char * in BootEntry */
    bool rest;     /* also of BootEntry.rest */
} EntryKey;

static const EntryKey entry_keys[] = {
    {"title", offsetof(BootEntry, title), false},
    {"version", offsetof(BootEntry, version), false},
    {"devicetree", offsetof(BootEntry, devicetree), false},
    {"linux", offsetof(BootEntry, linux_image), false},
    {"initrd", offsetof(BootEntry, initrd), false},
    {"fdtdir", offsetof(BootEntry, fdtdir), false},
    {"sort-key", offsetof(BootEntry, sort_key), true},
    {"machine-id", offsetof(BootEntry, machine_id), true},
    {"efi", offsetof(BootEntry, linux_image), true},
    {"uki", offsetof(BootEntry, linux_image), true},
};

typedef struct EntryLine {
    const char *key, *value, *next; /* key == value: nothing in it */
    size_t key_len, value_len;
} EntryLine;

static EntryLine split_line(const char *line)
{
    const char *end = strchrnul(line, '\n');
    EntryLine l = {.next = *end ? end + 1 : end};
    l.key = line;
    while (l.key < end && isblank((unsigned char)*l.key))
        l.key++;
    if (l.key == end || *l.key == '#') {
        l.value = l.key;
        return l;
    }
    l.value = l.key;
    while (l.value < end && !isspace((unsigned char)*l.value))
        l.value++;
    l.key_len = (size_t)(l.value - l.key);
    while (l.value < end && isspace((unsigned char)*l.value))
        l.value++;
    while (end > l.value && isspace((unsigned char)end[-1]))
        end--;
    l.value_len = (size_t)(end - l.value);
    return l;
}

static bool line_is(const EntryLine *l, const char *key)
{
    return l->key_len == strlen(key) && memcmp(l->key, key, l->key_len) == 0;
}

/* "fedora+0-3.conf" has counted its tries down. */
static bool is_spent(const char *file)
{
    const char *plus = strrchr(file, '+');
    if (!plus || plus[1] != '0')
        return false;
    const char *p = plus + 1 + strspn(plus + 1, "0");
    if (*p == '-')
        p += 1 + strspn(p + 1, "0123456789");
    return strcmp(p, ".conf") == 0;
}

/* False: the line belongs to the rest. */
static bool take_key(Arena *a, BootEntry *b, const EntryLine *l)
{
    for (size_t i = 0; i < ELEMENTS(entry_keys); i++) {
        const char **field = (const char **)(void *)((char *)b + entry_keys[i].offset);
        if (*field || !line_is(l, entry_keys[i].name))
            continue;
        *field = arena_memdup(a, l->value, l->value_len);
        return !entry_keys[i].rest;
    }
    return false;
}

int boot_entry_parse(Arena *a, const char *file, const char *text, size_t n, BootEntry *ret, Error *e)
{
    if (memchr(text, '\0', n))
        return error_set(e, EBADMSG, "%s: there is a zero byte in it", file);
    BootEntry b = {.file = arena_strdup(a, file), .text = arena_memdup(a, text, n)};
    _cleanup_buf_ Buf options = BUF_INIT, rest = BUF_INIT;
    b.spent = is_spent(file);
    for (EntryLine l = {.next = b.text}; *l.next;) {
        l = split_line(l.next);
        if (line_is(&l, "options")) {
            if (options.len && l.value_len)
                buf_add_char(&options, ' ');
            buf_add(&options, l.value, l.value_len);
            continue;
        }
        if (l.key_len > 0 && !take_key(a, &b, &l))
            buf_addf(&rest, "%.*s %.*s\n", (int)l.key_len, l.key, (int)l.value_len, l.value);
    }
    b.options = arena_memdup(a, options.data, options.len);
    b.rest = arena_memdup(a, rest.data, rest.len);
    if (!b.linux_image)
        return error_set(e, EBADMSG, "%s: no line names a kernel", file);
    *ret = b;
    return 0;
}

void boot_entry_encode(const BootEntry *b, Buf *out)
{
    const char *const lines[][2] = {
        {"title", b->title},           {"version", b->version},   {"options", b->options},
        {"devicetree", b->devicetree}, {"linux", b->linux_image}, {"initrd", b->initrd},
        {"fdtdir", b->fdtdir},
    };

    for (size_t i = 0; i < ELEMENTS(lines); i++)
        if (lines[i][1])
            buf_addf(out, "%s %s\n", lines[i][0], lines[i][1]);
    buf_add_str(out, b->rest ? b->rest : "");
}

const char *boot_entry_with_options(Arena *a, const BootEntry *b, const char *options)
{
    _cleanup_buf_ Buf out = BUF_INIT;
    bool placed = false;
    for (const char *line = b->text; *line;) {
        EntryLine l = split_line(line);
        if (!line_is(&l, "options"))
            buf_add(&out, line, (size_t)(l.next - line));
        else if (!placed)
            buf_addf(&out, "options %s\n", options);
        placed = placed || line_is(&l, "options");
        line = l.next;
    }
    if (!placed) {
        if (out.len && out.data[out.len - 1] != '\n')
            buf_add_char(&out, '\n');
        buf_addf(&out, "options %s\n", options);
    }
    return arena_memdup(a, out.data, out.len);
}

/* ---- the boot loaders' order ---- */

static int sign(int c)
{
    return (c > 0) - (c < 0);
}

/* Versions as the specification compares them: '~' before the end, then '-', '^', '.', then numbers by value
 * and letters by their code; all else separates. */
static int version_compare(const char *a, const char *b)
{
    static const char marks[] = "~-^.";
    for (;;) {
        while (*a && !isalnum((unsigned char)*a) && !strchr(marks, *a))
            a++;
        while (*b && !isalnum((unsigned char)*b) && !strchr(marks, *b))
            b++;
        if (*a == '~' || *b == '~') {
            if (*a != *b)
                return *a == '~' ? -1 : 1;
            a++;
            b++;
            continue;
        }
        if (!*a || !*b)
            return (*a != '\0') - (*b != '\0');
        const char *mark_a = strchr(marks, *a), *mark_b = strchr(marks, *b);
        if (mark_a || mark_b) {
            if (!mark_a || !mark_b || mark_a != mark_b)
                return !mark_a ? 1 : !mark_b ? -1 : mark_a < mark_b ? -1 : 1;
            a++;
            b++;
            continue;
        }
        const char *set = isdigit((unsigned char)*a) || isdigit((unsigned char)*b)
                              ? "0123456789"
                              : "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        const bool digits = set[0] == '0';
        if (digits) {
            if (!isdigit((unsigned char)*a) || !isdigit((unsigned char)*b))
                return isdigit((unsigned char)*a) ? 1 : -1;
            a += strspn(a, "0");
            b += strspn(b, "0");
        }
        size_t n = strspn(a, set), m = strspn(b, set);
        if (digits && n != m)
            return n < m ? -1 : 1;
        int c = memcmp(a, b, n < m ? n : m);
        if (c || n != m)
            return c ? sign(c) : n < m ? -1 : 1;
        a += n;
        b += m;
    }
}

static int entry_compare(const void *pa, const void *pb)
{
    const BootEntry *a = pa, *b = pb;
    if (a->spent != b->spent)
        return a->spent ? 1 : -1;
    if (!a->sort_key != !b->sort_key)
        return a->sort_key ? -1 : 1;
    int c = 0;
    if (a->sort_key) {
        c = strcmp(a->sort_key, b->sort_key);
        if (!c)
            c = strcmp(a->machine_id ? a->machine_id : "", b->machine_id ? b->machine_id : "");
        if (!c)
            c = -version_compare(a->version ? a->version : "", b->version ? b->version : "");
    }
    if (!c)
        c = -version_compare(a->file, b->file);
    return c ? c : -strcmp(a->file, b->file);
}

/* ---- the directory ---- */

static int add_entry(Arena *a, int dir, const char *file, BootEntryList *list, Error *e)
{
    _cleanup_buf_ Buf text = BUF_INIT;
    if (list->n >= BOOT_ENTRIES_MAX)
        return error_set(e, E2BIG, "more than %d entries", BOOT_ENTRIES_MAX);
    int r = file_read_at(dir, file, BOOT_ENTRY_SIZE_MAX, &text, e);
    if (r < 0)
        return r;
    r = boot_entry_parse(a, file, text.data, text.len, &list->entries[list->n], e);
    if (r >= 0)
        list->n++;
    return r;
}

static int read_entries(Arena *a, int dir, BootEntryList *ret, Error *e)
{
    int own = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    _cleanup_closedir_ DIR *d = own < 0 ? NULL : fdopendir(own);
    if (!d) {
        int r = -errno;
        closep(&own);
        return error_errno(e, r, "cannot list it");
    }
    BootEntryList list = {.entries = ARENA_ARRAY(a, BootEntry, BOOT_ENTRIES_MAX)};
    for (struct dirent *f; (errno = 0, f = readdir(d));) {
        size_t n = strlen(f->d_name);
        if (f->d_name[0] == '.' || n < 6 || strcmp(f->d_name + n - 5, ".conf") != 0)
            continue;
        int r = add_entry(a, dir, f->d_name, &list, e);
        if (r < 0)
            return r;
    }
    if (errno)
        return error_errno(e, -errno, "cannot list it");
    qsort(list.entries, list.n, sizeof(*list.entries), entry_compare);
    *ret = list;
    return 0;
}

static int open_entries(Arena *a, int root, const char *path, BootEntryList *ret, Error *e)
{
    int dir = root_openat(root, path, O_RDONLY | O_DIRECTORY, 0);
    if (dir < 0)
        return dir == -ENOENT ? dir : error_errno(e, dir, "cannot open %s", path);
    int r = read_entries(a, dir, ret, e);
    if (r < 0) {
        close(dir);
        return error_wrap(e, r, "%s", path);
    }
    return dir;
}

int boot_entry_list_in(Arena *a, int root, const char *path, BootEntryList *ret, Error *e)
{
    BootEntryList list = {0};
    _cleanup_close_ int dir = open_entries(a, root, path, &list, e);
    if (dir < 0 && dir != -ENOENT)
        return dir;
    *ret = list;
    return 0;
}

int boot_entry_list(Arena *a, int root, BootEntryList *ret, Error *e)
{
    return boot_entry_list_in(a, root, BOOT_ENTRIES_PATH, ret, e);
}

/* ---- editing ---- */

typedef struct EntryChange {
    const BootEntry *entry;
    const char *text; /* what the file will be */
    TempFile file;
    FileWrite how;
} EntryChange;

static size_t plan_changes(Arena *a, const BootEntryList *list, const CmdlineEdit *edit, EntryChange *changes)
{
    size_t n = 0;
    for (size_t i = 0; i < list->n; i++) {
        const char *options;
        if (cmdline_edit(a, list->entries[i].options, edit, &options) > 0)
            changes[n++] = (EntryChange){.entry = &list->entries[i],
                                         .text = boot_entry_with_options(a, &list->entries[i], options),
                                         .file = TEMP_FILE_INIT};
    }
    return n;
}

/* The new file beside the old one, on the disk, with the old one's owner and mode. */
static int prepare_change(int dir, EntryChange *c)
{
    struct stat st;
    if (fstatat(dir, c->entry->file, &st, 0) < 0)
        return -errno;
    c->how = (FileWrite){.mode = st.st_mode & 07777, .uid = (uid_t)-1, .gid = (gid_t)-1};
    if (st.st_uid != geteuid() || st.st_gid != getegid()) {
        c->how.uid = st.st_uid;
        c->how.gid = st.st_gid;
    }
    int r = temp_file_open(&c->file, dir);
    if (r >= 0)
        r = file_write_fd(c->file.fd, c->text, strlen(c->text));
    if (r >= 0 && fsync(c->file.fd) < 0)
        r = -errno;
    return r;
}

static int apply_changes(int dir, EntryChange *changes, size_t n, Error *e)
{
    int r = 0;
    for (size_t i = 0; i < n && r >= 0; i++) {
        r = prepare_change(dir, &changes[i]);
        if (r < 0)
            error_errno(e, r, "cannot write a new %s", changes[i].entry->file);
    }
    /* From here on each rename changes the next boot. */
    for (size_t i = 0; i < n && r >= 0; i++) {
        r = temp_file_commit(&changes[i].file, changes[i].entry->file, &changes[i].how);
        if (r < 0)
            error_errno(e, r, "cannot replace %s", changes[i].entry->file);
    }
    for (size_t i = 0; i < n; i++)
        temp_file_abort(&changes[i].file);
    if (r >= 0) {
        r = dir_sync(dir);
        if (r < 0)
            error_errno(e, r, "cannot sync their directory");
    }
    return r;
}

int boot_entry_edit_in(int root, const char *path, const CmdlineEdit *edit, Error *e)
{
    _cleanup_arena_ Arena *a = arena_new();
    BootEntryList list = {0};
    _cleanup_close_ int dir = open_entries(a, root, path, &list, e);
    if (dir < 0)
        return dir == -ENOENT ? 0 : dir;
    EntryChange *changes = ARENA_ARRAY(a, EntryChange, list.n + 1);
    size_t n = plan_changes(a, &list, edit, changes);
    if (n == 0)
        return 0;
    int r = apply_changes(dir, changes, n, e);
    return r < 0 ? error_wrap(e, r, "editing kernel arguments") : 1;
}

int boot_entry_edit(int root, const CmdlineEdit *edit, Error *e)
{
    return boot_entry_edit_in(root, BOOT_ENTRIES_PATH, edit, e);
}
