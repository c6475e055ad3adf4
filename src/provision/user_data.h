#pragma once
/* What a platform hands out as user data, and the config that is in it. */
#include "base/buf.h"
#include "base/error.h"

/* Base64 in place; line breaks in it are skipped. */
int user_data_base64(Buf *data, Error *e);
int user_data_gzip(Buf *data, Error *e);
/* A config that was packed to fit into the platform's limits is unpacked, with a line in the log: gzip,
 * base64 of a JSON object or of gzip, one in the other. Anything else stays as it is. 1 when something was
 * unpacked. */
int user_data_unpack(Buf *data, Error *e);
