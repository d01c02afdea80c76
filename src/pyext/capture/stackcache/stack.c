/* stack.c: from the remembered stack to a site.
 *
 * Model: a frame's *context* (steps.h) stands for the chain that ends there, and has its traceback. `valid` levels,
 * counted from the oldest, have not changed since they got their contexts. What the innermost frame adds is looked up in
 * a cache of sites (site_cache.h).
 *
 * The callers of an event are known in one of three ways, the cheapest first: the frame is a near; one of its next
 * callers is, and the steps from there on are in the cache; the levels below are as remembered. With the callers known, a
 * site that is not in its cache is looked up in the tables. Else the whole stack is followed.
 */
#include "capture/stackcache/stack.h"

#include "capture/capture.h"
#include "capture/frames/frames.h"

#include <stdlib.h>
#include <string.h>

#if !defined(Py_GIL_DISABLED) /* free-threaded builds: module.c refuses the import */

static uint32_t the_stamp = 1; /* of now. GIL */

#include "capture/stackcache/site_cache.h"
#include "capture/stackcache/steps.h"

#define HOPELESS 16u       /* failures in a row, after which chances are taken only now and then: */
#define CHANCES 64u        /* of so many */
#define CHANCES_TAKEN 8u   /* the first ones, so that what was made at one can help at the next */
#define FAR 2u             /* complete frames to a near: then one is made nearer */
#define MORE_IN_A_ROW 2u   /* events in a frame that is not remembered: there may be more */
#define MANY_IN_A_ROW 12u  /* it is worth being remembered */
#define AGAIN_IN_A_ROW 64u /* after so many more it is worth trying that again */
/* All of it: GIL. */
static pyctm_stack the_stack;
static level_context *the_contexts; /* owned, `the_contexts_capacity` of them */
static uint32_t the_contexts_capacity;
static uint32_t the_valid;    /* levels whose contexts are good */
static uint32_t the_last;     /* context that was given last */
static uint32_t the_failures; /* to find a near among the callers, in a row */

size_t pyctm_stack_memory(void)
{
    return the_stack.capacity * (sizeof(pyctm_level) + sizeof(uint32_t)) +
           the_contexts_capacity * sizeof(level_context) + steps_memory() + sites_memory();
}

/* HOOK: `array` with room for more, or NULL; the old one is freed then only. */
static void *grown(void *array, uint32_t used, uint32_t capacity, size_t size)
{
    void *more = malloc(capacity * size);
    if (more != NULL) {
        if (used > 0) {
            memcpy(more, array, used * size);
        }
        free(array);
    }
    return more;
}

/* HOOK: */
bool pyctm_stack_reserve(pyctm_stack *stack, uint32_t levels)
{
    if (levels <= stack->capacity) {
        return true;
    }
    const uint32_t capacity = levels < 64 ? 128 : 2 * levels;
    pyctm_level *more = grown(stack->levels, stack->known, capacity, sizeof *more);
    if (more == NULL) {
        stack->known = 0;
        return false;
    }
    stack->levels = more;
    uint32_t *totals = grown(stack->totals, stack->known, capacity, sizeof *totals);
    if (totals == NULL) {
        stack->known = 0;
        return false;
    }
    stack->totals = totals;
    stack->capacity = capacity;
    return true;
}

/* HOOK: */
static bool reserve_contexts(uint32_t levels)
{
    if (levels <= the_contexts_capacity) {
        return true;
    }
    level_context *more = grown(the_contexts, the_valid, the_stack.capacity, sizeof(level_context));
    if (more == NULL) {
        return false;
    }
    the_contexts = more;
    the_contexts_capacity = the_stack.capacity;
    return true;
}

/* HOOK: The hops stay: they are read only where the tag is right, and lie on other cache lines. */
static void forget_cached_calls(void)
{
    for (uint32_t i = 0; i < PYCTM_CALL_CACHE_ENTRIES; i++) {
        pyctm_cached_call *const cached = &the_stack.cached_calls[i];
        cached->tag = 0;
        cached->penalty = cached->skip = 0;
    }
}

/* HOOK: */
void pyctm_stack_forget(void)
{
    if (++the_stamp == 0) { /* once round: old stamps would be good again */
        clear_sites();
        clear_steps();
        the_stamp = 1;
    }
    the_stack.known = 0;
    the_stack.with_sentinel = the_stack.guard = 0;
    forget_cached_calls();
    the_valid = 0;
}

void pyctm_stack_release(void)
{
    pyctm_stack_forget();
    free(the_stack.levels);
    free(the_stack.totals);
    free(the_contexts);
    release_steps();
    release_sites();
    the_stack = (pyctm_stack){0};
    the_contexts = NULL;
    the_contexts_capacity = 0;
}

/* HOOK: */
static inline bool is_complete(uint32_t level)
{
    return the_stack.totals[level] > (level > 0 ? the_stack.totals[level - 1] : 0);
}

/* HOOK: */
static ctm_status level_row(ctm_shard *shard, uint32_t level, uint32_t *out)
{
    int unit;
    PyCodeObject *code = pyctm_stack_code(&the_stack, level, &unit);
    return pyctm_code_frame(shard, code, unit, out);
}

/* HOOK: The step from `caller` to a level whose instruction is new there. */
static ctm_status new_step(ctm_shard *shard, uint32_t level, uint32_t caller, cached_step **out)
{
    uint32_t row;
    const ctm_status status = level_row(shard, level, &row);
    if (status != CTM_OK) {
        return status;
    }
    cached_step *by_row = step_place(caller, step_to_row(row));
    if (!is_step(by_row, caller, step_to_row(row))) {
        put_step(by_row, (cached_step){step_to_row(row), caller, the_stamp, ++the_last, 0});
    }
    const cached_step found = *by_row;
    const uintptr_t instruction = (uintptr_t)the_stack.levels[level].instruction;
    *out = step_place(caller, instruction);
    put_step(*out, (cached_step){instruction, caller, the_stamp, found.context, found.traceback});
    return CTM_OK;
}

/* HOOK: Gives the levels below `levels` their contexts. */
static ctm_status find_contexts(ctm_shard *shard, uint32_t levels)
{
    level_context now = the_valid > 0 ? the_contexts[the_valid - 1] : (level_context){0, 0};
    while (the_valid < levels) {
        if (is_complete(the_valid)) {
            const uintptr_t instruction = (uintptr_t)the_stack.levels[the_valid].instruction;
            cached_step *step = step_place(now.context, instruction);
            if (!is_step(step, now.context, instruction)) {
                const ctm_status status = new_step(shard, the_valid, now.context, &step);
                if (status != CTM_OK) {
                    return status;
                }
            }
            now = (level_context){step->context, step->traceback};
        }
        the_contexts[the_valid++] = now;
    }
    return CTM_OK;
}

/* HOOK: Puts the frame of a complete level on top of *traceback. */
static ctm_status add_level(ctm_shard *shard, uint32_t level, uint32_t *traceback)
{
    uint32_t row;
    ctm_status status = level_row(shard, level, &row);
    if (status == CTM_OK) {
        status = ctm_shard_traceback(shard, *traceback, row, (int32_t)the_stack.totals[level],
                                     traceback);
    }
    return status;
}

/* HOOK: Keeps what was looked up for `level`, which is complete. */
static void keep_traceback(ctm_shard *shard, uint32_t level, uint32_t traceback)
{
    const uint32_t caller = level > 0 ? the_contexts[level - 1].context : 0;
    uint32_t row;
    the_contexts[level].traceback = traceback;
    keep_in_step(caller, (uintptr_t)the_stack.levels[level].instruction, traceback);
    if (level_row(shard, level, &row) == CTM_OK) {
        keep_in_step(caller, step_to_row(row), traceback);
    }
}

/* HOOK: The traceback of the `keep` innermost frames up to `level`, which is complete. A chain that is kept whole is
 * built on those of the levels below; a cut one has none of their rows. */
static ctm_status chain_traceback(ctm_shard *shard, uint32_t level, uint32_t keep, uint32_t *out)
{
    const uint32_t total = the_stack.totals[level], left_out = total > keep ? total - keep : 0;
    uint32_t from = level, traceback = 0;
    while (from > 0 && the_stack.totals[from - 1] > left_out) {
        if (left_out == 0 && the_contexts[from - 1].traceback != 0) {
            traceback = the_contexts[from - 1].traceback;
            break;
        }
        from--;
    }
    for (uint32_t i = from; i <= level; i++) {
        if (!is_complete(i)) {
            continue;
        }
        const ctm_status status = add_level(shard, i, &traceback);
        if (status != CTM_OK) {
            return status;
        }
        if (left_out == 0 || i == level) {
            keep_traceback(shard, i, traceback);
        }
    }
    *out = traceback;
    return CTM_OK;
}

/* HOOK: The traceback of the frames older than level `top`, at most `keep`; `total` of them are complete, not 0. */
static __attribute__((noinline)) ctm_status parent_of(ctm_shard *shard, uint32_t top, uint32_t keep,
                                                      uint32_t *out)
{
    if (!reserve_contexts(the_stack.length) || !prepare_steps()) {
        return CTM_ERR_NOMEM;
    }
    ctm_status status = find_contexts(shard, top);
    if (status != CTM_OK) {
        return status;
    }
    uint32_t level = top - 1;
    while (!is_complete(level)) {
        level--;
    }
    *out = the_contexts[level].traceback;
    if (*out == 0) {
        status = chain_traceback(shard, level, keep, out);
    }
    for (uint32_t i = level + 1; i < top && status == CTM_OK; i++) {
        the_contexts[i].traceback = *out;
    }
    return status;
}

/* Where a block is allocated whose site is not in the cache. */
typedef struct unknown_site {
    pyctm_where where;
    PyCodeObject *code; /* of the innermost frame; borrowed */
    int unit;           /* of it */
    uint32_t parent;    /* row of the callers' traceback; 0: none is kept */
    uint32_t total;     /* complete frames, the innermost included */
} unknown_site;

/* HOOK: Of `place`. The site is kept if
 * the instruction alone tells that its frame is complete. Before the first traceable one it does not: there a
 * generator's frame is, and the call that makes the generator is not. */
static __attribute__((noinline)) ctm_status look_up(ctm_shard *shard, const unknown_site *place,
                                                    uint64_t size, uint32_t *out)
{
    uint32_t row, traceback;
    ctm_status status = pyctm_code_frame(shard, place->code, place->unit, &row);
    if (status == CTM_OK) {
        status = ctm_shard_traceback(shard, place->parent, row, (int32_t)place->total, &traceback);
    }
    if (status == CTM_OK) {
        status = ctm_shard_site(shard, 0, traceback, size, out);
    }
    if (status == CTM_OK && place->unit >= place->code->_co_firsttraceable && size <= UINT32_MAX) {
        keep_site(&place->where, (uint32_t)size, *out);
    }
    return status;
}

/* HOOK: `parent` is the traceback row of the callers; 0: none is kept. */
static inline ctm_status find_site(ctm_shard *shard, uint32_t top, uint32_t parent, uint32_t limit,
                                   uint64_t size, uint32_t *out)
{
    const uint32_t total = the_stack.totals[top];
    unknown_site place = {
        .where = {the_stack.levels[top].instruction, stamped(limit > 1 ? parent : total)},
        .parent = parent,
        .total = total};
    *out = pyctm_stack_known_site(&place.where, size);
    if (*out != 0) {
        return CTM_OK;
    }
    place.code = pyctm_stack_code(&the_stack, top, &place.unit);
    return look_up(shard, &place, size, out);
}

/* HOOK: How many complete frames the callers of the innermost frame are, and that one. */
static uint32_t total_above(const pyctm_above *above)
{
    uint32_t total = 1 + (above->level > 0 ? the_stack.totals[above->level - 1] : 0);
    for (uint32_t i = 1; i < above->n; i++) {
        total += above->frames[i].is_complete;
    }
    return total;
}

/* HOOK: The callers' context and the row of their traceback, if all steps to it are in the cache. *out_before: the same
 * without the innermost of them. */
static bool context_above(const pyctm_above *above, level_context *out, level_context *out_before)
{
    const uint32_t level = above->level;
    *out = *out_before = (level_context){0, 0};
    if (level > the_valid) {
        return false;
    }
    bool any = level > 0 && the_stack.totals[level - 1] > 0;
    if (any) {
        *out = the_contexts[level - 1];
        out_before->context = PYCTM_NO_CONTEXT;
    }
    for (uint32_t i = above->n; i-- > 1;) {
        if (above->frames[i].is_complete) {
            *out_before = *out;
            if (!take_step(out, above->frames[i].instruction)) {
                return false;
            }
            any = true;
        }
    }
    return !any || out->traceback != 0;
}

/* HOOK: Events in a row in a frame that is not a near, this one included. */
static inline uint32_t times_here(const void *innermost)
{
    static const void *last; /* GIL; only compared */
    static uint32_t times;   /* GIL */
    times = innermost == last ? times + 1 : 1;
    last = innermost;
    return times;
}

/* HOOK: Of a caller its own callers are known: it is worth being a near, if it goes on calling. */
static inline void cache_call_of_caller(const void *innermost, uint64_t callers, uint32_t context)
{
    const void *caller = pyctm_stack_previous(innermost);
    if (caller != NULL) {
        pyctm_stack_cache_call(&the_stack, caller, callers, context);
    }
}

/* HOOK: */
static inline bool callers_by_cached_call(const void *innermost, const pyctm_cached_caller *caller,
                                          bool totals_only, pyctm_where *out, uint32_t *out_context)
{
    if (totals_only) {
        out->callers = caller->callers + caller->n;
        *out_context = PYCTM_NO_CONTEXT;
        if (caller->n >= FAR) {
            cache_call_of_caller(innermost, out->callers - 1, PYCTM_NO_CONTEXT);
        }
        return true;
    }
    level_context now = {caller->context, 0};
    if (now.context == PYCTM_NO_CONTEXT) {
        return false;
    }
    level_context before = now;
    for (uint32_t i = caller->n; i-- > 0;) {
        before = now;
        if (!take_step(&now, caller->instructions[i])) {
            return false;
        }
    }
    out->callers = stamped(now.traceback);
    *out_context = now.context;
    if (now.traceback != 0 && caller->n >= FAR && before.traceback != 0) {
        cache_call_of_caller(innermost, stamped(before.traceback), before.context);
    }
    return now.traceback != 0;
}

/* HOOK: Is it worth looking for a near among the callers? Where that fails again and again (callers that cannot be
 * marked), only now and then. */
static inline bool takes_chance(void)
{
    if (the_failures < HOPELESS || the_failures % CHANCES < CHANCES_TAKEN) {
        return true;
    }
    the_failures++;
    return false;
}

/* HOOK: The callers of a near's callee are the near's and itself. */
static inline bool where_by_caller(const void *innermost, bool totals_only, pyctm_where *out,
                                   uint32_t *out_context)
{
    pyctm_cached_caller caller;
    const bool has_one = pyctm_stack_has_cached_caller(&the_stack, innermost, &caller) &&
                         callers_by_cached_call(innermost, &caller, totals_only, out, out_context);
    the_failures = has_one ? 0 : the_failures + 1;
    return has_one;
}

/* HOOK: */
static __attribute__((noinline)) bool where_by_levels(const void *innermost, bool totals_only,
                                                      bool caches_call, pyctm_where *out,
                                                      uint32_t *out_context)
{
    pyctm_above above;
    level_context now, before;
    if (!pyctm_stack_find_above(&the_stack, innermost, totals_only, &above)) {
        return false;
    }
    if (totals_only) {
        out->callers = stamped(total_above(&above));
        *out_context = PYCTM_NO_CONTEXT;
        if (caches_call) {
            cache_call_of_caller(innermost, out->callers - 1, PYCTM_NO_CONTEXT);
        }
        return true;
    }
    if (the_steps == NULL || !context_above(&above, &now, &before)) {
        return false;
    }
    out->callers = stamped(now.traceback);
    *out_context = now.context;
    if (caches_call && before.context != PYCTM_NO_CONTEXT &&
        (before.traceback != 0 || before.context == 0)) {
        cache_call_of_caller(innermost, stamped(before.traceback), before.context);
    }
    return true;
}

/* HOOK: */
static __attribute__((noinline)) bool where_by_others(const void *innermost, pyctm_where *out)
{
    const bool totals_only = ctm_tracer_nframe(pyctm_the_capture.tracer) == 1;
    if (innermost == NULL || !pyctm_stack_is_complete(innermost)) {
        return false; /* the block is a caller's */
    }
    const bool looks = takes_chance();
    uint32_t context;
    if (!(looks && where_by_caller(innermost, totals_only, out, &context)) &&
        !where_by_levels(innermost, totals_only, looks, out, &context)) {
        return false;
    }
    out->instruction = pyctm_stack_instruction(innermost);
    const uint32_t times = times_here(innermost);
    if (times >= MORE_IN_A_ROW) {
        pyctm_stack_cache_call(&the_stack, innermost, out->callers, context);
    }
    return times % AGAIN_IN_A_ROW != MANY_IN_A_ROW;
}

/* HOOK: */
bool pyctm_stack_where(const void *innermost, pyctm_where *out)
{
    return pyctm_stack_is_cached_call(&the_stack, innermost, out) ||
           where_by_others(innermost, out);
}

/* HOOK: The chain up to `top` was looked at: its caller is worth being a near. */
static inline void cached_after_all(uint32_t top, uint32_t limit)
{
    if (top < 1 || !is_complete(top - 1)) {
        return;
    }
    level_context before = {0, 0};
    if (limit > 1 && top > 1) {
        before = the_contexts[top - 2];
    }
    if (before.traceback == 0 && before.context != 0) {
        return;
    }
    cache_call_of_caller(the_stack.levels[top].frame,
                         stamped(limit > 1 ? before.traceback : the_stack.totals[top - 1]),
                         limit > 1 ? before.context : PYCTM_NO_CONTEXT);
}

/* HOOK: */
static ctm_status site_of_stack(ctm_shard *shard, PyThreadState *thread_state, uint64_t size,
                                uint32_t *out)
{
    if (!pyctm_stack_follow(&the_stack, thread_state)) {
        the_valid = 0;
        return CTM_ERR_NOMEM;
    }
    if (the_stack.lowest < the_valid) {
        the_valid = the_stack.lowest;
    }
    uint32_t top = the_stack.length;
    while (top > 0 && !is_complete(top - 1)) {
        top--;
    }
    const uint32_t total = top > 0 ? the_stack.totals[top - 1] : 0;
    if (total == 0 || total > CTM_MAX_NFRAME) {
        return CTM_ERR_NOT_FOUND;
    }
    const uint32_t limit = ctm_tracer_nframe(pyctm_the_capture.tracer);
    uint32_t parent = 0;
    if (the_last > UINT32_MAX - 2 * CTM_MAX_NFRAME || the_stack.serial > UINT32_MAX / 2) {
        the_last = the_stack.serial = 0; /* the numbers are used up */
        pyctm_stack_forget();
        return CTM_ERR_NOT_FOUND;
    }
    if (limit > 1 && total > 1) {
        const ctm_status status = parent_of(shard, top - 1, limit - 1, &parent);
        if (status != CTM_OK) {
            return status;
        }
    }
    cached_after_all(top - 1, limit);
    return find_site(shard, top - 1, parent, limit, size, out);
}

/* HOOK: */
ctm_status pyctm_stack_site(ctm_shard *shard, PyThreadState *thread_state, uint64_t size,
                            uint32_t *out)
{
    const ctm_status status = site_of_stack(shard, thread_state, size, out);
    if (!pyctm_code_deaths_are_known()) {
        pyctm_stack_forget();
    }
    return status;
}

/* HOOK: The callers are known, the site is not; 0: it is not to be had this way. */
static uint32_t site_above(ctm_shard *shard, const void *frame, const pyctm_where *where,
                           uint64_t size)
{
    unknown_site place = {.where = *where, .total = (uint32_t)where->callers};
    uint32_t site;
    place.code = pyctm_stack_frame_code(frame, &place.unit);
    if (place.unit < place.code->_co_firsttraceable) {
        return 0;
    }
    if (ctm_tracer_nframe(pyctm_the_capture.tracer) > 1) {
        place.parent = place.total;
        const ctm_traceback *callers =
            place.parent != 0 ? ctm_shard_traceback_row(shard, place.parent) : NULL;
        place.total = callers != NULL ? (uint32_t)callers->total_nframe + 1 : 1;
        if (place.parent != 0 && place.total < 2) {
            return 0;
        }
    }
    return place.total <= CTM_MAX_NFRAME && look_up(shard, &place, size, &site) == CTM_OK ? site
                                                                                          : 0;
}

/* HOOK: `where` is that of `frame`, the innermost one that is complete, or it is NULL: not known. */
static uint32_t new_site(ctm_shard *shard, PyThreadState *thread_state, const void *frame,
                         const pyctm_where *where, uint64_t size)
{
    uint32_t site = where != NULL ? site_above(shard, frame, where, size) : 0;
    if (site != 0) {
        return site;
    }
    return pyctm_stack_site(shard, thread_state, size, &site) == CTM_OK ? site : 0;
}

/* HOOK: The frame that makes a generator or a coroutine is not complete yet: what it allocates is its caller's. */
PYCTM_RARELY uint32_t pyctm_stack_new_site(ctm_shard *shard, PyThreadState *thread_state,
                                           bool is_known, pyctm_where known, uint64_t size)
{
    const void *const innermost = pyctm_frames_innermost(thread_state);
    const void *const complete = pyctm_frames_first_complete(thread_state);
    pyctm_where where;
    if (complete == innermost) {
        return new_site(shard, thread_state, complete, is_known ? &known : NULL, size);
    }
    if (complete == NULL || !pyctm_stack_where(complete, &where)) {
        return new_site(shard, thread_state, complete, NULL, size);
    }
    const uint32_t site = pyctm_stack_known_site(&where, size);
    return site != 0 ? site : new_site(shard, thread_state, complete, &where, size);
}
#endif
