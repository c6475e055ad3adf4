#pragma once
/* A config's text becomes a config in the newest version, its findings become log lines. */
#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "format/report.h"
#include "ignition/config.h"

/* -ENODATA: the text is empty ("not a config (empty)"); -EINVAL: findings, logged, with the first in `e`. No
 * excerpt of the text is ever shown: it may hold secrets. */
int config_text_read(Arena *a, const char *name, const Buf *text, IgnConfig **ret, Error *e);
void config_report_log(const Report *r);
