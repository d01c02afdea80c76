/* stack_cache.c: from the remembered stack to a site.
 *
 * Model: a frame's *context* (step_cache.h) stands for the chain up to that frame, and has its traceback. `valid`
 * levels, counted from the oldest, have not changed since they got their contexts. What the innermost frame adds is
 * looked up in the site cache (site_cache.h).
 *
 * The callers of an event are found in one of three ways, the cheapest first:
 *   - the innermost frame is in the call cache;
 *   - one of its next callers is, and the steps from there on are in the step cache;
 *   - the levels below agree with the chain.
 * With the callers known, a site that is not cached is looked up in the tables. Otherwise the whole stack is followed.
 */
#include "capture/stackcache/stack_cache.h"

#include "capture/frames/assert.h"
#include "capture/frames/frames.h"
#include "capture/hot.h"

#include <stdlib.h>
#include <string.h>

#if !defined(Py_GIL_DISABLED) /* free-threaded builds: module.c refuses the import */

/* After MAX_FAILURES failed searches in a row, only the first SEARCHES of SEARCH_PERIOD occasions are used. They follow
 * one another, so that an entry made at one can help at the next. */
#define MAX_FAILURES 16u
#define SEARCH_PERIOD 64u
#define SEARCHES 8u
/* Complete frames up to a cached call, from which on a closer call is cached as well. */
#define FAR_CALLERS 2u
/* Events in a row in a frame without a cached call: after the first number the call is cached, because more may follow;
 * after the second one the whole stack is followed, which is worth its cost then; and again after each AGAIN more. */
#define EVENTS_TO_CACHE 2u
#define EVENTS_TO_FOLLOW 12u
#define EVENTS_TO_FOLLOW_AGAIN 64u

void pyctm_stack_cache_init(pyctm_stack_cache *cache, ctm_tracer *tracer, pyctm_code_cache *codes)
{
    cache->tracer = tracer;
    cache->codes = codes;
    pyctm_site_cache_init(&cache->sites);
    pyctm_step_cache_init(&cache->steps);
}

size_t pyctm_stack_memory(const pyctm_stack_cache *cache)
{
    return cache->stack.capacity * (sizeof(pyctm_level) + sizeof(uint32_t)) +
           cache->contexts_capacity * sizeof(pyctm_level_context) +
           pyctm_step_cache_memory(&cache->steps) + pyctm_site_cache_memory(&cache->sites);
}

/* HOOK: */
static bool reserve_contexts(pyctm_stack_cache *cache, uint32_t levels)
{
    if (levels <= cache->contexts_capacity) {
        return true;
    }
    pyctm_level_context *more =
        pyctm_array_grown(cache->contexts, cache->valid, cache->stack.capacity, sizeof *more);
    if (more == NULL) {
        return false;
    }
    cache->contexts = more;
    cache->contexts_capacity = cache->stack.capacity;
    return true;
}

/* HOOK: The links are left: they are read only if the tag matches, and are on other cache lines. */
static void forget_cached_calls(pyctm_stack *stack)
{
    for (uint32_t i = 0; i < PYCTM_CALL_CACHE_ENTRIES; i++) {
        pyctm_cached_call *const cached = &stack->cached_calls[i];
        cached->tag = 0;
        cached->penalty = cached->skip = 0;
    }
}

/* HOOK: */
void pyctm_stack_forget(pyctm_stack_cache *cache)
{
    PYCTM_ASSERT_GIL();
    pyctm_site_cache_forget(&cache->sites);
    pyctm_step_cache_forget(&cache->steps);
    cache->stack.known = 0;
    cache->stack.with_sentinel = cache->stack.innermost_sentinel = 0;
    forget_cached_calls(&cache->stack);
    cache->valid = 0;
}

void pyctm_stack_release(pyctm_stack_cache *cache)
{
    pyctm_stack_forget(cache);
    free(cache->stack.levels);
    free(cache->stack.totals);
    free(cache->contexts);
    pyctm_step_cache_release(&cache->steps);
    pyctm_site_cache_release(&cache->sites);
    cache->stack = (pyctm_stack){0};
    cache->contexts = NULL;
    cache->contexts_capacity = 0;
}

/* HOOK: */
static inline bool is_complete(pyctm_stack_cache *cache, uint32_t level)
{
    PYCTM_ASSERT(level < cache->stack.length);
    return cache->stack.totals[level] > (level > 0 ? cache->stack.totals[level - 1] : 0);
}

/* HOOK: */
static ctm_status level_row(pyctm_stack_cache *cache, ctm_shard *shard, uint32_t level,
                            uint32_t *out)
{
    int unit;
    PyCodeObject *code = pyctm_stack_code(&cache->stack, level, &unit);
    return pyctm_code_frame(cache->codes, shard, code, unit, out);
}

/* HOOK: Makes the step from `caller` to a level with an instruction that has no step from there. */
static ctm_status new_step(pyctm_stack_cache *cache, ctm_shard *shard, uint32_t level,
                           uint32_t caller, pyctm_cached_step **out)
{
    uint32_t row;
    const ctm_status status = level_row(cache, shard, level, &row);
    if (status != CTM_OK) {
        return status;
    }
    pyctm_cached_step *by_row = pyctm_step_entry(&cache->steps, caller, pyctm_step_to_row(row));
    if (!pyctm_step_is(&cache->steps, by_row, caller, pyctm_step_to_row(row))) {
        pyctm_step_put(&cache->steps, by_row, caller, pyctm_step_to_row(row),
                       (pyctm_level_context){++cache->last_context, 0});
    }
    const pyctm_level_context found = {by_row->context, by_row->traceback};
    const uintptr_t instruction = (uintptr_t)cache->stack.levels[level].instruction;
    *out = pyctm_step_entry(&cache->steps, caller, instruction);
    pyctm_step_put(&cache->steps, *out, caller, instruction, found);
    return CTM_OK;
}

/* HOOK: Finds the contexts of the levels below `levels`. */
static ctm_status find_contexts(pyctm_stack_cache *cache, ctm_shard *shard, uint32_t levels)
{
    PYCTM_ASSERT(levels <= cache->contexts_capacity && cache->valid <= cache->contexts_capacity);
    pyctm_level_context now =
        cache->valid > 0 ? cache->contexts[cache->valid - 1] : (pyctm_level_context){0, 0};
    while (cache->valid < levels) {
        if (is_complete(cache, cache->valid)) {
            const uintptr_t instruction = (uintptr_t)cache->stack.levels[cache->valid].instruction;
            pyctm_cached_step *step = pyctm_step_entry(&cache->steps, now.context, instruction);
            if (!pyctm_step_is(&cache->steps, step, now.context, instruction)) {
                const ctm_status status = new_step(cache, shard, cache->valid, now.context, &step);
                if (status != CTM_OK) {
                    return status;
                }
            }
            now = (pyctm_level_context){step->context, step->traceback};
        }
        cache->contexts[cache->valid++] = now;
    }
    return CTM_OK;
}

/* HOOK: Adds the frame of a complete level on top of *traceback. */
static ctm_status add_level(pyctm_stack_cache *cache, ctm_shard *shard, uint32_t level,
                            uint32_t *traceback)
{
    uint32_t row;
    ctm_status status = level_row(cache, shard, level, &row);
    if (status == CTM_OK) {
        status = ctm_shard_traceback(shard, *traceback, row, (int32_t)cache->stack.totals[level],
                                     traceback);
    }
    return status;
}

/* HOOK: Stores the traceback that was looked up for `level`, which is complete. */
static void store_traceback(pyctm_stack_cache *cache, ctm_shard *shard, uint32_t level,
                            uint32_t traceback)
{
    const uint32_t caller = level > 0 ? cache->contexts[level - 1].context : 0;
    uint32_t row;
    cache->contexts[level].traceback = traceback;
    pyctm_step_set_traceback(&cache->steps, caller,
                             (uintptr_t)cache->stack.levels[level].instruction, traceback);
    if (level_row(cache, shard, level, &row) == CTM_OK) {
        pyctm_step_set_traceback(&cache->steps, caller, pyctm_step_to_row(row), traceback);
    }
}

/* HOOK: The traceback of the `max_frames` innermost frames up to `level`, which is complete. A chain that fits is built on
 * those of the levels below; a cut one shares no rows with them. */
static ctm_status chain_traceback(pyctm_stack_cache *cache, ctm_shard *shard, uint32_t level,
                                  uint32_t max_frames, uint32_t *out)
{
    const uint32_t total = cache->stack.totals[level],
                   left_out = total > max_frames ? total - max_frames : 0;
    PYCTM_ASSERT(max_frames > 0 && level < cache->valid && is_complete(cache, level));
    uint32_t from = level, traceback = 0;
    while (from > 0 && cache->stack.totals[from - 1] > left_out) {
        if (left_out == 0 && cache->contexts[from - 1].traceback != 0) {
            traceback = cache->contexts[from - 1].traceback;
            break;
        }
        from--;
    }
    for (uint32_t i = from; i <= level; i++) {
        if (!is_complete(cache, i)) {
            continue;
        }
        const ctm_status status = add_level(cache, shard, i, &traceback);
        if (status != CTM_OK) {
            return status;
        }
        if (left_out == 0 || i == level) {
            store_traceback(cache, shard, i, traceback);
        }
    }
    PYCTM_ASSERT(traceback != 0);
    *out = traceback;
    return CTM_OK;
}

/* HOOK: The traceback of the frames older than level `top`, at most `max_frames`. At least one of them is complete. */
static __attribute__((noinline)) ctm_status parent_of(pyctm_stack_cache *cache, ctm_shard *shard,
                                                      uint32_t top, uint32_t max_frames,
                                                      uint32_t *out)
{
    if (!reserve_contexts(cache, cache->stack.length) || !pyctm_step_cache_prepare(&cache->steps)) {
        return CTM_ERR_NOMEM;
    }
    ctm_status status = find_contexts(cache, shard, top);
    if (status != CTM_OK) {
        return status;
    }
    PYCTM_ASSERT(top > 0 && cache->stack.totals[top - 1] > 0);
    uint32_t level = top - 1;
    while (!is_complete(cache, level)) {
        level--;
    }
    *out = cache->contexts[level].traceback;
    if (*out == 0) {
        status = chain_traceback(cache, shard, level, max_frames, out);
    }
    for (uint32_t i = level + 1; i < top && status == CTM_OK; i++) {
        cache->contexts[i].traceback = *out;
    }
    return status;
}

/* The key and the frame of a site that is not in the cache. */
typedef struct unknown_site {
    pyctm_where where;
    PyCodeObject *code; /* borrowed: of the innermost frame */
    int unit;           /* of its instruction */
    uint32_t parent;    /* row of the callers' traceback; 0: none is kept */
    uint32_t total;     /* complete frames, the innermost included */
} unknown_site;

/* HOOK: Looks the site up in the tables. Caches it if the instruction alone proves that its frame is complete. Before
 * the first traceable instruction it does not prove that: a generator's frame is complete there, and the call that
 * makes the generator is not. */
static __attribute__((noinline)) ctm_status look_up(pyctm_stack_cache *cache, ctm_shard *shard,
                                                    const unknown_site *unknown, uint64_t size,
                                                    uint32_t *out)
{
    uint32_t row, traceback;
    PYCTM_ASSERT(unknown->total > 0 && unknown->total <= CTM_MAX_NFRAME);
    ctm_status status = pyctm_code_frame(cache->codes, shard, unknown->code, unknown->unit, &row);
    if (status == CTM_OK) {
        status =
            ctm_shard_traceback(shard, unknown->parent, row, (int32_t)unknown->total, &traceback);
    }
    if (status == CTM_OK) {
        status = cache->sites.labels == 0
                     ? ctm_shard_site(shard, 0, traceback, size, 0, out)
                     : ctm_shard_labelled_site(shard, 0, traceback, size, cache->sites.labels, out);
    }
    if (status == CTM_OK && unknown->unit >= unknown->code->_co_firsttraceable &&
        size <= UINT32_MAX) {
        pyctm_site_cache_store(&cache->sites, &unknown->where, (uint32_t)size, *out);
    }
    return status;
}

/* HOOK: `parent` is the traceback row of the callers; 0: none is kept. */
static inline ctm_status find_site(pyctm_stack_cache *cache, ctm_shard *shard, uint32_t top,
                                   uint32_t parent, uint32_t limit, uint64_t size, uint32_t *out)
{
    const uint32_t total = cache->stack.totals[top];
    unknown_site unknown = {
        .where = {cache->stack.levels[top].instruction,
                  pyctm_site_cache_with_epoch(&cache->sites, limit > 1 ? parent : total)},
        .parent = parent,
        .total = total};
    *out = pyctm_site_cache_find(&cache->sites, &unknown.where, size);
    *out = pyctm_stack_labelled_site(cache, shard, &unknown.where, size, *out);
    if (*out != 0) {
        return CTM_OK;
    }
    unknown.code = pyctm_stack_code(&cache->stack, top, &unknown.unit);
    return look_up(cache, shard, &unknown, size, out);
}

/* HOOK: How many complete frames there are from the innermost one, which counts, to the oldest. */
static uint32_t total_above(pyctm_stack_cache *cache, const pyctm_above *above)
{
    PYCTM_ASSERT(above->n >= 1 && above->n <= PYCTM_ABOVE_FRAMES);
    PYCTM_ASSERT(above->level < cache->stack.known);
    uint32_t total = 1 + (above->level > 0 ? cache->stack.totals[above->level - 1] : 0);
    for (uint32_t i = 1; i < above->n; i++) {
        total += above->frames[i].is_complete;
    }
    return total;
}

/* HOOK: The callers' context and the row of their traceback, if all steps to it are cached. *out_before: the same for
 * the callers without the innermost of them. */
static bool context_above(pyctm_stack_cache *cache, const pyctm_above *above,
                          pyctm_level_context *out, pyctm_level_context *out_before)
{
    const uint32_t level = above->level;
    *out = *out_before = (pyctm_level_context){0, 0};
    if (level > cache->valid) {
        return false;
    }
    bool any = level > 0 && cache->stack.totals[level - 1] > 0;
    if (any) {
        *out = cache->contexts[level - 1];
        out_before->context = PYCTM_NO_CONTEXT;
    }
    for (uint32_t i = above->n; i-- > 1;) {
        if (above->frames[i].is_complete) {
            *out_before = *out;
            if (!pyctm_step_take(&cache->steps, out, above->frames[i].instruction)) {
                return false;
            }
            any = true;
        }
    }
    return !any || out->traceback != 0;
}

/* HOOK: Events in a row in a frame without a cached call, this one included. */
static inline uint32_t events_in_frame(pyctm_stack_cache *cache, const void *innermost)
{
    cache->events_in_frame = innermost == cache->last_frame ? cache->events_in_frame + 1 : 1;
    cache->last_frame = innermost;
    return cache->events_in_frame;
}

/* HOOK: The callers of the caller are known. Puts the caller into the call cache, for its further calls. */
static inline void cache_call_of_caller(pyctm_stack_cache *cache, const void *innermost,
                                        uint64_t callers, uint32_t context)
{
    const void *caller = pyctm_stack_previous(innermost);
    if (caller != NULL) {
        pyctm_stack_cache_call(&cache->stack, caller, callers, context);
    }
}

/* HOOK: */
static inline bool callers_by_cached_call(pyctm_stack_cache *cache, const void *innermost,
                                          const pyctm_cached_caller *caller, bool totals_only,
                                          pyctm_where *out, uint32_t *out_context)
{
    if (totals_only) {
        out->callers = caller->callers + caller->n;
        *out_context = PYCTM_NO_CONTEXT;
        if (caller->n >= FAR_CALLERS) {
            cache_call_of_caller(cache, innermost, out->callers - 1, PYCTM_NO_CONTEXT);
        }
        return true;
    }
    PYCTM_ASSERT(caller->n > 0 && caller->n <= PYCTM_CALL_CACHE_CALLERS);
    pyctm_level_context now = {caller->context, 0};
    if (now.context == PYCTM_NO_CONTEXT) {
        return false;
    }
    pyctm_level_context before = now;
    for (uint32_t i = caller->n; i-- > 0;) {
        before = now;
        if (!pyctm_step_take(&cache->steps, &now, caller->instructions[i])) {
            return false;
        }
    }
    out->callers = pyctm_site_cache_with_epoch(&cache->sites, now.traceback);
    *out_context = now.context;
    if (now.traceback != 0 && caller->n >= FAR_CALLERS && before.traceback != 0) {
        cache_call_of_caller(cache, innermost,
                             pyctm_site_cache_with_epoch(&cache->sites, before.traceback),
                             before.context);
    }
    return now.traceback != 0;
}

/* HOOK: Whether to search the call cache for a caller. If that fails repeatedly (callers that can have no sentinel), it
 * is done only now and then. */
static inline bool is_search_due(pyctm_stack_cache *cache)
{
    if (cache->failures < MAX_FAILURES || cache->failures % SEARCH_PERIOD < SEARCHES) {
        return true;
    }
    cache->failures++;
    return false;
}

/* HOOK: The callers of a frame called by a cached call are that call's callers and itself. */
static inline bool where_by_caller(pyctm_stack_cache *cache, const void *innermost,
                                   bool totals_only, pyctm_where *out, uint32_t *out_context)
{
    pyctm_cached_caller caller;
    const bool has_one =
        pyctm_stack_has_cached_caller(&cache->stack, innermost, &caller) &&
        callers_by_cached_call(cache, innermost, &caller, totals_only, out, out_context);
    cache->failures = has_one ? 0 : cache->failures + 1;
    return has_one;
}

/* HOOK: */
static __attribute__((noinline)) bool where_by_levels(pyctm_stack_cache *cache,
                                                      const void *innermost, bool totals_only,
                                                      bool caches_call, pyctm_where *out,
                                                      uint32_t *out_context)
{
    pyctm_above above;
    pyctm_level_context now, before;
    if (!pyctm_stack_find_above(&cache->stack, innermost, totals_only, &above)) {
        return false;
    }
    if (totals_only) {
        out->callers = pyctm_site_cache_with_epoch(&cache->sites, total_above(cache, &above));
        *out_context = PYCTM_NO_CONTEXT;
        if (caches_call) {
            cache_call_of_caller(cache, innermost, out->callers - 1, PYCTM_NO_CONTEXT);
        }
        return true;
    }
    if (cache->steps.rows == NULL || !context_above(cache, &above, &now, &before)) {
        return false;
    }
    out->callers = pyctm_site_cache_with_epoch(&cache->sites, now.traceback);
    *out_context = now.context;
    if (caches_call && before.context != PYCTM_NO_CONTEXT &&
        (before.traceback != 0 || before.context == 0)) {
        cache_call_of_caller(cache, innermost,
                             pyctm_site_cache_with_epoch(&cache->sites, before.traceback),
                             before.context);
    }
    return true;
}

/* HOOK: */
static __attribute__((noinline)) bool where_uncached(pyctm_stack_cache *cache,
                                                     const void *innermost, pyctm_where *out)
{
    const bool totals_only = ctm_tracer_nframe(cache->tracer) == 1;
    if (innermost == NULL || !pyctm_stack_is_complete(innermost)) {
        return false; /* the block belongs to a caller */
    }
    const bool looks = is_search_due(cache);
    uint32_t context;
    if (!(looks && where_by_caller(cache, innermost, totals_only, out, &context)) &&
        !where_by_levels(cache, innermost, totals_only, looks, out, &context)) {
        return false;
    }
    out->instruction = pyctm_stack_instruction(innermost);
    const uint32_t times = events_in_frame(cache, innermost);
    if (times >= EVENTS_TO_CACHE) {
        pyctm_stack_cache_call(&cache->stack, innermost, out->callers, context);
    }
    return times % EVENTS_TO_FOLLOW_AGAIN != EVENTS_TO_FOLLOW;
}

/* HOOK: */
bool pyctm_stack_where(pyctm_stack_cache *cache, const void *innermost, pyctm_where *out)
{
    PYCTM_ASSERT_MAIN();
    return pyctm_stack_is_cached_call(&cache->stack, innermost, out) ||
           where_uncached(cache, innermost, out);
}

/* HOOK: The chain up to `top` was followed. Puts its caller into the call cache. */
static inline void cache_call_of_level(pyctm_stack_cache *cache, uint32_t top, uint32_t limit)
{
    if (top < 1 || !is_complete(cache, top - 1)) {
        return;
    }
    pyctm_level_context before = {0, 0};
    if (limit > 1 && top > 1) {
        before = cache->contexts[top - 2];
    }
    if (before.traceback == 0 && before.context != 0) {
        return;
    }
    cache_call_of_caller(
        cache, cache->stack.levels[top].frame,
        pyctm_site_cache_with_epoch(&cache->sites,
                                    limit > 1 ? before.traceback : cache->stack.totals[top - 1]),
        limit > 1 ? before.context : PYCTM_NO_CONTEXT);
}

/* HOOK: */
static ctm_status site_of_stack(pyctm_stack_cache *cache, ctm_shard *shard,
                                PyThreadState *thread_state, uint64_t size, uint32_t *out)
{
    PYCTM_ASSERT(thread_state == pyctm_frames_attached(true));
    if (!pyctm_stack_follow(&cache->stack, thread_state)) {
        cache->valid = 0;
        return CTM_ERR_NOMEM;
    }
    if (cache->stack.lowest < cache->valid) {
        cache->valid = cache->stack.lowest;
    }
    uint32_t top = cache->stack.length;
    while (top > 0 && !is_complete(cache, top - 1)) {
        top--;
    }
    const uint32_t total = top > 0 ? cache->stack.totals[top - 1] : 0;
    if (total == 0 || total > CTM_MAX_NFRAME) {
        return CTM_ERR_NOT_FOUND;
    }
    const uint32_t limit = ctm_tracer_nframe(cache->tracer);
    uint32_t parent = 0;
    if (cache->last_context > UINT32_MAX - 2 * CTM_MAX_NFRAME ||
        cache->stack.serial > UINT32_MAX / 2) {
        cache->last_context = cache->stack.serial = 0; /* the numbers are used up: start again */
        pyctm_stack_forget(cache);
        return CTM_ERR_NOT_FOUND;
    }
    if (limit > 1 && total > 1) {
        const ctm_status status = parent_of(cache, shard, top - 1, limit - 1, &parent);
        if (status != CTM_OK) {
            return status;
        }
    }
    cache_call_of_level(cache, top - 1, limit);
    return find_site(cache, shard, top - 1, parent, limit, size, out);
}

/* HOOK: */
ctm_status pyctm_stack_site(pyctm_stack_cache *cache, ctm_shard *shard, PyThreadState *thread_state,
                            uint64_t size, uint32_t *out)
{
    PYCTM_ASSERT_MAIN();
    const ctm_status status = site_of_stack(cache, shard, thread_state, size, out);
    if (!cache->codes->deaths_are_known) {
        pyctm_stack_forget(cache);
    }
    return status;
}

/* HOOK: The callers are known, the site is not. 0: it cannot be found this way. */
static uint32_t site_above(pyctm_stack_cache *cache, ctm_shard *shard, const void *frame,
                           const pyctm_where *where, uint64_t size)
{
    unknown_site unknown = {.where = *where, .total = (uint32_t)where->callers};
    uint32_t site;
    unknown.code = pyctm_stack_frame_code(frame, &unknown.unit);
    if (unknown.unit < unknown.code->_co_firsttraceable) {
        return 0;
    }
    if (ctm_tracer_nframe(cache->tracer) > 1) {
        unknown.parent = unknown.total;
        const ctm_traceback *callers =
            unknown.parent != 0 ? ctm_shard_traceback_row(shard, unknown.parent) : NULL;
        unknown.total = callers != NULL ? (uint32_t)callers->total_nframe + 1 : 1;
        if (unknown.parent != 0 && unknown.total < 2) {
            return 0;
        }
    }
    return unknown.total <= CTM_MAX_NFRAME && look_up(cache, shard, &unknown, size, &site) == CTM_OK
               ? site
               : 0;
}

/* HOOK: `where` is the key for `frame`, the innermost complete one; NULL: not known. */
static uint32_t new_site(pyctm_stack_cache *cache, ctm_shard *shard, PyThreadState *thread_state,
                         const void *frame, const pyctm_where *where, uint64_t size)
{
    uint32_t site = where != NULL ? site_above(cache, shard, frame, where, size) : 0;
    if (site != 0) {
        return site;
    }
    return pyctm_stack_site(cache, shard, thread_state, size, &site) == CTM_OK ? site : 0;
}

/* HOOK: */
PYCTM_RARELY uint32_t pyctm_stack_site_again(pyctm_stack_cache *cache, ctm_shard *shard,
                                             const pyctm_where *where, uint64_t size, uint32_t site)
{
    const uint32_t now = ctm_shard_labelled_again(shard, site, cache->sites.labels);
    if (now != 0) {
        pyctm_site_cache_store(&cache->sites, where, (uint32_t)size, now);
    }
    return now;
}

/* HOOK: The frame that makes a generator or a coroutine is not complete yet: its blocks belong to its caller. */
PYCTM_RARELY uint32_t pyctm_stack_new_site(pyctm_stack_cache *cache, ctm_shard *shard,
                                           PyThreadState *thread_state, bool is_known,
                                           pyctm_where known, uint64_t size)
{
    const void *const innermost = pyctm_frames_innermost(thread_state);
    const void *const complete = pyctm_frames_first_complete(thread_state);
    pyctm_where where;
    if (complete == innermost) {
        return new_site(cache, shard, thread_state, complete, is_known ? &known : NULL, size);
    }
    if (complete == NULL || !pyctm_stack_where(cache, complete, &where)) {
        return new_site(cache, shard, thread_state, complete, NULL, size);
    }
    pyctm_site_cache_set_epoch(&cache->sites, &where);
    uint32_t site = pyctm_site_cache_find(&cache->sites, &where, size);
    site = pyctm_stack_labelled_site(cache, shard, &where, size, site);
    return site != 0 ? site : new_site(cache, shard, thread_state, complete, &where, size);
}
#endif
