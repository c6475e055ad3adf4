#pragma once
/* One value in a TOML text is set, and nothing else of it is touched: comments, order and blanks stay. */
#include "base/buf.h"

/* In `table` ("crio.runtime"; made at the end when there is none), `key` becomes `value`, which is TOML
 * already. The text is one that toml_read() takes; values over several lines are not followed. */
void toml_edit_set(Buf *text, const char *table, const char *key, const char *value);
