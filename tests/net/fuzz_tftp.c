/* Packets as a server may send them: what is taken keeps to what was asked for, and nothing points outside.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "net/tftp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    TftpPacket p;
    uint8_t out[512];

    if (tftp_packet_read(data, size, &p) == 0) {
        assert(p.kind == TFTP_DATA || p.kind == TFTP_ERROR || p.kind == TFTP_OPTIONS);
        assert(p.block_size == 0 || (p.block_size >= 8 && p.block_size <= TFTP_BLOCK_WANTED));
        assert(p.kind != TFTP_DATA || (p.data == data + 4 && p.n == size - 4));
        assert(memchr(p.text, '\0', sizeof(p.text)));
        for (const char *c = p.text; *c; c++)
            assert(*c >= ' ' && *c <= '~');
    }
    char *path = malloc(size + 1);
    if (!path)
        abort();
    memcpy(path, data, size);
    path[size] = '\0';
    size_t n = tftp_request_write(path, true, out, sizeof(out));
    assert(n <= sizeof(out) && (n == 0 || out[n - 1] == '\0'));
    free(path);
    return 0;
}
