/* Every version of an object is a row: small columns in `version`, the text in `body`, so that a version
 * which is superseded costs no copy of its text. `next` says which change took its place; NULL: it stands
 * now. A removal is a version that is superseded by itself. A list as of revision R is what stands now and
 * was there by R, and what was superseded after R.
 *
 * A transaction is opened by the first change and ends with store_commit(), which waits for the disk once for
 * all changes since. What came halfway when the power went is not there at all: SQLite's log (WAL,
 * synchronous=FULL). */
#include "apiserver/store.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <string.h>

#include "base/buf.h"
#include "base/file.h"

enum { FORMAT = 1, BUSY_MS = 5000, PAGES_KB = 4000 };

#define STANDS  "next IS NULL"
#define COLUMNS "v.kind, v.namespace, v.name, v.revision, v.verb, b.json"
#define FROM    " FROM version v JOIN body b ON b.revision = v.revision "
#define WITHIN                                                                                               \
    " AND (?2 IS NULL OR v.namespace = ?2) AND (?3 IS NULL OR v.name = ?3)"                                  \
    " AND (?4 IS NULL OR (v.namespace, v.name) > (?4, ?5))"
#define WITHIN_ONE " AND v.namespace = ?2 AND (?3 IS NULL OR v.name = ?3) AND (?4 IS NULL OR v.name > ?5)"

static const char schema[] =
    "CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value INTEGER) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS version (revision INTEGER PRIMARY KEY, kind TEXT NOT NULL,"
    " namespace TEXT NOT NULL, name TEXT NOT NULL, verb INTEGER NOT NULL, former INTEGER, next INTEGER);"
    "CREATE TABLE IF NOT EXISTS body (revision INTEGER PRIMARY KEY, json BLOB NOT NULL);"
    "CREATE TABLE IF NOT EXISTS owner (uid TEXT, kind TEXT, namespace TEXT, name TEXT,"
    " PRIMARY KEY (uid, kind, namespace, name)) WITHOUT ROWID;"
    "CREATE UNIQUE INDEX IF NOT EXISTS version_now ON version (kind, namespace, name) WHERE next IS NULL;"
    "CREATE INDEX IF NOT EXISTS version_past ON version (next) WHERE next IS NOT NULL;";

typedef enum Sql {
    SQL_BEGIN,
    SQL_COMMIT,
    SQL_ROLLBACK,
    SQL_MARK,
    SQL_KEEP,
    SQL_UNDO,
    SQL_GET,
    SQL_LIST,
    SQL_LIST_ONE,
    SQL_LIST_THEN,
    SQL_COUNT,
    SQL_CHANGES,
    SQL_SUPERSEDE,
    SQL_VERSION,
    SQL_BODY,
    SQL_OWN,
    SQL_DISOWN,
    SQL_OWNED,
    SQL_FLOOR,
    SQL_FORGET_BODY,
    SQL_FORGET,
    SQL_N,
} Sql;

static const char *const texts[SQL_N] = {
    [SQL_BEGIN] = "BEGIN IMMEDIATE",
    [SQL_COMMIT] = "COMMIT",
    [SQL_ROLLBACK] = "ROLLBACK",
    [SQL_MARK] = "SAVEPOINT mark",
    [SQL_KEEP] = "RELEASE mark",
    [SQL_UNDO] = "ROLLBACK TO mark",
    [SQL_GET] =
        ("SELECT " COLUMNS FROM "WHERE v.kind = ?1 AND v.namespace = ?2 AND v.name = ?3 AND v." STANDS),
    [SQL_LIST] = ("SELECT " COLUMNS FROM "WHERE v.kind = ?1 AND v." STANDS WITHIN
                  " ORDER BY v.namespace, v.name LIMIT ?6"),
    [SQL_LIST_ONE] =
        ("SELECT " COLUMNS FROM "WHERE v.kind = ?1 AND v." STANDS WITHIN_ONE " ORDER BY v.name LIMIT ?6"),
    [SQL_LIST_THEN] = ("SELECT " COLUMNS FROM "WHERE v.kind = ?1 AND v.revision <= ?7 AND v." STANDS WITHIN
                       " UNION ALL SELECT " COLUMNS FROM
                       "WHERE v.next > ?7 AND v.revision <= ?7 AND v.kind = ?1 AND v.verb < 2" WITHIN
                       " ORDER BY 2, 3 LIMIT ?6"),
    [SQL_COUNT] = ("SELECT count(*) FROM version v WHERE v.kind = ?1 AND v." STANDS WITHIN),
    [SQL_CHANGES] = ("SELECT " COLUMNS ", f.json" FROM "LEFT JOIN body f ON f.revision = v.former"
                     " WHERE v.revision > ?2 AND v.kind = ?1 AND (?3 IS NULL OR v.namespace = ?3)"
                     " AND (?4 IS NULL OR v.name = ?4) ORDER BY v.revision"),
    [SQL_SUPERSEDE] =
        ("UPDATE version SET next = ?5 WHERE kind = ?1 AND namespace = ?2 AND name = ?3 AND next "
         "IS NULL AND revision = ?4"),
    [SQL_VERSION] = "INSERT INTO version VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    [SQL_BODY] = "INSERT INTO body VALUES (?1, ?2)",
    [SQL_OWN] = "INSERT OR IGNORE INTO owner VALUES (?1, ?2, ?3, ?4)",
    [SQL_DISOWN] = "DELETE FROM owner WHERE uid = ?1 AND kind = ?2 AND namespace = ?3 AND name = ?4",
    [SQL_OWNED] = "SELECT kind, namespace, name FROM owner WHERE uid = ?1 ORDER BY kind, namespace, name",
    [SQL_FLOOR] = "INSERT OR REPLACE INTO meta VALUES ('floor', ?1)",
    [SQL_FORGET_BODY] = "DELETE FROM body WHERE revision IN (SELECT revision FROM version WHERE next <= ?1)",
    [SQL_FORGET] = "DELETE FROM version WHERE next <= ?1",
};

struct Store {
    sqlite3 *db;
    sqlite3_stmt *statements[SQL_N];
    int lock;
    int64_t revision, floor, committed, marked;
    bool open, quick; /* a transaction is */
};

static int failed(Store *s, Error *e, const char *doing)
{
    int code = sqlite3_errcode(s->db) & 0xff;
    return error_set(e,
                     code == SQLITE_FULL   ? ENOSPC
                     : code == SQLITE_BUSY ? EBUSY
                                           : EIO,
                     "the store: %s: %s", doing, sqlite3_errmsg(s->db));
}

/* A statement that is ready to be bound; reset by done(). */
static sqlite3_stmt *statement(Store *s, Sql which)
{
    sqlite3_stmt **p = &s->statements[which];
    if (!*p && sqlite3_prepare_v3(s->db, texts[which], -1, SQLITE_PREPARE_PERSISTENT, p, NULL) != SQLITE_OK) {
        fprintf(stderr, "%s: %s\n", texts[which], sqlite3_errmsg(s->db));
        abort(); /* a text of ours */
    }
    return *p;
}

static void done(sqlite3_stmt **st)
{
    sqlite3_reset(*st);
    sqlite3_clear_bindings(*st);
}
#define _cleanup_statement_ _cleanup_(done)

static void bind(sqlite3_stmt *st, int at, const char *text)
{
    if (text)
        sqlite3_bind_text(st, at, text, -1, SQLITE_STATIC);
}

static void bind_key(sqlite3_stmt *st, int at, const StoreKey *key)
{
    bind(st, at, key->kind);
    bind(st, at + 1, key->namespace);
    bind(st, at + 2, key->name);
}

static int run(Store *s, Sql which, Error *e)
{
    _cleanup_statement_ sqlite3_stmt *st = statement(s, which);
    return sqlite3_step(st) == SQLITE_DONE ? 0 : failed(s, e, texts[which]);
}

/* ---- opening ---- */

static int execute(sqlite3 *db, const char *sql, Error *e)
{
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK)
        return 0;
    return error_set(e, EIO, "the store: %s", sqlite3_errmsg(db));
}

static int read_number(sqlite3 *db, const char *sql, int64_t *ret, Error *e)
{
    sqlite3_stmt *st = NULL;
    if (sqlite3_prepare_v2(db, sql, -1, &st, NULL) != SQLITE_OK || sqlite3_step(st) != SQLITE_ROW) {
        sqlite3_finalize(st);
        return error_set(e, EIO, "the store: %s", sqlite3_errmsg(db));
    }
    *ret = sqlite3_column_int64(st, 0);
    sqlite3_finalize(st);
    return 0;
}

static int open_tables(Store *s, Error *e)
{
    int64_t format;
    char pragmas[256];
    snprintf(pragmas, sizeof(pragmas),
             "PRAGMA journal_mode=WAL; PRAGMA synchronous=%s; PRAGMA temp_store=MEMORY; PRAGMA "
             "cache_size=-%d; PRAGMA journal_size_limit=16777216;",
             s->quick ? "OFF" : "FULL", PAGES_KB);
    sqlite3_busy_timeout(s->db, BUSY_MS);
    int r = execute(s->db, pragmas, e);
    if (r >= 0)
        r = read_number(s->db, "PRAGMA user_version", &format, e);
    if (r >= 0 && format != 0 && format != FORMAT)
        return error_set(e, ENOTSUP, "the store is of format %lld, this program knows %d", (long long)format,
                         FORMAT);
    if (r >= 0 && format == 0) {
        char text[sizeof(schema) + 64];
        snprintf(text, sizeof(text), "BEGIN; %s PRAGMA user_version=%d; COMMIT", schema, FORMAT);
        r = execute(s->db, text, e);
    }
    if (r >= 0)
        r = read_number(s->db, "SELECT ifnull((SELECT value FROM meta WHERE key = 'floor'), 0)", &s->floor,
                        e);
    if (r >= 0)
        r = read_number(s->db, "SELECT ifnull(max(revision), 0) FROM version", &s->revision, e);
    if (s->revision < s->floor)
        s->revision = s->floor;
    s->committed = s->revision;
    return r;
}

static char *database_path(const char *directory)
{
    Buf b = BUF_INIT;
    buf_addf(&b, "%s/objects.db", directory);
    return buf_take(&b);
}

static int lock_directory(const char *directory, int *ret, Error *e)
{
    int made = dir_make_all_at(AT_FDCWD, directory, 0700);
    if (made < 0)
        return error_errno(e, made, "making '%s'", directory);
    _cleanup_close_ int dir = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    _cleanup_close_ int fd = dir < 0 ? -EBADF : openat(dir, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return error_errno(e, -errno, "opening '%s'", directory);
    int r = file_lock_try(fd);
    if (r < 0)
        return error_set(e, EBUSY, "'%s' is in use by another program", directory);
    *ret = TAKE_FD(fd);
    return 0;
}

int store_open(const char *directory, bool quick, Store **ret, Error *e)
{
    _cleanup_(store_freep)
    Store *s = calloc(1, sizeof(*s));
    if (!s)
        abort();
    s->lock = -EBADF;
    s->quick = quick;
    _cleanup_free_ char *path = database_path(directory);
    int r = lock_directory(directory, &s->lock, e);
    if (r < 0)
        return r;
    if (sqlite3_open_v2(path, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
                        NULL) != SQLITE_OK)
        return error_set(e, EIO, "opening '%s': %s", path, s->db ? sqlite3_errmsg(s->db) : "no memory");
    r = open_tables(s, e);
    if (r < 0)
        return error_wrap(e, r, "opening '%s'", path);
    *ret = TAKE_PTR(s);
    return 0;
}

void store_free(Store *s)
{
    if (!s)
        return;
    for (unsigned i = 0; i < SQL_N; i++)
        sqlite3_finalize(s->statements[i]);
    sqlite3_close(s->db);
    closep(&s->lock);
    free(s);
}

int64_t store_revision(const Store *s)
{
    return s->revision;
}

int64_t store_floor(const Store *s)
{
    return s->floor;
}

/* ---- reading ---- */

static const char *column(sqlite3_stmt *st, int i)
{
    const char *t = (const char *)sqlite3_column_text(st, i);
    return t ? t : "";
}

static StoreObject row(sqlite3_stmt *st)
{
    return (StoreObject){.key = {column(st, 0), column(st, 1), column(st, 2)},
                         .revision = sqlite3_column_int64(st, 3),
                         .verb = (StoreVerb)sqlite3_column_int(st, 4),
                         .json = column(st, 5),
                         .n = (size_t)sqlite3_column_bytes(st, 5)};
}

int store_get(Store *s, const StoreKey *key, Arena *a, StoreObject *ret, Error *e)
{
    _cleanup_statement_ sqlite3_stmt *st = statement(s, SQL_GET);
    bind_key(st, 1, key);
    int step = sqlite3_step(st);
    if (step == SQLITE_DONE)
        return -ENOENT;
    if (step != SQLITE_ROW)
        return failed(s, e, "reading");
    StoreObject o = row(st);
    *ret = (StoreObject){
        .key = {arena_strdup(a, o.key.kind), arena_strdup(a, o.key.namespace), arena_strdup(a, o.key.name)},
        .revision = o.revision,
        .verb = o.verb,
        .json = arena_memdup(a, o.json, o.n),
        .n = o.n};
    return 0;
}

static int walk(Store *s, sqlite3_stmt *st, StoreEach each, void *context, Error *e)
{
    int step;
    while ((step = sqlite3_step(st)) == SQLITE_ROW) {
        StoreObject o = row(st);
        if (sqlite3_column_count(st) > 6 && sqlite3_column_type(st, 6) != SQLITE_NULL) {
            o.former = column(st, 6);
            o.former_n = (size_t)sqlite3_column_bytes(st, 6);
        }
        int r = each(context, &o);
        if (r < 0)
            return r;
    }
    return step == SQLITE_DONE ? 0 : failed(s, e, "listing");
}

static void bind_list(sqlite3_stmt *st, const StoreList *q)
{
    bind(st, 1, q->kind);
    bind(st, 2, q->namespace);
    bind(st, 3, q->name);
    bind(st, 4, q->after_namespace);
    bind(st, 5, q->after_name);
}

int store_list(Store *s, const StoreList *q, StoreEach each, void *context, Error *e)
{
    if (q->revision && q->revision < s->floor)
        return -ESTALE;
    bool then = q->revision && q->revision < s->revision;
    _cleanup_statement_ sqlite3_stmt *st = statement(s, then           ? SQL_LIST_THEN
                                                        : q->namespace ? SQL_LIST_ONE
                                                                       : SQL_LIST);
    bind_list(st, q);
    sqlite3_bind_int64(st, 6, q->limit ? (int64_t)q->limit : -1);
    if (then)
        sqlite3_bind_int64(st, 7, q->revision);
    return walk(s, st, each, context, e);
}

int store_count(Store *s, const StoreList *q, int64_t *ret, Error *e)
{
    _cleanup_statement_ sqlite3_stmt *st = statement(s, SQL_COUNT);
    bind_list(st, q);
    if (sqlite3_step(st) != SQLITE_ROW)
        return failed(s, e, "counting");
    *ret = sqlite3_column_int64(st, 0);
    return 0;
}

int store_changes(Store *s, const StoreKey *of, int64_t after, StoreEach each, void *context, Error *e)
{
    if (after < s->floor)
        return -ESTALE;
    _cleanup_statement_ sqlite3_stmt *st = statement(s, SQL_CHANGES);
    bind(st, 1, of->kind);
    sqlite3_bind_int64(st, 2, after);
    bind(st, 3, of->namespace);
    bind(st, 4, of->name);
    return walk(s, st, each, context, e);
}

/* ---- changing ---- */

static int ensure_open(Store *s, Error *e)
{
    if (s->open)
        return 0;
    int r = run(s, SQL_BEGIN, e);
    s->open = r >= 0;
    return r;
}

static int add_version(Store *s, const StoreObject *o, int64_t former, Error *e)
{
    _cleanup_statement_ sqlite3_stmt *v = statement(s, SQL_VERSION), *b = statement(s, SQL_BODY);
    sqlite3_bind_int64(v, 1, o->revision);
    bind_key(v, 2, &o->key);
    sqlite3_bind_int(v, 5, (int)o->verb);
    if (former)
        sqlite3_bind_int64(v, 6, former);
    if (o->verb == STORE_REMOVED)
        sqlite3_bind_int64(v, 7, o->revision);
    int step = sqlite3_step(v);
    if (step == SQLITE_CONSTRAINT)
        return -EEXIST;
    if (step != SQLITE_DONE)
        return failed(s, e, "writing");
    sqlite3_bind_int64(b, 1, o->revision);
    sqlite3_bind_text(b, 2, o->json, (int)o->n, SQLITE_STATIC);
    return sqlite3_step(b) == SQLITE_DONE ? 0 : failed(s, e, "writing");
}

static int supersede(Store *s, const StoreKey *key, int64_t former, Error *e)
{
    _cleanup_statement_ sqlite3_stmt *st = statement(s, SQL_SUPERSEDE);
    bind_key(st, 1, key);
    sqlite3_bind_int64(st, 4, former);
    sqlite3_bind_int64(st, 5, s->revision + 1);
    if (sqlite3_step(st) != SQLITE_DONE)
        return failed(s, e, "writing");
    return sqlite3_changes(s->db) ? 0 : -ESTALE;
}

static int change(Store *s, const StoreObject *o, int64_t former, Error *e)
{
    if (o->n > STORE_OBJECT_MAX)
        return error_set(e, EFBIG, "an object of %zu bytes; at most %d are kept", o->n, STORE_OBJECT_MAX);
    int r = ensure_open(s, e);
    if (r >= 0 && former)
        r = supersede(s, &o->key, former, e);
    if (r >= 0)
        r = add_version(s, o, former, e);
    if (r >= 0)
        s->revision++;
    return r;
}

int store_put(Store *s, const StoreKey *key, int64_t former, const char *json, size_t n, Error *e)
{
    return change(s,
                  &(StoreObject){.key = *key,
                                 .revision = s->revision + 1,
                                 .verb = former ? STORE_MODIFIED : STORE_ADDED,
                                 .json = json,
                                 .n = n},
                  former, e);
}

int store_remove(Store *s, const StoreKey *key, int64_t former, const char *json, size_t n, Error *e)
{
    return change(
        s,
        &(StoreObject){.key = *key, .revision = s->revision + 1, .verb = STORE_REMOVED, .json = json, .n = n},
        former, e);
}

int store_own(Store *s, const char *owner_uid, const StoreKey *key, bool owns, Error *e)
{
    int r = ensure_open(s, e);
    if (r < 0)
        return r;
    _cleanup_statement_ sqlite3_stmt *st = statement(s, owns ? SQL_OWN : SQL_DISOWN);
    bind(st, 1, owner_uid);
    bind_key(st, 2, key);
    return sqlite3_step(st) == SQLITE_DONE ? 0 : failed(s, e, "writing");
}

int store_owned(Store *s, const char *owner_uid, StoreEach each, void *context, Error *e)
{
    _cleanup_statement_ sqlite3_stmt *st = statement(s, SQL_OWNED);
    bind(st, 1, owner_uid);
    int step;
    while ((step = sqlite3_step(st)) == SQLITE_ROW) {
        StoreObject o = {.key = {column(st, 0), column(st, 1), column(st, 2)}};
        int r = each(context, &o);
        if (r < 0)
            return r;
    }
    return step == SQLITE_DONE ? 0 : failed(s, e, "listing");
}

int store_begin(Store *s, Error *e)
{
    int r = ensure_open(s, e);
    if (r >= 0)
        r = run(s, SQL_MARK, e);
    s->marked = s->revision;
    return r;
}

int store_end(Store *s, bool keep, Error *e)
{
    int r = 0;
    if (!keep) {
        r = run(s, SQL_UNDO, e);
        s->revision = s->marked;
    }
    int r2 = run(s, SQL_KEEP, r < 0 ? NULL : e);
    return r < 0 ? r : r2;
}

bool store_dirty(const Store *s)
{
    return s->open;
}

/* What was superseded long ago goes, a thousand changes at a time; within the transaction that is open. */
static int compact(Store *s, Error *e)
{
    int64_t floor = s->revision - STORE_HISTORY;
    if (floor < s->floor + STORE_COMPACT_EVERY)
        return 0;
    static const Sql steps[] = {SQL_FORGET_BODY, SQL_FORGET, SQL_FLOOR};
    for (size_t i = 0; i < ELEMENTS(steps); i++) {
        _cleanup_statement_ sqlite3_stmt *st = statement(s, steps[i]);
        sqlite3_bind_int64(st, 1, floor);
        if (sqlite3_step(st) != SQLITE_DONE)
            return failed(s, e, "forgetting what is old");
    }
    s->floor = floor;
    return 0;
}

int store_commit(Store *s, Error *e)
{
    if (!s->open)
        return 0;
    int64_t floor = s->floor;
    int r = compact(s, e);
    if (r >= 0)
        r = run(s, SQL_COMMIT, e);
    s->open = false;
    if (r >= 0) {
        s->committed = s->revision;
        return 0;
    }
    if (!sqlite3_get_autocommit(s->db))
        run(s, SQL_ROLLBACK, NULL);
    s->revision = s->committed;
    s->floor = floor;
    return r;
}

/* ---- copies ---- */

static int copy(sqlite3 *from, sqlite3 *to, Error *e)
{
    sqlite3_backup *b = sqlite3_backup_init(to, "main", from, "main");
    if (!b)
        return error_set(e, EIO, "copying: %s", sqlite3_errmsg(to));
    int step;
    do
        step = sqlite3_backup_step(b, -1);
    while (step == SQLITE_BUSY && sqlite3_sleep(20) > 0);
    sqlite3_backup_finish(b);
    return step == SQLITE_DONE
               ? 0
               : error_set(e, step == SQLITE_FULL ? ENOSPC : EIO, "copying: %s", sqlite3_errstr(step));
}

/* Is this a store, and whole? */
static int check(sqlite3 *db, const char *what, Error *e)
{
    int64_t n;
    int r =
        read_number(db, "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check <> 'ok'", &n, e);
    if (r >= 0 && n)
        return error_set(e, EBADMSG, "'%s' is damaged", what);
    if (r >= 0)
        r = read_number(db, "PRAGMA user_version", &n, e);
    if (r >= 0 && n != FORMAT)
        return error_set(e, EBADMSG, "'%s' has no objects in it", what);
    return r < 0 ? error_set(e, EBADMSG, "'%s' has no objects in it", what) : 0;
}

static int copy_file(const char *from, const char *to, Error *e)
{
    sqlite3 *a = NULL, *b = NULL;
    int r = 0;
    if (sqlite3_open_v2(from, &a, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK)
        r = error_set(e, ENOENT, "opening '%s': %s", from, a ? sqlite3_errmsg(a) : "no memory");
    else if (sqlite3_open_v2(to, &b, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL) != SQLITE_OK)
        r = error_set(e, EIO, "opening '%s': %s", to, b ? sqlite3_errmsg(b) : "no memory");
    if (r >= 0)
        sqlite3_busy_timeout(a, BUSY_MS);
    if (r >= 0)
        r = check(a, from, e);
    if (r >= 0)
        r = copy(a, b, e);
    if (r >= 0) /* one file, without a log beside it */
        r = execute(b, "PRAGMA journal_mode=DELETE", e);
    sqlite3_close(a);
    sqlite3_close(b);
    return r;
}

/* Aside, to the disk, then the name. */
static int copy_whole(const char *from, const char *to, Error *e)
{
    Buf aside = BUF_INIT, dir = BUF_INIT;
    const char *slash = strrchr(to, '/');
    buf_addf(&aside, "%s.part", to);
    if (slash)
        buf_add(&dir, to, (size_t)(slash - to) + 1);
    else
        buf_add_str(&dir, ".");
    unlink(aside.data);
    int r = copy_file(from, aside.data, e);
    _cleanup_close_ int fd = r < 0 ? -EBADF : open(aside.data, O_RDWR | O_CLOEXEC);
    _cleanup_close_ int parent = open(dir.data, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (r >= 0 && (fd < 0 || fchmod(fd, 0600) < 0 || fsync(fd) < 0 || rename(aside.data, to) < 0 ||
                   parent < 0 || dir_sync(parent) < 0))
        r = error_errno(e, -errno, "writing '%s'", to);
    if (r < 0)
        unlink(aside.data);
    buf_done(&aside);
    buf_done(&dir);
    return r;
}

int store_backup(const char *directory, const char *file, Error *e)
{
    _cleanup_free_ char *path = database_path(directory);
    return copy_whole(path, file, e);
}

int store_restore(const char *file, const char *directory, Error *e)
{
    _cleanup_close_ int lock = -EBADF;
    _cleanup_free_ char *path = database_path(directory);
    int r = lock_directory(directory, &lock, e);
    if (r < 0)
        return r;
    if (access(path, F_OK) == 0)
        return error_set(e, EEXIST, "'%s' has objects already; name an empty directory", directory);
    return copy_whole(file, path, e);
}
