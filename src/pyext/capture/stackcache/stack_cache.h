/* stack_cache.h: from the stack of the thread that holds the main interpreter's GIL to a site, with what earlier events
 * found.
 *
 * Model: the remembered stack (stack.h), the contexts of its levels (step_cache.h) and the sites of what its innermost
 * frame allocated (site_cache.h). There is one stack cache, for shard 0; lock: the GIL. Hooks pass it to these
 * functions.
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

/* Lock of all fields: GIL. */
typedef struct pyctm_stack_cache {
    ctm_tracer *tracer;      /* borrowed, the capture's */
    pyctm_code_cache *codes; /* borrowed, the capture's */
    pyctm_stack stack;
    pyctm_step_cache steps;
    pyctm_level_context *contexts; /* of the stack's levels; owned, `contexts_capacity` of them */
    uint32_t contexts_capacity;
    uint32_t valid;           /* number of levels, from the oldest, whose contexts are valid */
    uint32_t last_context;    /* the newest context's number */
    uint32_t failures;        /* searches in a row that found no cached call among the callers */
    uint32_t events_in_frame; /* events in a row in `last_frame` */
    const void *last_frame;   /* only compared: frame of the last event whose call was not cached */
    pyctm_site_cache sites;
} pyctm_stack_cache;

/* `cache` is zeroed memory. Before the first event. */
void pyctm_stack_cache_init(pyctm_stack_cache *cache, ctm_tracer *tracer, pyctm_code_cache *codes);
/* HOOK: The site of a block of `size` bytes, of domain 0, allocated now by this thread, which holds the main
 * interpreter's GIL. CTM_ERR_NOT_FOUND: a stack without complete frames, or with more than CTM_MAX_NFRAME. */
ctm_status pyctm_stack_site(pyctm_stack_cache *cache, ctm_shard *shard, PyThreadState *thread_state,
                            uint64_t size, uint32_t *out);
/* HOOK: The same in steps, the common case first. pyctm_stack_where finds the key of the site if the callers are remembered
 * (with labels, pyctm_site_cache_set_epoch follows);
 * pyctm_site_cache_find finds the site, if it is cached; else pyctm_stack_new_site looks it up. 0: not known, or an
 * error. */
bool pyctm_stack_where(pyctm_stack_cache *cache, const void *innermost, pyctm_where *out);
/* HOOK: `site` is of other labels by now. The present one of these, which is cached; 0: not known. */
uint32_t pyctm_stack_site_again(pyctm_stack_cache *cache, ctm_shard *shard,
                                const pyctm_where *where, uint64_t size, uint32_t site);
/* HOOK: With labels: `site`, which the cache has for this key, or the present one of these labels. 0: not known. */
static inline uint32_t pyctm_stack_labelled_site(pyctm_stack_cache *cache, ctm_shard *shard,
                                                 const pyctm_where *where, uint64_t size,
                                                 uint32_t site)
{
    return site == 0 || ctm_shard_has_labels(shard, site, cache->sites.labels)
               ? site
               : pyctm_stack_site_again(cache, shard, where, size, site);
}
/* `is_known`, `known`: the results of pyctm_stack_where. */
uint32_t pyctm_stack_new_site(pyctm_stack_cache *cache, ctm_shard *shard,
                              PyThreadState *thread_state, bool is_known, pyctm_where known,
                              uint64_t size);
/* HOOK: Called when remembered data may be void: a code object died, or the tracer has a new generation. GIL. */
void pyctm_stack_forget(pyctm_stack_cache *cache);
/* Forgets, and returns the memory to the system. GIL, no event is under way. */
void pyctm_stack_release(pyctm_stack_cache *cache);
size_t pyctm_stack_memory(const pyctm_stack_cache *cache);

#endif
