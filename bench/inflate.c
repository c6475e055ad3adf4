/* bench-inflate FILE [sha512]: inflates a gzip file with the inflater of the provisioner and throws the bytes
 * away, or hashes them in the same thread: the floor that fetching a compressed resource is measured against.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "format/compress.h"
#include "format/digest.h"

static int piece_take(void *context, const void *data, size_t n)
{
    Digest *d = context;
    if (d)
        digest_update(d, data, n);
    return 0;
}

static int inflate(int fd, Inflater *i, Error *e)
{
    static char piece[64 << 10];
    ssize_t n;
    while ((n = read(fd, piece, sizeof(piece))) > 0) {
        int r = inflater_feed(i, piece, (size_t)n, e);
        if (r < 0)
            return r;
    }
    return n < 0 ? error_errno(e, -errno, "reading") : inflater_finish(i, e);
}

int main(int argc, char **argv)
{
    Error e = ERROR_INIT;
    Digest *digest = NULL;
    Inflater *inflater = NULL;
    int fd = argc > 1 ? open(argv[1], O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0) {
        fputs("usage: bench-inflate FILE [sha512]\n", stderr);
        return 2;
    }
    int r = argc > 2 ? digest_new(DIGEST_SHA512, &digest, &e) : 0;
    if (r >= 0)
        r = inflater_new(COMPRESSION_GZIP, UINT64_MAX, piece_take, digest, &inflater, &e);
    if (r >= 0)
        r = inflate(fd, inflater, &e);
    if (r < 0)
        fprintf(stderr, "%s\n", e.text);
    inflater_free(inflater);
    digest_free(digest);
    close(fd);
    return r < 0;
}
