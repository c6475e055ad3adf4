/* Any bytes as a state file: it is read or refused with a reason, and what was read is the same after it was
 * written and read again. */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/file.h"
#include "provision/state.h"

static char directory[] = "/tmp/basalt-fuzz-XXXXXX";

static void directory_remove(void)
{
    (void)tree_remove_at(AT_FDCWD, directory);
}

static void same(const char *a, const char *b)
{
    if (strcmp(a, b) != 0)
        abort();
}

static void compare(const State *a, const State *b)
{
    if (a->n_fetched_configs != b->n_fetched_configs || a->n_luks_key_files != b->n_luks_key_files ||
        a->n_luks_volume_key_files != b->n_luks_volume_key_files ||
        a->n_notated_directories != b->n_notated_directories ||
        a->provider_output_files.n != b->provider_output_files.n)
        abort();
    for (size_t i = 0; i < a->n_fetched_configs; i++) {
        same(a->fetched_configs[i].kind, b->fetched_configs[i].kind);
        same(a->fetched_configs[i].source, b->fetched_configs[i].source);
    }
    for (size_t i = 0; i < a->n_luks_key_files; i++)
        same(a->luks_key_files[i].contents, b->luks_key_files[i].contents);
    for (size_t i = 0; i < a->n_notated_directories; i++)
        same(a->notated_directories[i], b->notated_directories[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_close_ int fd = memfd_create("state", MFD_CLOEXEC);
    State state, again;
    Error e = ERROR_INIT;
    char path[64];

    static bool made; /* the name does not tell: its last letter may be an X */
    if (!made) {
        if (!mkdtemp(directory))
            abort();
        made = atexit(directory_remove) == 0;
    }
    if (fd < 0 || file_write_fd(fd, data, size) < 0)
        abort();
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    if (state_load(a, path, &state, &e) < 0) {
        if (!e.text[0])
            abort(); /* a failure that nobody is told of */
        return 0;
    }
    snprintf(path, sizeof(path), "%s/state", directory);
    if (state_save(&state, path, &e) < 0 || state_load(a, path, &again, &e) < 0)
        abort();
    compare(&state, &again);
    return 0;
}
