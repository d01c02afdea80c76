/* step_cache.h: contexts, and the cache of the steps between them.
 *
 * Model: a *context* is a number that stands for a chain of complete frames, each at its line. A context and one more
 * frame make another: the steps that were taken are in a cache, direct-mapped, by (context, instruction) and, where
 * that is new, by (context, frame row), because a line has many instructions. With its context comes a chain's
 * traceback, cut to the frames that are kept, so that it is looked up in the tables once for each context and not
 * for each event. A step that fell out of the cache gets a new number: it costs, and changes nothing.
 *
 * An entry is good as long as its stamp is that of now, which a new generation of the tracer or the death of any code
 * object changes.
 */
#ifndef PYCTM_CAPTURE_STACKCACHE_STEP_CACHE_H
#define PYCTM_CAPTURE_STACKCACHE_STEP_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct pyctm_level_context {
    uint32_t context;
    uint32_t traceback; /* row of the chain that ends here; 0: not looked up yet */
} pyctm_level_context;

typedef struct pyctm_cached_step {
    uintptr_t to;    /* instruction, or a frame row (pyctm_step_to_row) */
    uint32_t caller; /* context */
    uint32_t stamp;
    uint32_t context;
    uint32_t traceback; /* 0: not looked up yet */
} pyctm_cached_step;

/* All fields: GIL; those of the stack cache that it is part of. */
typedef struct pyctm_step_cache {
    pyctm_cached_step *rows; /* owned, 1 << log2 of them; NULL: none yet */
    uint32_t log2;
    uint32_t stamp; /* of now, not 0 */
    uint32_t lost;  /* good entries overwritten since it grew */
} pyctm_step_cache;

/* HOOK: As no instruction's address is. */
static inline uintptr_t pyctm_step_to_row(uint32_t row)
{
    return (uintptr_t)row << 1 | 1;
}

/* HOOK: */
static inline pyctm_cached_step *pyctm_step_place(const pyctm_step_cache *cache, uint32_t caller,
                                                  uintptr_t to)
{
    const uint64_t hash = (to ^ (uint64_t)caller << 32) * 0x9E3779B97F4A7C15ull;
    return &cache->rows[hash >> (64 - cache->log2)];
}

/* HOOK: Makes the entry at `at` the step from `caller` to `to`. */
static inline void pyctm_step_put(pyctm_step_cache *cache, pyctm_cached_step *at, uint32_t caller,
                                  uintptr_t to, pyctm_level_context context)
{
    cache->lost += at->stamp == cache->stamp;
    *at = (pyctm_cached_step){to, caller, cache->stamp, context.context, context.traceback};
}

/* HOOK: */
static inline bool pyctm_step_is(const pyctm_step_cache *cache, const pyctm_cached_step *step,
                                 uint32_t caller, uintptr_t to)
{
    return step->to == to && step->caller == caller && step->stamp == cache->stamp;
}

/* HOOK: The step's traceback is known now. */
static inline void pyctm_step_keep(pyctm_step_cache *cache, uint32_t caller, uintptr_t to,
                                   uint32_t traceback)
{
    pyctm_cached_step *step = pyctm_step_place(cache, caller, to);
    if (pyctm_step_is(cache, step, caller, to)) {
        step->traceback = traceback;
    }
}

/* HOOK: One complete frame more, if that step is in the cache. */
static inline bool pyctm_step_take(const pyctm_step_cache *cache, pyctm_level_context *now,
                                   const void *instruction)
{
    const pyctm_cached_step *step = pyctm_step_place(cache, now->context, (uintptr_t)instruction);
    if (!pyctm_step_is(cache, step, now->context, (uintptr_t)instruction)) {
        return false;
    }
    *now = (pyctm_level_context){step->context, step->traceback};
    return true;
}

void pyctm_step_cache_init(pyctm_step_cache *cache); /* of zeros */
/* Before a look at the cache: it must be there, and large enough for the contexts that come again and again. False: out of
 * memory. HOOK */
bool pyctm_step_cache_prepare(pyctm_step_cache *cache);
void pyctm_step_cache_forget(pyctm_step_cache *cache); /* HOOK */
/* Returns the memory; what is cached must have been forgotten. */
void pyctm_step_cache_release(pyctm_step_cache *cache);
size_t pyctm_step_cache_memory(const pyctm_step_cache *cache);

#endif
