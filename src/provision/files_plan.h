#pragma once
/* What the files stage is going to do below the root, as data: an ordered list of operations with every path
 * resolved. Making it reads the root through a probe (two functions, so that tests need no root) and changes
 * nothing; all conflicts are found here, before the first write. Everything lives in the arena. */
#include "base/arena.h"
#include "base/buf.h"
#include "base/map.h"
#include "format/report.h"
#include "ignition/config.h"

typedef enum FilesKind {
    FILES_DIRECTORY, /* node is an IgnDirectory */
    FILES_FILE,      /* an IgnFile; contents or the text beside it */
    FILES_SYMLINK,   /* an IgnLink */
    FILES_HARDLINK,  /* an IgnLink */
    FILES_UNMASK,    /* goes if it is a link to /dev/null; an IgnNode */
} FilesKind;

/* What stood at a path before the stage began. A run that follows an interrupted one gets it from the
 * journal, so that what the interrupted run made is not taken for the admin's. */
typedef enum FilesBeforeKind {
    FILES_ABSENT,
    FILES_IS_FILE,
    FILES_IS_DIRECTORY,
    FILES_IS_LINK,
    FILES_IS_OTHER,
} FilesBeforeKind;
typedef struct FilesBefore {
    FilesBeforeKind kind;
    uint64_t size;          /* of a file: what is appended starts here */
    uint64_t device, inode; /* to tell hard links; not in the journal, 0 then */
} FilesBefore;

typedef struct FilesOp {
    FilesKind kind;
    bool overwrite;   /* what is there goes, trees too */
    bool replace;     /* what is there goes, but for directories: units, drop-ins */
    bool append_text; /* `text` is appended instead of being the contents */
    FilesBefore before;
    const IgnNode *node;
    const char *real; /* as in the root, links of the parents resolved */
    const char *text; /* contents made by the stage itself; NULL: those of the node */
    size_t text_len;
    const char *relabel; /* topmost path that this operation makes */
} FilesOp;

typedef struct FilesPlan {
    Arena *arena;
    FilesOp *ops;
    size_t n, size;
    Map paths;   /* real path → its declared path, for "two entries, one path" */
    Map removed; /* real paths whose whole tree goes first */
    Map blocked; /* real paths that will not be directories */
} FilesPlan;
void files_plan_done(FilesPlan *p);
#define _cleanup_files_plan_ _cleanup_(files_plan_done)

typedef struct FilesProbe {
    /* The path with the links of its parents resolved inside the root, in the arena. */
    int (*resolve)(void *context, Arena *a, const char *path, const char **ret);
    /* What stands at a resolved path; of a link *ret_target is its text. Negative: cannot be told. */
    int (*look)(void *context, Arena *a, const char *real, FilesBefore *ret, const char **ret_target);
    void *context;
} FilesProbe;

/* Directories, files and symbolic links from the root downwards, then hard links. Conflicts go into the
 * report with the position in the config; -EINVAL when there are any. */
int files_plan_add_storage(FilesPlan *p, const IgnStorage *storage, const FilesProbe *probe, Report *r);
/* One more at the end, for what the stage makes itself. No check against `paths`. */
int files_plan_add(FilesPlan *p, const FilesOp *op, const FilesProbe *probe, Report *r);

/* For such operations: nodes in the arena. A negative mode is not declared. */
const IgnNode *files_plan_file(Arena *a, const char *path, int64_t mode, const Node *at);
const IgnNode *files_plan_directory(Arena *a, const char *path, int64_t mode);
const IgnNode *files_plan_link(Arena *a, const char *path, const char *target, const Node *at);

/* One line an operation, as `plan` shows it. Contents are never shown, nor are addresses' queries. */
void files_plan_print(const FilesPlan *p, Buf *out);
