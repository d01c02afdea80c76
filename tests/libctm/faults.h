/* faults.h: memory refused on purpose, and counted.
 *
 * Model: in a program that includes this the library asks here before each request for memory.
 */
#ifndef CTM_TESTS_FAULTS_H
#define CTM_TESTS_FAULTS_H

#include <stdatomic.h>

#include "base/memory.h"

/* The fault_at-th request from now is refused (1: the next one), once; 0: none is; below 0: all are. */
static _Atomic long fault_at;
/* Bytes asked for so far. */
static _Atomic size_t bytes_asked;

static inline bool fault_refuses(size_t size)
{
    atomic_fetch_add(&bytes_asked, size);
    const long at = atomic_load(&fault_at);
    return at < 0 || (at > 0 && atomic_fetch_sub(&fault_at, 1) == 1);
}

/* Before main. */
__attribute__((constructor)) static void faults_begin(void)
{
    ctmi_mem_set_refuses(fault_refuses);
}

#endif
