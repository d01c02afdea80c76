/* site_cache.h: the site cache.
 *
 * Model: the site of an event depends on the callers, and on the instruction of the innermost frame and the size, which
 * change with nearly every event. So a direct-mapped cache leads from (instruction, callers, size) to the site. It
 * grows while it is too small for the program. An entry is valid if it has the current epoch; forgetting changes the
 * epoch.
 *
 * With labels (capture/labels.h) each label set has an epoch of its own until everything is forgotten, so that its entries are found
 * again whenever a thread has it.
 */
#ifndef PYCTM_CAPTURE_STACKCACHE_SITE_CACHE_H
#define PYCTM_CAPTURE_STACKCACHE_SITE_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "capture/frames/assert.h"

#define PYCTM_SITES_FIRST_MASK ((1u << 13) - 1)

/* The key of a site, without the block's size. */
typedef struct pyctm_where {
    const void *instruction; /* of the innermost frame */
    /* Row of the callers' traceback, 0: none; with nframe 1 the total of frames instead. The upper half is the current
     * epoch. */
    uint64_t callers;
} pyctm_where;

/* What is the same as long as a thread's labels are: see capture/labels.h. `thread` 0: never. */
typedef struct pyctm_label_moment {
    uint64_t thread, version; /* of the thread state, and of its context */
    const void *vars;         /* what the context has; only compared */
    uint32_t serial;
} pyctm_label_moment;

/* A row of the site cache, which owns it. Lock: the GIL. */
typedef struct pyctm_cached_site {
    pyctm_where where; /* with the epoch of that time */
    uint32_t size;     /* bytes */
    uint32_t site;
} pyctm_cached_site;

/* Lock of all fields: the GIL, as for the stack cache that contains it. */
typedef struct pyctm_site_cache {
    pyctm_cached_site *rows;   /* owned, if it is not `first` */
    uint32_t mask;             /* number of rows, a power of two, minus one */
    uint32_t epoch;            /* the current one, not 0 */
    uint32_t labels;           /* handle of the label set that it is for; 0: none */
    uint64_t switched_thread;  /* whose labels these were found to be; 0: none's */
    const void *switched_vars; /* what that thread's context had; only compared */
    uint32_t last_epoch;       /* the newest one */
    uint32_t first_epoch;      /* the first one since everything was forgotten, that of no labels */
    uint32_t *epochs;          /* owned, `n_epochs` of them: by handle; before first_epoch: none */
    uint32_t n_epochs;
    uint32_t overwritten; /* valid entries overwritten since it grew */
    pyctm_cached_site first[PYCTM_SITES_FIRST_MASK + 1];
} pyctm_site_cache;

/* HOOK: The callers with the current epoch, as in pyctm_where. */
static inline uint64_t pyctm_site_cache_with_epoch(const pyctm_site_cache *cache, uint32_t callers)
{
    return (uint64_t)cache->epoch << 32 | callers;
}

/* HOOK: What was remembered of the callers may have the epoch of other labels. */
static inline void pyctm_site_cache_set_epoch(const pyctm_site_cache *cache, pyctm_where *where)
{
    where->callers = pyctm_site_cache_with_epoch(cache, (uint32_t)where->callers);
}

/* HOOK: */
static inline bool pyctm_where_equal(const pyctm_where *a, const pyctm_where *b)
{
    return a->instruction == b->instruction && a->callers == b->callers;
}

/* HOOK: The size is hashed last, because a revived object's size is the last to be known. */
static inline pyctm_cached_site *pyctm_site_cache_entry(pyctm_site_cache *cache,
                                                        const pyctm_where *where, uint64_t size)
{
    PYCTM_ASSERT(cache->rows != NULL && (cache->mask & (cache->mask + 1)) == 0);
    PYCTM_ASSERT(where->callers >> 32 == cache->epoch);
    const uint64_t spot = (uintptr_t)where->instruction >> 1 ^ where->callers << 39;
    const uint64_t hash = spot * 0x9E3779B97F4A7C15ull >> 40;
    return &cache->rows[(hash ^ size ^ size >> 6) & cache->mask];
}

/* HOOK: The cached site; 0: none. An instruction that has a cached site belongs to a complete frame. */
static inline uint32_t pyctm_site_cache_find(pyctm_site_cache *cache, const pyctm_where *where,
                                             uint64_t size)
{
    const pyctm_cached_site *cached = pyctm_site_cache_entry(cache, where, size);
    const bool is_cached = pyctm_where_equal(&cached->where, where) && cached->size == size;
    return is_cached ? cached->site : 0;
}

void pyctm_site_cache_init(pyctm_site_cache *cache); /* of zeroed memory */
void pyctm_site_cache_store(pyctm_site_cache *cache, const pyctm_where *where, uint32_t size,
                            uint32_t site);            /* HOOK: */
void pyctm_site_cache_forget(pyctm_site_cache *cache); /* HOOK: Afterwards it is for no labels. */
/* HOOK: Makes the epoch of this label set the current one. */
void pyctm_site_cache_switch(pyctm_site_cache *cache, uint32_t labels);
/* Returns the memory to the system; the entries must have been forgotten. */
void pyctm_site_cache_release(pyctm_site_cache *cache);
size_t pyctm_site_cache_memory(const pyctm_site_cache *cache);

#endif
