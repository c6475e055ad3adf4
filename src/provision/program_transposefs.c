/* `basalt-ignition transposefs save|restore`: the root moved to another device, around the disks stage. For
 * the units of the initramfs; exit codes as of the stages. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "provision/go_flags.h"
#include "provision/program.h"
#include "provision/root_move.h"

static const struct {
    const char *name;
    int (*run)(const char *config_cache, Error *e);
} verbs[] = {{"save", root_move_save}, {"restore", root_move_restore}};

int program_transposefs(int argc, char **argv)
{
    const char *cache = "/run/ignition.json";
    bool version = false, to_stdout = false;
    const GoFlag flags[] = {
        {"config-cache", GO_FLAG_STRING, &cache, "where the config is (default \"/run/ignition.json\")"},
        {"log-to-stdout", GO_FLAG_BOOL, &to_stdout, "log to stdout instead of the journal"},
        {"version", GO_FLAG_BOOL, &version, "print the version and exit"},
        {.name = NULL},
    };
    const ProgramUsage usage = {flags, argv[0], "save|restore [flags]"};
    int code;

    if (!program_goes_on(&usage, &(ProgramWords){argc, argv, 1, 2}, &version, &code))
        return code;
    for (size_t i = 0; i < ELEMENTS(verbs); i++)
        if (strcmp(argv[0], verbs[i].name) == 0) {
            Error e = ERROR_INIT;
            program_log_open(to_stdout);
            return verbs[i].run(cache, &e) < 0 ? program_failed(to_stdout, "moving the root failed", e.text)
                                               : 0;
        }
    return program_usage(&usage, NULL, 2);
}
