/* site_cache.c: see site_cache.h. If memory for a larger cache is refused, the cache keeps its size. */
#include "capture/stackcache/site_cache.h"

#include <stdlib.h>
#include <string.h>

#define MOST_MASK ((1u << 16) - 1)

void pyctm_site_cache_init(pyctm_site_cache *cache)
{
    cache->rows = cache->first;
    cache->mask = PYCTM_SITES_FIRST_MASK;
    cache->epoch = 1;
}

/* HOOK: */
static void grow(pyctm_site_cache *cache)
{
    const uint32_t mask = 2 * cache->mask + 1;
    pyctm_cached_site *more = calloc((size_t)mask + 1, sizeof *more);
    cache->overwritten = 0;
    if (more == NULL) {
        return;
    }
    if (cache->rows != cache->first) {
        free(cache->rows);
    }
    cache->rows = more;
    cache->mask = mask;
}

/* HOOK: */
void pyctm_site_cache_store(pyctm_site_cache *cache, const pyctm_where *where, uint32_t size,
                            uint32_t site)
{
    pyctm_cached_site *cached = pyctm_site_cache_entry(cache, where, size);
    PYCTM_ASSERT(site != 0);
    cache->overwritten += cached->where.callers >> 32 == cache->epoch;
    *cached = (pyctm_cached_site){*where, size, site};
    if (cache->overwritten > cache->mask && cache->mask < MOST_MASK) {
        grow(cache);
    }
}

/* HOOK: */
void pyctm_site_cache_forget(pyctm_site_cache *cache)
{
    if (++cache->epoch == 0) { /* wrapped around: old epochs would be valid again */
        memset(cache->rows, 0, sizeof(pyctm_cached_site) * ((size_t)cache->mask + 1));
        cache->epoch = 1;
    }
}

PYCTM_FOR_ASSERTS static inline bool is_forgotten(const pyctm_site_cache *cache)
{
    for (size_t i = 0; i <= cache->mask; i++) {
        if (cache->rows[i].where.callers >> 32 == cache->epoch) {
            return false;
        }
    }
    return true;
}

void pyctm_site_cache_release(pyctm_site_cache *cache)
{
    PYCTM_ASSERT(is_forgotten(cache));
    if (cache->rows != cache->first) {
        free(cache->rows);
        cache->rows = cache->first;
        cache->mask = PYCTM_SITES_FIRST_MASK;
    }
    cache->overwritten = 0;
}

size_t pyctm_site_cache_memory(const pyctm_site_cache *cache)
{
    return cache->rows != cache->first ? sizeof(pyctm_cached_site) * ((size_t)cache->mask + 1) : 0;
}
