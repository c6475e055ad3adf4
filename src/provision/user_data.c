/* User data has little room on most platforms (16 KiB), so people pack it. A config is a JSON object: it
 * starts with a brace, which neither gzip nor base64 text does, so nothing that Ignition would take is
 * changed by looking. Base64 is only taken for such when what comes out looks like a config or like gzip. At
 * most three layers; the size of each is bounded. */
#include "provision/user_data.h"

#include <string.h>

#include "base/log.h"
#include "format/compress.h"
#include "format/data_url.h"
#include "provision/platform.h"

enum { LAYERS_MAX = 3 };

static void replace(Buf *data, Buf *by)
{
    buf_done_secret(data);
    *data = *by;
    *by = BUF_INIT;
}

static int base64_read(const Buf *data, Buf *ret)
{
    _cleanup_(buf_done_secret)
    Buf line = BUF_INIT;

    if (data->len == 0)
        return 0;
    char *to = buf_reserve(&line, data->len);
    for (size_t i = 0; i < data->len; i++)
        if (data->data[i] != '\n' && data->data[i] != '\r')
            to[line.len++] = data->data[i];
    return base64_decode(to, line.len, ret);
}

int user_data_base64(Buf *data, Error *e)
{
    _cleanup_(buf_done_secret)
    Buf bytes = BUF_INIT;

    if (base64_read(data, &bytes) < 0)
        return error_set(e, EINVAL, "decoding userdata: it is no base64");
    replace(data, &bytes);
    return 0;
}

static bool gzip_is(const Buf *data)
{
    return data->len > 2 && memcmp(data->data, "\x1f\x8b\x08", 3) == 0;
}

int user_data_gzip(Buf *data, Error *e)
{
    _cleanup_(buf_done_secret)
    Buf bytes = BUF_INIT;
    int r = inflate_all(COMPRESSION_GZIP, data->data, data->len, PLATFORM_CONFIG_MAX, &bytes, e);

    if (r < 0)
        return error_wrap(e, r, "decompressing userdata");
    replace(data, &bytes);
    return 0;
}

static bool object_is(const Buf *data)
{
    size_t i = 0;

    while (i < data->len && strchr(" \t\r\n", data->data[i]) && data->data[i])
        i++;
    return i < data->len && data->data[i] == '{';
}

int user_data_unpack(Buf *data, Error *e)
{
    int r, unpacked = 0;

    for (int i = 0; i < LAYERS_MAX && data->len > 0 && !object_is(data); i++) {
        _cleanup_(buf_done_secret)
        Buf bytes = BUF_INIT;
        if (gzip_is(data)) {
            log_info("the user data is compressed with gzip, decompressing it");
            r = user_data_gzip(data, e);
            if (r < 0)
                return r;
        } else if (base64_read(data, &bytes) >= 0 && (object_is(&bytes) || gzip_is(&bytes))) {
            log_info("the user data is encoded as base64, decoding it");
            replace(data, &bytes);
        } else {
            break;
        }
        unpacked = 1;
    }
    return unpacked;
}
