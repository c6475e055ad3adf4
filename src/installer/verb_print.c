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

/* The script asks the program itself, so it never grows old. */
int verb_completion(int argc _unused_, char **argv)
{
    if (strcmp(argv[1], "bash") != 0) {
        fprintf(stderr, "basalt completion: no script for \"%s\"; there is one for bash\n", argv[1]);
        return EXIT_USAGE;
    }
    fputs("_basalt()\n"
          "{\n"
          "    local words word=\"${COMP_WORDS[COMP_CWORD]}\"\n"
          "    words=$(\"${COMP_WORDS[0]}\" __complete \"${COMP_WORDS[@]:1:COMP_CWORD}\" 2>/dev/null)\n"
          "    COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n"
          "    [ ${#COMPREPLY[@]} -gt 0 ] || COMPREPLY=($(compgen -f -- \"$word\"))\n"
          "}\n"
          "complete -o filenames -F _basalt basalt\n",
          stdout);
    return 0;
}
