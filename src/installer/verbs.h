#pragma once
/* The verbs of `basalt`, a file each; main.c is their table. Each takes its positional arguments (argv[0] is
 * the verb), has its options beside it, and returns the exit code. */
#include "base/command.h"

enum { EXIT_INSTALL_CONFIG = 3 }; /* the install config is missing or wrong; documented */

extern const Option create_options[];
int verb_create(int argc, char **argv); /* argv[0]: the target */
int verb_explain(int argc, char **argv);
int verb_graph(int argc, char **argv);
int verb_version(int argc, char **argv);
int verb_completion(int argc, char **argv);
extern const Option certs_show_options[], certs_renew_options[], certs_recover_options[];
int verb_certs_show(int argc, char **argv);
int verb_certs_renew(int argc, char **argv);
int verb_certs_recover(int argc, char **argv);
extern const Option convert_options[];
int verb_convert(int argc, char **argv);
extern const Option validate_options[];
int verb_validate(int argc, char **argv);

extern const Option image_delta_options[];
int verb_image_delta(int argc, char **argv);

extern const Option machine_config_options[];
int verb_machine_config(int argc, char **argv);

extern const Option render_options[];
int verb_render(int argc, char **argv);

extern const Option plan_options[];
int verb_plan(int argc, char **argv);

extern const Option wait_pools_options[];
int verb_wait_pools(int argc, char **argv);

extern const Option up_options[], down_options[];
int verb_up(int argc, char **argv);
int verb_down(int argc, char **argv);
extern const Option machine_list_options[], machine_options[];
int verb_machine_list(int argc, char **argv);
int verb_machine_shell(int argc, char **argv);
int verb_machine_log(int argc, char **argv);
