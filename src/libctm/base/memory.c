/* base/memory.c: see base/memory.h. */
#include "base/memory.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static ctmi_mem_refuses *_Atomic refuses_hook;

void ctmi_mem_set_refuses(ctmi_mem_refuses *refuses)
{
    atomic_store(&refuses_hook, refuses);
}

static bool is_refused(size_t size)
{
    ctmi_mem_refuses *const refuses = atomic_load_explicit(&refuses_hook, memory_order_relaxed);
    return refuses != NULL && refuses(size);
}

void *ctmi_mem_alloc(size_t size)
{
    return is_refused(size) ? NULL : malloc(size ? size : 1);
}

void *ctmi_mem_realloc(void *memory, size_t size)
{
    return is_refused(size) ? NULL : realloc(memory, size ? size : 1);
}

void ctmi_mem_free(void *memory)
{
    free(memory);
}

static size_t page_size(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

size_t ctmi_mem_pages(size_t size)
{
    size_t page = page_size();
    return (size + page - 1) / page * page;
}

void *ctmi_mem_map(size_t size)
{
    if (is_refused(size)) {
        return NULL;
    }
    void *memory =
        mmap(NULL, size ? size : 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

void ctmi_mem_unmap(void *memory, size_t size)
{
    munmap(memory, size ? size : 1);
}

void ctmi_mem_sparse(void *memory, size_t size)
{
    /* Advice only: if it fails, the mapping works the same and may take more memory. */
    (void)madvise(memory, size, MADV_NOHUGEPAGE);
}

size_t ctmi_mem_resident(const void *memory, size_t size)
{
    unsigned char present[1024];
    size_t page = page_size(), pages = ctmi_mem_pages(size) / page, resident = 0;
    char *at = (char *)(uintptr_t)memory;
    while (pages > 0) {
        size_t n = pages < sizeof present ? pages : sizeof present;
        if (mincore(at, n * page, present) != 0) {
            return resident + pages * page; /* not known: all of it counts as resident */
        }
        for (size_t i = 0; i < n; i++) {
            resident += (present[i] & 1u) * page;
        }
        at += n * page;
        pages -= n;
    }
    return resident;
}
