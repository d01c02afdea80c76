/* site_cache.c: see site_cache.h. If memory for a larger cache is refused, the cache keeps its size. */
#include "capture/stackcache/site_cache.h"

#include <stdlib.h>
#include <string.h>

#define MOST_MASK ((1u << 16) - 1)

void pyctm_site_cache_init(pyctm_site_cache *cache)
{
    cache->rows = cache->first;
    cache->mask = PYCTM_SITES_FIRST_MASK;
    cache->epoch = cache->first_epoch = cache->last_epoch = 1;
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
    cache->overwritten += cached->where.callers >> 32 >= cache->first_epoch;
    *cached = (pyctm_cached_site){*where, size, site};
    if (cache->overwritten > cache->mask && cache->mask < MOST_MASK) {
        grow(cache);
    }
}

/* HOOK: */
static void next_epoch(pyctm_site_cache *cache)
{
    if (++cache->last_epoch == 0) { /* wrapped around: old epochs would be valid again */
        memset(cache->rows, 0, sizeof(pyctm_cached_site) * ((size_t)cache->mask + 1));
        for (uint32_t i = 0; i < cache->n_epochs; i++) {
            cache->epochs[i] = 0;
        }
        cache->first_epoch = 1;
        cache->last_epoch = 2;
    }
    cache->epoch = cache->last_epoch;
}

/* HOOK: */
void pyctm_site_cache_forget(pyctm_site_cache *cache)
{
    next_epoch(cache);
    cache->first_epoch = cache->epoch;
    cache->labels = 0;
    cache->switched_thread = 0;
}

/* HOOK: Without memory for its epoch the label set gets a new one each time. */
static bool reach(pyctm_site_cache *cache, uint32_t labels)
{
    if (labels < cache->n_epochs) {
        return true;
    }
    uint32_t more = cache->n_epochs != 0 ? cache->n_epochs : 64;
    while (more <= labels) {
        more *= 2;
    }
    uint32_t *epochs = realloc(cache->epochs, more * sizeof *epochs);
    if (epochs == NULL) {
        return false;
    }
    memset(epochs + cache->n_epochs, 0, (more - cache->n_epochs) * sizeof *epochs);
    cache->epochs = epochs;
    cache->n_epochs = more;
    return true;
}

/* HOOK: */
void pyctm_site_cache_switch(pyctm_site_cache *cache, uint32_t labels)
{
    cache->labels = labels;
    if (labels == 0) {
        cache->epoch = cache->first_epoch;
        return;
    }
    const bool has_place = reach(cache, labels);
    if (has_place && cache->epochs[labels] > cache->first_epoch) {
        cache->epoch = cache->epochs[labels];
        return;
    }
    next_epoch(cache);
    if (has_place) {
        cache->epochs[labels] = cache->epoch;
    }
}

PYCTM_FOR_ASSERTS static inline bool is_forgotten(const pyctm_site_cache *cache)
{
    for (size_t i = 0; i <= cache->mask; i++) {
        if (cache->rows[i].where.callers >> 32 >= cache->first_epoch) {
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
    free(cache->epochs);
    cache->epochs = NULL;
    cache->n_epochs = 0;
}

size_t pyctm_site_cache_memory(const pyctm_site_cache *cache)
{
    const size_t rows = cache->rows != cache->first ? (size_t)cache->mask + 1 : 0;
    return rows * sizeof(pyctm_cached_site) + cache->n_epochs * sizeof(uint32_t);
}
