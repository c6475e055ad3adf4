#pragma once
/* A machine in a scratch directory: an operating system that is two files (/run/os/booted, /run/os/staged), a
 * kernel command line, services whose orders are written to /services.log. What it is survives a kill. */
#include <errno.h>
#include <stdio.h>

#include "../scratch.h"

#include "daemon/node_apply.h"

typedef struct FakeMachine {
    Scratch s;
    Machine m;
    NodeOs os;
    NodeServices services;
    const char *fail_service;
    bool fail_stage;
} FakeMachine;

static inline const char *fake_read(const FakeMachine *f, Arena *a, const char *path)
{
    _cleanup_buf_ Buf b = BUF_INIT;
    return root_read(f->s.fd, path, 1 << 20, &b) < 0 ? NULL : arena_memdup(a, b.data ? b.data : "", b.len);
}

static inline int fake_state(void *context, Arena *a, OsState *ret, Error *e)
{
    FakeMachine *f = context;
    (void)e;
    const char *booted = fake_read(f, a, "/run/os/booted");
    *ret = (OsState){.image = booted, .staged = fake_read(f, a, "/run/os/staged") != NULL};
    const char *at = booted ? strrchr(booted, '@') : NULL;
    ret->digest = at ? at + 1 : NULL;
    return 0;
}

/* "IMAGE\nARGUMENTS" */
static inline int fake_stage(void *context, const OsChange *c, Error *e)
{
    FakeMachine *f = context;
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_buf_ Buf b = BUF_INIT;
    if (f->fail_stage)
        return error_set(e, EHOSTUNREACH, "the registry is away");
    buf_add_str(&b, c->image ? c->image : fake_read(f, a, "/run/os/booted"));
    buf_add_char(&b, '\n');
    for (size_t i = 0; i < c->n_append; i++)
        buf_addf(&b, "%s ", c->append[i]);
    return root_write(f->s.fd, "/run/os/staged", b.data, b.len, FILE_WRITE());
}

static inline int fake_discard(void *context, Error *e)
{
    FakeMachine *f = context;
    (void)e;
    unlinkat(f->s.fd, "run/os/staged", 0);
    return 0;
}

static inline int fake_act(void *context, const DisruptionAction *action, Error *e)
{
    FakeMachine *f = context;
    int fd = openat(f->s.fd, "services.log", O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    dprintf(fd, "%s%s%s\n", disruption_kind_name(action->kind), action->service ? " " : "",
            action->service ? action->service : "");
    close(fd);
    if (f->fail_service && action->service && !strcmp(f->fail_service, action->service))
        return error_set(e, EIO, "%s failed", action->service);
    return 0;
}

static inline void fake_open(FakeMachine *f)
{
    *f = (FakeMachine){.s = scratch_open()};
    fchmod(f->s.fd, 0755);
    f->os = (NodeOs){fake_state, fake_stage, fake_discard, f};
    f->services = (NodeServices){fake_act, f};
    f->m = (Machine){
        .root = f->s.fd, .os = &f->os, .services = &f->services, .boot_id = "boot-1", .keys_fragment = true};
    scratch_write(&f->s, "/run/os/booted", "quay.io/os@sha256:1111");
    scratch_write(&f->s, "/proc/cmdline", "ro quiet\n");
    scratch_write(&f->s, "/etc/passwd", "root:x:0:0::/root:/bin/sh\ncore:x:1000:1000::/home/core:/bin/sh\n");
    scratch_write(&f->s, "/etc/group", "root:x:0:\ncore:x:1000:\nwheel:x:10:\n");
    scratch_write(&f->s, "/etc/shadow", "root:*:1::::::\ncore:$y$old:2:0:99999:7:::\nlast:*:3::::::\n");
    fchmodat(f->s.fd, "etc/shadow", 0640, 0);
    mkdirat(f->s.fd, "home", 0755);
    mkdirat(f->s.fd, "home/core", 0700);
    fchownat(f->s.fd, "home/core", 1000, 1000, 0);
}

/* The next boot; `good`: what was staged comes up. */
static inline void fake_boot(FakeMachine *f, bool good)
{
    _cleanup_arena_ Arena *a = arena_new();
    const char *staged = fake_read(f, a, "/run/os/staged");
    f->m.boot_id = !strcmp(f->m.boot_id, "boot-1") ? "boot-2" : "boot-3";
    if (good && staged) {
        const char *end = strchr(staged, '\n');
        scratch_write(&f->s, "/run/os/booted", arena_printf(a, "%.*s", (int)(end - staged), staged));
        scratch_write(&f->s, "/proc/cmdline", arena_printf(a, "ro quiet %s\n", end + 1));
    }
    unlinkat(f->s.fd, "run/os/staged", 0);
}
