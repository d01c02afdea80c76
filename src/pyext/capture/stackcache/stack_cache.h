/* stack_cache.h: from the stack of whoever holds the main interpreter's GIL to a site, by what earlier events have found out.
 *
 * Model: the remembered stack (stack.h), the contexts of its levels (step_cache.h) and the sites of what its innermost frame
 * allocated (site_cache.h). There is one, for shard 0: the GIL guards it. The functions that a hook calls are given it.
 */
#ifndef PYCTM_CAPTURE_STACKCACHE_STACK_CACHE_H
#define PYCTM_CAPTURE_STACKCACHE_STACK_CACHE_H

#include <Python.h>
#include <stdbool.h>
#include <stdint.h>

#include "capture/frames/code_cache.h"
#include "capture/stackcache/site_cache.h"
#include "capture/stackcache/stack.h"
#include "capture/stackcache/step_cache.h"
#include "ctm/ctm.h"

/* All fields: GIL. */
typedef struct pyctm_stack_cache {
    ctm_tracer *tracer;      /* borrowed, the capture's */
    pyctm_code_cache *codes; /* borrowed, the capture's */
    pyctm_stack stack;
    pyctm_step_cache steps;
    pyctm_level_context *contexts; /* of the stack's levels; owned, `contexts_capacity` of them */
    uint32_t contexts_capacity;
    uint32_t valid;        /* levels whose contexts are good */
    uint32_t last_context; /* that was given */
    uint32_t failures;     /* to find a cached call among the callers, in a row */
    uint32_t times_here;   /* events in a row in `last_here` */
    const void
        *last_here; /* the frame of the last event that was in no cached call; only compared */
    pyctm_site_cache sites;
} pyctm_stack_cache;

/* Of zeros; before the first event. */
void pyctm_stack_cache_init(pyctm_stack_cache *cache, ctm_tracer *tracer, pyctm_code_cache *codes);
/* The site of a block of `size` bytes, of domain 0, allocated now by this thread, which holds the main
 * interpreter's GIL. CTM_ERR_NOT_FOUND: a stack without complete frames, or with more than CTM_MAX_NFRAME. HOOK */
ctm_status pyctm_stack_site(pyctm_stack_cache *cache, ctm_shard *shard, PyThreadState *thread_state,
                            uint64_t size, uint32_t *out);
/* The same in steps, the common case first: where the innermost frame stands, if the stack below is as remembered; the
 * site of a block allocated there, if it is remembered (pyctm_site_cache_find); else `new_site`. 0: not known, or an error.
 * HOOK */
bool pyctm_stack_where(pyctm_stack_cache *cache, const void *innermost, pyctm_where *out);
/* `is_known`, `known`: what pyctm_stack_where gave. */
uint32_t pyctm_stack_new_site(pyctm_stack_cache *cache, ctm_shard *shard,
                              PyThreadState *thread_state, bool is_known, pyctm_where known,
                              uint64_t size);
/* What is remembered may have lost its meaning: a code object died, the tracer has a new generation. GIL. HOOK */
void pyctm_stack_forget(pyctm_stack_cache *cache);
/* Forgets, and returns the memory. GIL, no event is under way. */
void pyctm_stack_release(pyctm_stack_cache *cache);
size_t pyctm_stack_memory(const pyctm_stack_cache *cache);

#endif
