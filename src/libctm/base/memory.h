/* memory.h: the one place where the core gets memory.
 *
 * Model: libc's malloc for small private arrays, anonymous mmap for tables. Neither
 * is seen by the allocator hooks, so the tracer never traces itself. Every call that
 * can fail goes through here, so that tests built with -DCTM_FAULTS can make each of
 * them fail. Any thread; sizes of 0 are allowed and give a pointer to free.
 */
#ifndef CTMI_BASE_MEMORY_H
#define CTMI_BASE_MEMORY_H

#include <stddef.h>

#ifdef CTM_FAULTS
#include <stdatomic.h>
/* The ctmi_mem_fail_at-th call from now fails (1: the next one), once; 0: none does; below 0: all do. */
extern _Atomic long ctmi_mem_fail_at;
/* Calls that could have failed, so far, and the bytes they asked for. */
extern _Atomic long ctmi_mem_calls;
extern _Atomic size_t ctmi_mem_asked;
#endif

/* Uninitialised, 16-byte aligned, freed with ctmi_mem_free (which is free()). NULL: refused. */
void *ctmi_mem_alloc(size_t size);
/* As realloc: on NULL the old memory is untouched. */
void *ctmi_mem_realloc(void *memory, size_t size);
void ctmi_mem_free(void *memory);

/* Zeroed pages, given back by ctmi_mem_unmap with the same size. NULL: refused. */
void *ctmi_mem_map(size_t size);
void ctmi_mem_unmap(void *memory, size_t size);

/* Tells the system that the mapping will be touched in few places: no huge pages. */
void ctmi_mem_sparse(void *memory, size_t size);

/* Bytes of [memory, memory + size), a mapping, that are resident now. */
size_t ctmi_mem_resident(const void *memory, size_t size);
/* `size` rounded up to whole pages. */
size_t ctmi_mem_pages(size_t size);

#endif
