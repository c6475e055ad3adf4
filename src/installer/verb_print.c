/* The verbs that only print: graph, version, completion. */
#include <stdio.h>
#include <string.h>

#include "installer/asset.h"
#include "installer/verbs.h"

int verb_graph(int argc _unused_, char **argv _unused_)
{
    _cleanup_buf_ Buf out = BUF_INIT;
    asset_graph_write(&out);
    return fwrite(out.data, 1, out.len, stdout) == out.len ? 0 : 1;
}

int verb_version(int argc _unused_, char **argv _unused_)
{
    printf("basalt %s\n", BASALT_VERSION);
    return 0;
}

/* The installed one. It asks the program itself, so it never grows old. */
static const char script[] = {
#include "completion-bash.inc"
    , 0};

int verb_completion(int argc _unused_, char **argv)
{
    if (strcmp(argv[1], "bash") != 0) {
        fprintf(stderr, "basalt completion: no script for \"%s\"; there is one for bash\n", argv[1]);
        return EXIT_USAGE;
    }
    fputs(script, stdout);
    return 0;
}
