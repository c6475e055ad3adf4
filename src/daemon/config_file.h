#pragma once
/* MachineConfigs from where the daemon keeps and gets them: files that a person names, files of its own below
 * a root, objects of the API. */
#include "machineconfig/machine_config.h"

#define DAEMON_DIR     "/etc/machine-config-daemon"
#define CURRENT_CONFIG DAEMON_DIR "/currentconfig"
enum { CONFIG_FILE_MAX = 32 << 20 };

/* YAML or JSON, "-" is standard input. Findings in the report, whose excerpts show nothing of the text. */
int config_file_document(Arena *a, const char *path, Node **ret, Report *r, Error *e);
int config_file_read(Arena *a, const char *path, MachineConfig **ret, Report *r, Error *e);
/* JSON of the daemon's own, below a root. -ENOENT: there is none. */
int config_file_json(Arena *a, int root, const char *path, Node **ret, Error *e);
/* What the machine has been brought to; NULL: nothing yet. */
int config_file_current(Arena *a, int root, MachineConfig **ret, Error *e);
int config_from_node(Arena *a, const Node *document, MachineConfig **ret, Error *e);
