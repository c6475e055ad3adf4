#pragma once
/* Pages of memory. */
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

/* Memory that is about to be filled gets its pages in one call, where the kernel can (Linux 5.14); where it
 * cannot they come one by one, as always. */
static inline void memory_populate(void *p, size_t n)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), start = ((uintptr_t)p + page - 1) & ~(page - 1);
    uintptr_t end = ((uintptr_t)p + n) & ~(page - 1);
    if (end > start)
        (void)madvise((void *)start, end - start, MADV_POPULATE_WRITE);
}
