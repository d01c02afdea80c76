/* stack.c: from the remembered stack to a site.
 *
 * Model: a *context* is a number that stands for a chain of complete frames, each at its line. A context and one more
 * frame make another: the steps that were taken are in a cache, direct-mapped, by (context, instruction) and, where
 * that is new, by (context, frame row), because a line has many instructions. With its context comes a level's
 * traceback, cut to the frames that are kept, so that it is looked up in the tables once for each context and not
 * for each event. A step that fell out of the cache gets a new number: it costs, and changes nothing.
 * `valid` levels, counted from the oldest, have not changed since they got their contexts.
 *
 * What the innermost frame adds is looked up by its instruction in a cache of sites, direct-mapped, because it
 * changes with nearly every event: (instruction, caller's traceback or else the total, size) -> site.
 *
 * Entries of both are good as long as their stamp is that of now, which a new generation of the tracer or the death
 * of any code object changes.
 */
#include "stack.h"

#include "capture.h"
#include "frames.h"

#include <stdlib.h>
#include <string.h>

#if !defined(Py_GIL_DISABLED) /* free-threaded builds: module.c refuses the import */

#define SITES_LOG2 13u
#define HOPELESS 16u       /* failures in a row, after which only one in as many chances is taken */
#define MORE_IN_A_ROW 2u   /* events in a frame that is not remembered: there may be more */
#define MANY_IN_A_ROW 12u  /* it is worth being remembered */
#define AGAIN_IN_A_ROW 64u /* after so many more it is worth trying that again */
#define STEPS_LOG2 11u     /* of a new cache of steps */
#define STEPS_MOST_LOG2 18u /* it grows while it is too small for the program */

typedef struct level_context {
    uint32_t context;
    uint32_t traceback; /* row of the chain that ends here; 0: not looked up yet */
} level_context;

typedef struct cached_step {
    uintptr_t to;    /* instruction, or a frame row (step_to_row) */
    uint32_t caller; /* context */
    uint32_t stamp;
    uint32_t context;
    uint32_t traceback; /* 0: not looked up yet */
} cached_step;

typedef struct cached_site {
    const void *instruction;
    uint64_t callers; /* as in ctm_where, with the stamp of then */
    uint32_t size;    /* bytes */
    uint32_t site;
} cached_site;

/* All of it: GIL. */
static ctm_stack the_stack;
static level_context *the_contexts; /* owned, `the_contexts_capacity` of them */
static uint32_t the_contexts_capacity;
static uint32_t the_valid;     /* levels whose contexts are good */
static uint32_t the_last;      /* context that was given last */
static uint32_t the_stamp = 1; /* of now */
static cached_site the_sites[1u << SITES_LOG2];
static cached_step *the_steps; /* owned, 1 << the_steps_log2 of them; NULL: none yet */
static uint32_t the_steps_log2, the_steps_lost; /* `lost`: good entries overwritten since it grew */

size_t ctm_stack_memory(void)
{
    return the_stack.capacity * (sizeof(ctm_level) + sizeof(uint32_t)) +
           the_contexts_capacity * sizeof(level_context) +
           (the_steps != NULL ? sizeof(cached_step) << the_steps_log2 : 0);
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
bool ctm_stack_reserve(ctm_stack *stack, uint32_t levels)
{
    if (levels <= stack->capacity) {
        return true;
    }
    const uint32_t capacity = levels < 64 ? 128 : 2 * levels;
    ctm_level *more = grown(stack->levels, stack->known, capacity, sizeof *more);
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

/* HOOK: */
void ctm_stack_forget(void)
{
    if (++the_stamp == 0) { /* once round: old stamps would be good again */
        memset(the_sites, 0, sizeof the_sites);
        if (the_steps != NULL) {
            memset(the_steps, 0, sizeof(cached_step) << the_steps_log2);
        }
        the_stamp = 1;
    }
    the_stack.known = 0;
    the_stack.marked = the_stack.guard = 0;
    memset(the_stack.nears, 0, sizeof the_stack.nears);
    the_valid = 0;
}

void ctm_stack_release(void)
{
    ctm_stack_forget();
    free(the_stack.levels);
    free(the_stack.totals);
    free(the_contexts);
    free(the_steps);
    the_steps = NULL;
    the_stack = (ctm_stack){0};
    the_contexts = NULL;
    the_contexts_capacity = 0;
}

/* HOOK: */
static inline bool is_complete(uint32_t level)
{
    return the_stack.totals[level] > (level > 0 ? the_stack.totals[level - 1] : 0);
}

/* HOOK: As no instruction's address is. */
static inline uintptr_t step_to_row(uint32_t row)
{
    return (uintptr_t)row << 1 | 1;
}

/* HOOK: */
static inline cached_step *step_place(uint32_t caller, uintptr_t to)
{
    const uint64_t hash = (to ^ (uint64_t)caller << 32) * 0x9E3779B97F4A7C15ull;
    return &the_steps[hash >> (64 - the_steps_log2)];
}

/* HOOK: Room for more steps, all of them forgotten. False: out of memory, nothing changed. */
static bool grow_steps(uint32_t log2)
{
    cached_step *more = calloc((size_t)1 << log2, sizeof *more);
    if (more == NULL) {
        return false;
    }
    free(the_steps);
    the_steps = more;
    the_steps_log2 = log2;
    the_steps_lost = 0;
    return true;
}

/* HOOK: Before a look at the cache: it must be there, and large enough for the contexts that come again and again. */
static bool prepare_steps(void)
{
    if (the_steps == NULL) {
        return grow_steps(STEPS_LOG2);
    }
    if (the_steps_lost >> the_steps_log2 != 0 && the_steps_log2 < STEPS_MOST_LOG2) {
        the_steps_lost = 0;
        (void)grow_steps(the_steps_log2 + 2 < STEPS_MOST_LOG2 ? the_steps_log2 + 2
                                                              : STEPS_MOST_LOG2);
    }
    return true;
}

/* HOOK: */
static inline void put_step(cached_step *at, cached_step step)
{
    the_steps_lost += at->stamp == the_stamp;
    *at = step;
}

/* HOOK: */
static inline bool is_step(const cached_step *step, uint32_t caller, uintptr_t to)
{
    return step->to == to && step->caller == caller && step->stamp == the_stamp;
}

/* HOOK: */
static ctm_status level_row(ctm_shard *shard, uint32_t level, uint32_t *out)
{
    int unit;
    PyCodeObject *code = ctm_stack_code(&the_stack, level, &unit);
    return ctm_code_frame(shard, code, unit, out);
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

/* HOOK: */
static inline void keep_in_step(uint32_t caller, uintptr_t to, uint32_t traceback)
{
    cached_step *step = step_place(caller, to);
    if (is_step(step, caller, to)) {
        step->traceback = traceback;
    }
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

/* HOOK: The size comes last, because a revived object's is known last. */
static inline cached_site *site_place(const ctm_where *where, uint64_t size)
{
    const uint64_t spot = (uintptr_t)where->instruction >> 1 ^ where->callers << 39;
    const uint64_t hash = spot * 0x9E3779B97F4A7C15ull >> (64 - SITES_LOG2);
    return &the_sites[(hash ^ size ^ size >> 6) % (1u << SITES_LOG2)];
}

/* HOOK: */
static inline bool is_cached(const cached_site *cached, const ctm_where *where, uint64_t size)
{
    return cached->instruction == where->instruction && cached->callers == where->callers &&
           cached->size == size;
}

/* HOOK: */
static inline uint64_t stamped(uint32_t callers)
{
    return (uint64_t)the_stamp << 32 | callers;
}

/* HOOK: *out_lasts: the instruction alone tells that its frame is complete. Before the first traceable one it
 * does not: there a generator's frame is, and the call that makes the generator is not. */
static __attribute__((noinline)) ctm_status look_up(ctm_shard *shard, uint32_t top, uint32_t parent,
                                                    uint64_t size, uint32_t *out, bool *out_lasts)
{
    int unit;
    uint32_t row, traceback;
    PyCodeObject *code = ctm_stack_code(&the_stack, top, &unit);
    *out_lasts = unit >= code->_co_firsttraceable;
    ctm_status status = ctm_code_frame(shard, code, unit, &row);
    if (status == CTM_OK) {
        status =
            ctm_shard_traceback(shard, parent, row, (int32_t)the_stack.totals[top], &traceback);
    }
    return status == CTM_OK ? ctm_shard_site(shard, 0, traceback, size, out) : status;
}

/* HOOK: `parent` is the traceback row of the callers; 0: none is kept. */
static inline ctm_status find_site(ctm_shard *shard, uint32_t top, uint32_t parent, uint32_t limit,
                                   uint64_t size, uint32_t *out)
{
    const ctm_where where = {the_stack.levels[top].instruction,
                             stamped(limit > 1 ? parent : the_stack.totals[top])};
    cached_site *cached = site_place(&where, size);
    if (is_cached(cached, &where, size)) {
        *out = cached->site;
        return CTM_OK;
    }
    bool lasts;
    const ctm_status status = look_up(shard, top, parent, size, out, &lasts);
    if (status == CTM_OK && lasts && size <= UINT32_MAX) {
        *cached = (cached_site){where.instruction, where.callers, (uint32_t)size, *out};
    }
    return status;
}

/* HOOK: How many complete frames the callers of the innermost frame are, and that one. */
static uint32_t total_above(const ctm_above *above)
{
    uint32_t total = 1 + (above->level > 0 ? the_stack.totals[above->level - 1] : 0);
    for (uint32_t i = 1; i < above->n; i++) {
        total += above->frames[i].is_complete;
    }
    return total;
}

/* HOOK: The row of the callers' traceback, if all steps to it are in the cache. */
static bool traceback_above(const ctm_above *above, uint32_t *out)
{
    const uint32_t level = above->level;
    level_context now = {0, 0};
    *out = 0;
    if (level > the_valid) {
        return false;
    }
    bool any = level > 0 && the_stack.totals[level - 1] > 0;
    if (any) {
        now = the_contexts[level - 1];
    }
    for (uint32_t i = above->n; i-- > 1;) {
        if (above->frames[i].is_complete) {
            const uintptr_t instruction = (uintptr_t)above->frames[i].instruction;
            const cached_step *step = step_place(now.context, instruction);
            if (!is_step(step, now.context, instruction)) {
                return false;
            }
            now = (level_context){step->context, step->traceback};
            any = true;
        }
    }
    *out = now.traceback;
    return !any || now.traceback != 0;
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

/* HOOK: The callers of a near's callee are the near's and itself: one more, if only their number matters. Where that
 * fails again and again (callers that cannot be marked), it is tried now and then only. */
static inline bool where_by_caller(const void *innermost, ctm_where *out)
{
    static uint32_t failures; /* GIL; in a row */
    ctm_near_caller caller;
    if (failures >= HOPELESS && failures % HOPELESS != 0) {
        failures++;
        return false;
    }
    const bool has_one = ctm_stack_has_near_caller(&the_stack, innermost, &caller);
    failures = has_one ? 0 : failures + 1;
    out->callers = has_one ? caller.callers + caller.between + 1 : 0;
    return has_one;
}

/* HOOK: */
static __attribute__((noinline)) bool where_by_levels(const void *innermost, bool totals_only,
                                                      ctm_where *out)
{
    ctm_above above;
    uint32_t callers;
    if (!ctm_stack_find_above(&the_stack, innermost, totals_only, &above)) {
        return false;
    }
    if (totals_only) {
        callers = total_above(&above);
    } else if (the_steps == NULL || !traceback_above(&above, &callers)) {
        return false;
    }
    out->callers = stamped(callers);
    return true;
}

/* HOOK: */
static __attribute__((noinline)) bool where_by_others(const void *innermost, ctm_where *out)
{
    const bool totals_only = ctm_tracer_nframe(ctm_the_capture.tracer) == 1;
    if (innermost == NULL) {
        return false;
    }
    if (!totals_only || !where_by_caller(innermost, out)) {
        if (!where_by_levels(innermost, totals_only, out)) {
            return false;
        }
        const void *caller = ctm_stack_previous(innermost);
        if (totals_only && caller != NULL) {
            ctm_stack_make_near(&the_stack, caller, out->callers - 1);
        }
    }
    out->instruction = ctm_stack_instruction(innermost);
    const uint32_t times = times_here(innermost);
    if (times >= MORE_IN_A_ROW) {
        ctm_stack_make_near(&the_stack, innermost, out->callers);
    }
    return times % AGAIN_IN_A_ROW != MANY_IN_A_ROW;
}

/* HOOK: */
bool ctm_stack_where(const void *innermost, ctm_where *out)
{
    return ctm_stack_is_near(&the_stack, innermost, out) || where_by_others(innermost, out);
}

/* HOOK: An instruction that has a cached site belongs to a complete frame. */
uint32_t ctm_stack_known_site(const ctm_where *where, uint64_t size)
{
    const cached_site *cached = site_place(where, size);
    return is_cached(cached, where, size) ? cached->site : 0;
}

/* HOOK: */
static ctm_status site_of_stack(ctm_shard *shard, PyThreadState *thread_state, uint64_t size,
                                uint32_t *out)
{
    if (!ctm_stack_follow(&the_stack, thread_state)) {
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
    const uint32_t limit = ctm_tracer_nframe(ctm_the_capture.tracer);
    uint32_t parent = 0;
    if (the_last > UINT32_MAX - 2 * CTM_MAX_NFRAME || the_stack.serial > UINT32_MAX / 2) {
        the_last = the_stack.serial = 0; /* the numbers are used up */
        ctm_stack_forget();
        return CTM_ERR_NOT_FOUND;
    }
    if (limit > 1 && total > 1) {
        const ctm_status status = parent_of(shard, top - 1, limit - 1, &parent);
        if (status != CTM_OK) {
            return status;
        }
    }
    return find_site(shard, top - 1, parent, limit, size, out);
}

/* HOOK: */
ctm_status ctm_stack_site(ctm_shard *shard, PyThreadState *thread_state, uint64_t size,
                          uint32_t *out)
{
    const ctm_status status = site_of_stack(shard, thread_state, size, out);
    if (!ctm_code_deaths_are_known()) {
        ctm_stack_forget();
    }
    return status;
}

/* HOOK: The frame that makes a generator or a coroutine is not complete yet: what it allocates is its caller's. */
CTM_SELDOM uint32_t ctm_stack_new_site(ctm_shard *shard, PyThreadState *thread_state, uint64_t size)
{
    const void *const complete = ctm_frames_first_complete(thread_state);
    uint32_t site = 0;
    ctm_where where;
    if (complete != NULL && complete != ctm_frames_innermost(thread_state) &&
        ctm_stack_where(complete, &where)) {
        site = ctm_stack_known_site(&where, size);
    }
    if (site != 0) {
        return site;
    }
    return ctm_stack_site(shard, thread_state, size, &site) == CTM_OK ? site : 0;
}
#endif
