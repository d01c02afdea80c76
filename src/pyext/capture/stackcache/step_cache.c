/* step_cache.c: see step_cache.h. */
#include "capture/stackcache/step_cache.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_LOG2 11u /* of a new cache */
#define MOST_LOG2 18u  /* it grows while it is too small for the program */

void pyctm_step_cache_init(pyctm_step_cache *cache)
{
    cache->epoch = 1;
}

/* HOOK: Replaces the cache by a larger, empty one. False: out of memory, nothing changed. */
static bool grow(pyctm_step_cache *cache, uint32_t log2)
{
    pyctm_cached_step *more = calloc((size_t)1 << log2, sizeof *more);
    if (more == NULL) {
        return false;
    }
    free(cache->rows);
    cache->rows = more;
    cache->log2 = log2;
    cache->overwritten = 0;
    return true;
}

/* HOOK: */
bool pyctm_step_cache_prepare(pyctm_step_cache *cache)
{
    if (cache->rows == NULL) {
        return grow(cache, FIRST_LOG2);
    }
    if (cache->overwritten >> cache->log2 != 0 && cache->log2 < MOST_LOG2) {
        cache->overwritten = 0;
        (void)grow(cache, cache->log2 + 2 < MOST_LOG2 ? cache->log2 + 2 : MOST_LOG2);
    }
    return true;
}

/* HOOK: */
void pyctm_step_cache_forget(pyctm_step_cache *cache)
{
    if (++cache->epoch == 0) { /* wrapped around: old epochs would be valid again */
        if (cache->rows != NULL) {
            memset(cache->rows, 0, sizeof(pyctm_cached_step) << cache->log2);
        }
        cache->epoch = 1;
    }
}

PYCTM_FOR_ASSERTS static inline bool is_forgotten(const pyctm_step_cache *cache)
{
    for (size_t i = 0; cache->rows != NULL && i >> cache->log2 == 0; i++) {
        if (cache->rows[i].epoch == cache->epoch) {
            return false;
        }
    }
    return true;
}

void pyctm_step_cache_release(pyctm_step_cache *cache)
{
    PYCTM_ASSERT(is_forgotten(cache));
    free(cache->rows);
    cache->rows = NULL;
}

size_t pyctm_step_cache_memory(const pyctm_step_cache *cache)
{
    return cache->rows != NULL ? sizeof(pyctm_cached_step) << cache->log2 : 0;
}
