#pragma once
/* What fields of the built-in kinds mean, for `kubectl explain`: a sentence, in Basalt's words. */
#include "apiserver/builtin_type.h"

/* field NULL: of the type itself. NULL: nothing to say. */
const char *builtin_text(const BuiltinType *type, const char *field);
