/* step_cache.h: contexts, and the cache of the steps between them.
 *
 * Model: a *context* is a number that stands for a chain of complete frames, each at its line. A *step* leads from a
 * context and one more frame to the next context. A direct-mapped cache holds the steps by (context, instruction); if
 * that key is new, the step is looked up by (context, frame row), because a line has many instructions. A step also
 * holds the traceback of its chain, cut to the traceback limit, so the tables are searched once per context and not per
 * event. A step that was overwritten in the cache gets a new context number; that costs time and changes no result.
 *
 * An entry is valid if it has the current epoch. A new generation of the tracer or the death of any code object changes
 * the epoch.
 */
#ifndef PYCTM_CAPTURE_STACKCACHE_STEP_CACHE_H
#define PYCTM_CAPTURE_STACKCACHE_STEP_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "capture/frames/assert.h"

/* Lock: the GIL, as for the stack cache, which owns those of the levels. */
typedef struct pyctm_level_context {
    uint32_t context;   /* 0: of no frames */
    uint32_t traceback; /* row of the chain up to this level; 0: not looked up yet */
} pyctm_level_context;

/* A row of the step cache, which owns it. Lock: the GIL. */
typedef struct pyctm_cached_step {
    uintptr_t to;    /* key: an instruction, or a frame row (pyctm_step_to_row) */
    uint32_t caller; /* key: a context */
    uint32_t epoch;
    uint32_t context;   /* the next one */
    uint32_t traceback; /* 0: not looked up yet */
} pyctm_cached_step;

/* Lock of all fields: the GIL, as for the stack cache that contains it. */
typedef struct pyctm_step_cache {
    pyctm_cached_step *rows; /* owned, 1 << log2 of them; NULL: none yet */
    uint32_t log2;
    uint32_t epoch;       /* the current one, not 0 */
    uint32_t overwritten; /* valid entries overwritten since it grew */
} pyctm_step_cache;

/* HOOK: The key of a frame row: odd, so no instruction's address equals it. */
static inline uintptr_t pyctm_step_to_row(uint32_t row)
{
    return (uintptr_t)row << 1 | 1;
}

/* HOOK: */
static inline pyctm_cached_step *pyctm_step_entry(const pyctm_step_cache *cache, uint32_t caller,
                                                  uintptr_t to)
{
    PYCTM_ASSERT(cache->rows != NULL && cache->log2 > 0 && cache->log2 < 32);
    const uint64_t hash = (to ^ (uint64_t)caller << 32) * 0x9E3779B97F4A7C15ull;
    return &cache->rows[hash >> (64 - cache->log2)];
}

/* HOOK: Overwrites the entry at `at` with the step from `caller` to `to`. */
static inline void pyctm_step_put(pyctm_step_cache *cache, pyctm_cached_step *at, uint32_t caller,
                                  uintptr_t to, pyctm_level_context context)
{
    PYCTM_ASSERT(cache->epoch != 0 && context.context != 0);
    cache->overwritten += at->epoch == cache->epoch;
    *at = (pyctm_cached_step){to, caller, cache->epoch, context.context, context.traceback};
}

/* HOOK: */
static inline bool pyctm_step_is(const pyctm_step_cache *cache, const pyctm_cached_step *step,
                                 uint32_t caller, uintptr_t to)
{
    return step->to == to && step->caller == caller && step->epoch == cache->epoch;
}

/* HOOK: Stores the step's traceback, which is known now. */
static inline void pyctm_step_set_traceback(pyctm_step_cache *cache, uint32_t caller, uintptr_t to,
                                            uint32_t traceback)
{
    PYCTM_ASSERT(traceback != 0);
    pyctm_cached_step *step = pyctm_step_entry(cache, caller, to);
    if (pyctm_step_is(cache, step, caller, to)) {
        step->traceback = traceback;
    }
}

/* HOOK: Goes from *now to the next context, if that step is in the cache. */
static inline bool pyctm_step_take(const pyctm_step_cache *cache, pyctm_level_context *now,
                                   const void *instruction)
{
    const pyctm_cached_step *step = pyctm_step_entry(cache, now->context, (uintptr_t)instruction);
    if (!pyctm_step_is(cache, step, now->context, (uintptr_t)instruction)) {
        return false;
    }
    *now = (pyctm_level_context){step->context, step->traceback};
    return true;
}

void pyctm_step_cache_init(pyctm_step_cache *cache); /* of zeroed memory */
/* HOOK: Called before a search of the cache: allocates it, or lets it grow to the number of contexts that are used again.
 * False: out of memory. */
bool pyctm_step_cache_prepare(pyctm_step_cache *cache);
void pyctm_step_cache_forget(pyctm_step_cache *cache); /* HOOK: */
/* Returns the memory to the system; the entries must have been forgotten. */
void pyctm_step_cache_release(pyctm_step_cache *cache);
size_t pyctm_step_cache_memory(const pyctm_step_cache *cache);

#endif
