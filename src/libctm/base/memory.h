/* base/memory.h: all memory of the library is allocated here.
 *
 * Model: libc's malloc for small private arrays, anonymous mmap for tables. The allocator
 * hooks see neither, so the tracer never traces itself. Every allocation goes through this
 * file, so tests can make each of them fail. Any thread. A size of 0
 * is allowed and gives a pointer that must be freed.
 */
#ifndef CTMI_BASE_MEMORY_H
#define CTMI_BASE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

/* For tests: from now on `refuses` is asked before each request, from any thread. True: it is refused, as if there
 * were no memory. NULL: nobody is asked. */
typedef bool ctmi_mem_refuses(size_t size);
void ctmi_mem_set_refuses(ctmi_mem_refuses *refuses);

/* Uninitialised, 16-byte aligned, freed with ctmi_mem_free (which is free()). NULL: out of memory. */
void *ctmi_mem_alloc(size_t size);
/* As realloc: on NULL the old memory is untouched. */
void *ctmi_mem_realloc(void *memory, size_t size);
void ctmi_mem_free(void *memory);

/* Zeroed pages, unmapped by ctmi_mem_unmap with the same size. NULL: out of memory. */
void *ctmi_mem_map(size_t size);
void ctmi_mem_unmap(void *memory, size_t size);

/* Tells the system that few pages of the mapping will be touched, so it uses no huge pages. */
void ctmi_mem_sparse(void *memory, size_t size);

/* Resident bytes of the mapping [memory, memory + size), now. */
size_t ctmi_mem_resident(const void *memory, size_t size);
/* `size` rounded up to whole pages. */
size_t ctmi_mem_pages(size_t size);

#endif
