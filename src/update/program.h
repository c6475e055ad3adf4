#pragma once
/* What the verbs of basalt-os share: the options of the program, a session on a sysroot, how a verb ends. */
#include "base/command.h"
#include "format/node.h"
#include "update/deployment_edit.h"
#include "update/deployment_stage.h"
#include "update/image_import.h"

/* Exit codes, as basalt-os(8) lists them; EXIT_USAGE is 2. */
enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_BUSY = 75, EXIT_UNCHANGED = 77, EXIT_CANCELLED = 130 };

typedef struct ProgramOptions {
    const char *sysroot, *stateroot;
    const char *auth_file, *config_root; /* of who asks registries; NULL: the usual ones */
    bool json, quiet, no_wait;
} ProgramOptions;
extern ProgramOptions options;
extern const Program basalt_os_program;

typedef struct Session {
    Arena *arena;
    Sysroot *sysroot;
    int repo;            /* ostree/repo, open */
    DeploymentTree tree; /* of this repository */
    bool live;           /* the sysroot is the one that runs: changes wait for the shutdown */
    Report report;       /* what /etc and the like had to say */
} Session;
#define SESSION_INIT      ((Session){.repo = -EBADF})
#define _cleanup_session_ _cleanup_(session_done)
/* To change something it waits for whoever holds the lock, saying so, unless --no-wait. */
int session_open(Session *s, bool write, Error *e);
void session_done(Session *s);

/* What the next deployment starts from, and says that it comes from: the staged one, else the first. */
const Deployment *session_newest(const Session *s);
/* Makes or stages a deployment, and tells the findings. `m` has all but what the session knows. */
int session_deploy(Session *s, const DeploymentMake *m, bool stage, Error *e);

/* What `install` does of `switch`: `image` is fetched and becomes the newest deployment, which follows
 * `follow`. Checked before, nothing but its manifest is fetched, and only what would be refused fails. */
typedef struct SessionInstall {
    const ImageReference *image, *follow;
    StringList kargs;
    unsigned jobs;
} SessionInstall;
int session_install(Session *s, const SessionInstall *how, ImportResult *ret, Error *e);
int session_install_check(Session *s, const ImageReference *image, ImportCheck *ret, Error *e);

/* For `repair`: what `suspects` names is fetched again of the image, and takes the place of what is there. */
typedef struct SessionRefetch {
    const ImageReference *image;
    const ChecksumSet *suspects;
    const ContentDigest *only; /* NULL: not known */
} SessionRefetch;
int session_refetch(Session *s, const SessionRefetch *how, ImportResult *ret, Error *e);

/* "basalt-os VERB: text" and the exit code of the error. */
int verb_failed(const char *verb, const Error *e);
/* The same of a change. When a disk was full, what the change had stored goes again, and it is said what is
 * free. */
int session_failed(Session *s, const char *verb, Error *e);
void verb_findings(const char *verb, const Report *r); /* on stderr */
int verb_json(const Node *n);                          /* on stdout, with a newline; the exit code */
/* A line for people, on stdout; nothing with --json or --quiet. */
void verb_say(const char *format, ...) _printf_(1, 2);
int verb_reboot(const char *verb); /* asks the init process; the exit code */
/* Before anything is done: true, and said, where it is asked of a system that does not run. */
bool verb_reboot_refused(const char *verb, bool asked);

/* What `status` says of trials and of what did not boot. */
void boot_state_show(Arena *a, const Session *s);
void boot_state_node(Arena *a, const Session *s, Node *n);
/* -EALREADY with a text for people: this commit was tried, and did not boot. */
int boot_failure_check(Session *s, const char *checksum, Error *e);

/* SIGINT and SIGTERM from now on are asked for, not followed. */
void cancel_catch(void);
bool cancel_asked(void *context);

extern const Option status_options[], upgrade_options[], switch_options[], deploy_options[],
    rollback_options[], pin_options[], kargs_options[], diff_options[], cleanup_options[], finalize_options[],
    reset_options[], verify_options[], overlay_options[], boot_complete_options[], install_options[],
    repair_options[];
int verb_init(int argc, char **argv);
int verb_install(int argc, char **argv);
int verb_serve(int argc, char **argv);
int verb_status(int argc, char **argv);
int verb_upgrade(int argc, char **argv);
int verb_switch(int argc, char **argv);
int verb_deploy(int argc, char **argv);
int verb_rollback(int argc, char **argv);
int verb_pin(int argc, char **argv);
int verb_kargs(int argc, char **argv);
int verb_overlay(int argc, char **argv);
int verb_diff(int argc, char **argv);
int verb_boot_complete(int argc, char **argv);
int verb_cleanup(int argc, char **argv);
int verb_repair(int argc, char **argv);
int verb_finalize(int argc, char **argv);
int verb_reset(int argc, char **argv);
int verb_verify(int argc, char **argv);
