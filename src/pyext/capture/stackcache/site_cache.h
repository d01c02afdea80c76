/* site_cache.h: the cache of sites.
 *
 * Model: what the innermost frame adds to its callers changes with nearly every event. So it is looked up by its
 * instruction, in a cache, direct-mapped: (instruction, callers, size) -> site. It grows while it is too small for the
 * program. An entry is good as long as its stamp is that of now, which forgetting changes.
 */
#ifndef PYCTM_CAPTURE_STACKCACHE_SITE_CACHE_H
#define PYCTM_CAPTURE_STACKCACHE_SITE_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PYCTM_SITES_FIRST_MASK ((1u << 13) - 1)

/* Where an event is: what a site is looked up by, besides the block's size. */
typedef struct pyctm_where {
    const void *instruction; /* of the innermost frame */
    /* Row of the callers' traceback, 0: none; with nframe 1 the total instead. Above it, in the upper
     * half, the stamp of now. */
    uint64_t callers;
} pyctm_where;

typedef struct pyctm_cached_site {
    const void *instruction;
    uint64_t callers; /* as in pyctm_where, with the stamp of then */
    uint32_t size;    /* bytes */
    uint32_t site;
} pyctm_cached_site;

/* All fields: GIL; those of the stack cache that it is part of. */
typedef struct pyctm_site_cache {
    pyctm_cached_site *rows; /* owned, if they are not `first` */
    uint32_t mask;           /* one less than there are, a power of two */
    uint32_t stamp;          /* of now, not 0 */
    uint32_t lost;           /* good entries overwritten since it grew */
    pyctm_cached_site first[PYCTM_SITES_FIRST_MASK + 1];
} pyctm_site_cache;

/* HOOK: The callers of now, as in pyctm_where. */
static inline uint64_t pyctm_site_cache_stamped(const pyctm_site_cache *cache, uint32_t callers)
{
    return (uint64_t)cache->stamp << 32 | callers;
}

/* HOOK: The size comes last, because a revived object's is known last. */
static inline pyctm_cached_site *pyctm_site_cache_place(pyctm_site_cache *cache,
                                                        const pyctm_where *where, uint64_t size)
{
    const uint64_t spot = (uintptr_t)where->instruction >> 1 ^ where->callers << 39;
    const uint64_t hash = spot * 0x9E3779B97F4A7C15ull >> 40;
    return &cache->rows[(hash ^ size ^ size >> 6) & cache->mask];
}

/* HOOK: 0: not known. An instruction that has a cached site belongs to a complete frame. */
static inline uint32_t pyctm_site_cache_find(pyctm_site_cache *cache, const pyctm_where *where,
                                             uint64_t size)
{
    const pyctm_cached_site *cached = pyctm_site_cache_place(cache, where, size);
    const bool is_cached = cached->instruction == where->instruction &&
                           cached->callers == where->callers && cached->size == size;
    return is_cached ? cached->site : 0;
}

void pyctm_site_cache_init(pyctm_site_cache *cache); /* of zeros */
void pyctm_site_cache_keep(pyctm_site_cache *cache, const pyctm_where *where, uint32_t size,
                           uint32_t site);             /* HOOK */
void pyctm_site_cache_forget(pyctm_site_cache *cache); /* HOOK */
/* Returns the memory; what is cached must have been forgotten. */
void pyctm_site_cache_release(pyctm_site_cache *cache);
size_t pyctm_site_cache_memory(const pyctm_site_cache *cache);

#endif
