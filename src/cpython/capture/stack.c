/* stack.c: from the remembered stack to a site.
 *
 * Model: each level keeps the traceback rows of the chain that ends there, one for each of the last few numbers of
 * frames left out (with a limit on the frames, that number moves with the depth). `valid` levels, counted from the
 * oldest, have not changed since.
 *
 * What the innermost frame adds is looked up by its instruction in a cache of sites, direct-mapped, because it
 * changes with nearly every event: (instruction, caller's traceback, total, size) -> site. An entry is good as long
 * as its stamp is that of now, which a new generation of the tracer or the death of any code object changes.
 */
#include "stack.h"

#include "capture.h"

#include <stdlib.h>
#include <string.h>

#if !defined(Py_GIL_DISABLED) /* free-threaded builds: module.c refuses the import */

#define WAYS 4u
#define CACHED_SITES 1024u /* a power of two */

typedef struct chain {
    uint32_t left_out;  /* complete frames older than the oldest one of this chain */
    uint32_t traceback; /* its row; 0: not looked up yet */
} chain;

typedef struct level_chains {
    uint32_t row; /* frame row of the level; 0: not looked up yet */
    chain ways[WAYS];
} level_chains;

typedef struct cached_site {
    const void *instruction;
    uint32_t stamp;
    uint32_t parent; /* traceback row of the caller; 0: none is kept */
    uint32_t total;
    uint32_t size; /* bytes */
    uint32_t site;
} cached_site;

/* All of it: GIL. */
static ctm_stack the_stack;
static level_chains *the_chains; /* owned, `the_chains_capacity` of them */
static uint32_t the_chains_capacity;
static uint32_t the_valid;     /* levels whose chains are good */
static uint32_t the_stamp = 1; /* of now */
static cached_site the_sites[CACHED_SITES];

size_t ctm_stack_memory(void)
{
    return the_stack.capacity * (sizeof(ctm_level) + sizeof(uint32_t)) +
           the_chains_capacity * sizeof(level_chains);
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
static bool reserve_chains(uint32_t levels)
{
    if (levels <= the_chains_capacity) {
        return true;
    }
    level_chains *more = grown(the_chains, the_valid, the_stack.capacity, sizeof(level_chains));
    if (more == NULL) {
        return false;
    }
    the_chains = more;
    the_chains_capacity = the_stack.capacity;
    return true;
}

/* HOOK: */
void ctm_stack_forget(void)
{
    if (++the_stamp == 0) { /* once round: old stamps would be good again */
        memset(the_sites, 0, sizeof the_sites);
        the_stamp = 1;
    }
    the_stack.known = 0;
    the_valid = 0;
}

void ctm_stack_release(void)
{
    ctm_stack_forget();
    free(the_stack.levels);
    free(the_stack.totals);
    free(the_chains);
    the_stack = (ctm_stack){0};
    the_chains = NULL;
    the_chains_capacity = 0;
}

/* HOOK: */
static inline bool is_complete(uint32_t level)
{
    return the_stack.totals[level] > (level > 0 ? the_stack.totals[level - 1] : 0);
}

/* HOOK: The frame row of a complete level. */
static ctm_status level_row(ctm_shard *shard, uint32_t level, uint32_t *out)
{
    uint32_t *row = &the_chains[level].row;
    ctm_status status = CTM_OK;
    if (*row == 0) {
        int unit;
        PyCodeObject *code = ctm_stack_code(&the_stack, level, &unit);
        status = ctm_code_frame(shard, code, unit, row);
    }
    *out = *row;
    return status;
}

/* HOOK: The traceback that ends at `level`, with `left_out` frames left out; 0 if that leaves none. */
static ctm_status chain_traceback(ctm_shard *shard, uint32_t level, uint32_t left_out,
                                  uint32_t *out)
{
    const uint32_t way = left_out % WAYS, levels = level + 1;
    uint32_t from = levels, traceback = 0; /* levels below `from` need not be looked at */
    while (from > 0 && the_stack.totals[from - 1] > left_out) {
        const chain *known = &the_chains[from - 1].ways[way];
        if (known->traceback != 0 && known->left_out == left_out) {
            traceback = known->traceback;
            break;
        }
        from--;
    }
    for (uint32_t i = from; i < levels; i++) {
        if (is_complete(i)) {
            uint32_t row;
            ctm_status status = level_row(shard, i, &row);
            if (status == CTM_OK) {
                status = ctm_shard_traceback(shard, traceback, row, (int32_t)the_stack.totals[i],
                                             &traceback);
            }
            if (status != CTM_OK) {
                return status;
            }
        }
        the_chains[i].ways[way] = (chain){left_out, traceback};
    }
    *out = traceback;
    return CTM_OK;
}

/* HOOK: The traceback of the frames older than level `top`, with `left_out` left out. */
static __attribute__((noinline)) ctm_status parent_of(ctm_shard *shard, uint32_t top,
                                                      uint32_t left_out, uint32_t *out)
{
    if (!reserve_chains(the_stack.length)) {
        return CTM_ERR_NOMEM;
    }
    if (the_valid < top) {
        memset(the_chains + the_valid, 0, (top - the_valid) * sizeof(level_chains));
        the_valid = top;
    }
    return chain_traceback(shard, top - 1, left_out, out);
}

/* HOOK: */
static inline cached_site *site_place(const void *instruction, uint32_t parent, uint32_t total,
                                      uint32_t size)
{
    const uint64_t spot = (uintptr_t)instruction >> 1 ^ total << 5;
    const uint64_t hash = (spot ^ (uint64_t)(size ^ parent << 7) << 32) * 0x9E3779B97F4A7C15ull;
    return &the_sites[hash >> 54]; /* the upper 10 bits */
}
_Static_assert(CACHED_SITES == 1u << (64 - 54),
               "the index has as many bits as the cache has entries");

/* HOOK: */
static inline bool is_cached(const cached_site *cached, const void *instruction, uint32_t parent,
                             uint32_t total, uint64_t size)
{
    return cached->instruction == instruction && cached->parent == parent &&
           cached->total == total && cached->size == size && cached->stamp == the_stamp;
}

/* HOOK: */
static __attribute__((noinline)) ctm_status look_up(ctm_shard *shard, uint32_t top, uint32_t parent,
                                                    uint64_t size, uint32_t *out)
{
    int unit;
    uint32_t row, traceback;
    PyCodeObject *code = ctm_stack_code(&the_stack, top, &unit);
    ctm_status status = ctm_code_frame(shard, code, unit, &row);
    if (status == CTM_OK) {
        status =
            ctm_shard_traceback(shard, parent, row, (int32_t)the_stack.totals[top], &traceback);
    }
    return status == CTM_OK ? ctm_shard_site(shard, 0, traceback, size, out) : status;
}

/* HOOK: */
static inline ctm_status find_site(ctm_shard *shard, uint32_t top, uint32_t parent, uint64_t size,
                                   uint32_t *out)
{
    const void *instruction = the_stack.levels[top].instruction;
    const uint32_t total = the_stack.totals[top];
    cached_site *cached = site_place(instruction, parent, total, (uint32_t)size);
    if (is_cached(cached, instruction, parent, total, size)) {
        *out = cached->site;
        return CTM_OK;
    }
    const ctm_status status = look_up(shard, top, parent, size, out);
    if (status == CTM_OK && size <= UINT32_MAX) {
        *cached = (cached_site){.instruction = instruction,
                                .stamp = the_stamp,
                                .parent = parent,
                                .total = total,
                                .size = (uint32_t)size,
                                .site = *out};
    }
    return status;
}

/* HOOK: An instruction that has a cached site belongs to a complete frame. */
uint32_t ctm_stack_known_site(PyThreadState *thread_state, uint64_t size)
{
    uint32_t level;
    const void *instruction;
    if (!ctm_stack_is_as_known(&the_stack, thread_state, &level, &instruction)) {
        return 0;
    }
    const uint32_t older = level > 0 ? the_stack.totals[level - 1] : 0, total = older + 1;
    const uint32_t limit = ctm_tracer_nframe(ctm_the_capture.tracer);
    uint32_t parent = 0;
    if (limit > 1 && older > 0) {
        const uint32_t left_out = total > limit ? total - limit : 0;
        if (the_valid < level) {
            return 0;
        }
        const chain *known = &the_chains[level - 1].ways[left_out % WAYS];
        parent = known->traceback;
        if (parent == 0 || known->left_out != left_out) {
            return 0;
        }
    }
    const cached_site *cached = site_place(instruction, parent, total, (uint32_t)size);
    return is_cached(cached, instruction, parent, total, size) ? cached->site : 0;
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
    top--;
    const uint32_t limit = ctm_tracer_nframe(ctm_the_capture.tracer);
    const uint32_t left_out = total > limit ? total - limit : 0;
    uint32_t parent = 0;
    if (total - left_out > 1) {
        const ctm_status status = parent_of(shard, top, left_out, &parent);
        if (status != CTM_OK) {
            return status;
        }
    }
    return find_site(shard, top, parent, size, out);
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
#endif
