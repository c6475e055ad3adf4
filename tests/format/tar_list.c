/* tar_list PIECE < TAR: a line an entry, the stream fed in pieces of so many bytes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "format/tar.h"

static uint64_t sum;

static int entry(void *context, const TarEntry *t, Error *e)
{
    (void)context, (void)e;
    sum = 0;
    printf("%c %04o %u:%u %llu %s", "f1lcbdp"[t->type], t -> mode, t -> uid, t -> gid,
           (unsigned long long)t -> size, t -> path);
    if (t->link[0])
        printf(" -> %s", t->link);
    for (size_t i = 0; i < t->n_xattrs; i++)
        printf(" [%s=%.*s]", t->xattrs[i].name, (int)t->xattrs[i].n, (const char *)t->xattrs[i].value);
    printf("\n");
    return 0;
}

static int data(void *context, const void *p, size_t n, Error *e)
{
    (void)context, (void)e;
    for (size_t i = 0; i < n; i++)
        sum = sum * 31 + ((const unsigned char *)p)[i];
    return 0;
}

static int end(void *context, Error *e)
{
    (void)context, (void)e;
    printf("  %llu\n", (unsigned long long)sum);
    return 0;
}

int main(int argc, char **argv)
{
    static const TarSink sink = {entry, data, end};
    _cleanup_(tar_reader_freep)
    TarReader *r = tar_reader_new(&sink, NULL);
    _cleanup_buf_ Buf in = BUF_INIT;
    Error e = ERROR_INIT;
    size_t piece = argc > 1 ? strtoul(argv[1], NULL, 10) : 4096;
    int k = file_read_fd(0, 64 << 20, &in);

    for (size_t at = 0; k >= 0 && at < in.len; at += piece)
        k = tar_reader_feed(r, in.data + at, in.len - at < piece ? in.len - at : piece, &e);
    k = k < 0 ? k : tar_reader_finish(r, &e);
    fflush(stdout);
    if (k < 0)
        fprintf(stderr, "%s\n", e.text);
    return k < 0;
}
