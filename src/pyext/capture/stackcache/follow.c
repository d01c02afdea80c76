/* follow.c: compares the remembered stack (stack.h) with the real one, frame by frame. */
#include "capture/frames/family.h"

#include "capture/frames/assert.h"
#include "capture/hot.h"
#include "capture/stackcache/sentinels_inline.h"
#include "capture/stackcache/stack.h"

#if PYCTM_FAMILY != 0

/* HOOK: */
static inline uint32_t bucket_of(const void *frame)
{
    return (uint32_t)((uintptr_t)frame >> 4) % PYCTM_STACK_BUCKETS;
}

/* HOOK: Reads the frame's address from the level. It is volatile because the compiler knows that the chain has reached
 * the same address, and would use that one, for which the processor has to wait. */
static inline const pyctm_interpreter_frame *remembered_frame(const pyctm_level *level)
{
    return *(const void *const volatile *)&level->frame;
}

/* HOOK: */
static inline void put_level(pyctm_stack *stack, uint32_t at, const pyctm_interpreter_frame *frame)
{
    const void *instruction = pyctm_frame_instruction(frame);
    PYCTM_ASSERT(at < stack->capacity);
    pyctm_level *level = &stack->levels[at];
    if (at < stack->known && level->frame == frame && level->instruction == instruction) {
        return;
    }
    *level = (pyctm_level){frame, instruction, NULL, 0, 0};
    if (at < stack->lowest) {
        stack->lowest = at;
    }
}

/* HOOK: Compares the real chain from level `at`, whose frame was just reached, with the levels, until a sentinel proves
 * that the rest agrees. *out_end is the level where it ended; false: that level's frame has another caller now. */
static inline bool follow_down(pyctm_stack *stack, uint32_t at, bool is_top, uint32_t *out_end)
{
    const pyctm_level *const with_sentinel = stack->levels + stack->with_sentinel;
    for (pyctm_level *level = &stack->levels[at];; level--) {
        const pyctm_interpreter_frame *frame = remembered_frame(level);
        const void *instruction = pyctm_frame_instruction(frame);
        if (level->instruction != instruction) {
            level->instruction = instruction;
            stack->lowest = (uint32_t)(level - stack->levels);
        } else if (!is_top && level < with_sentinel && pyctm_sentinel_is_there(level)) {
            *out_end = (uint32_t)(level - stack->levels);
            return true;
        }
        is_top = false;
        const bool is_oldest = level == stack->levels;
        const bool agrees = frame->previous == (is_oldest ? NULL : level[-1].frame);
        if (is_oldest || !agrees) {
            *out_end = (uint32_t)(level - stack->levels);
            return agrees;
        }
    }
}

/* HOOK: Counts complete frames. The length is set, and the levels from `lowest` on are new. */
static inline void count_complete(pyctm_stack *stack)
{
    if (stack->lowest < stack->length) {
        const uint32_t top = stack->length - 1;
        const uint32_t before = top < stack->known ? stack->totals[top] : UINT32_MAX;
        uint32_t total = stack->lowest > 0 ? stack->totals[stack->lowest - 1] : 0;
        for (uint32_t i = stack->lowest; i <= top; i++) {
            total +=
                pyctm_frame_is_complete((const pyctm_interpreter_frame *)stack->levels[i].frame);
            stack->totals[i] = total;
        }
        if (total != before) { /* the totals of the levels above are wrong now */
            stack->known = stack->length;
        }
    }
}

#define CHECKED_LEVELS 64u /* the innermost ones; with all, deep recursion would take for ever */

/* For an assert: whether the levels are the frames of the chain from `top` on, each at its instruction, with their
 * totals. */
PYCTM_FOR_ASSERTS static inline bool agrees(const pyctm_stack *stack,
                                            const pyctm_interpreter_frame *top)
{
    const pyctm_interpreter_frame *frame = top;
    const uint32_t end = stack->length > CHECKED_LEVELS ? stack->length - CHECKED_LEVELS : 0;
    uint32_t level = stack->length;
    for (; level > end && frame != NULL; frame = frame->previous) {
        level--;
        const uint32_t below = level > 0 ? stack->totals[level - 1] : 0;
        if (stack->levels[level].frame != frame ||
            stack->levels[level].instruction != pyctm_frame_instruction(frame) ||
            stack->totals[level] != below + pyctm_frame_is_complete(frame)) {
            return false;
        }
    }
    return level == end && (frame == NULL) == (end == 0) && stack->length <= stack->known &&
           stack->known <= stack->capacity;
}

/* HOOK: Reads the whole chain and keeps the levels that agree. */
static PYCTM_RARELY bool follow_anew(pyctm_stack *stack, const pyctm_interpreter_frame *top)
{
    uint32_t length = 0;
    for (const pyctm_interpreter_frame *frame = top; frame != NULL; frame = frame->previous) {
        length++;
    }
    if (!pyctm_stack_reserve(stack, length)) {
        return false;
    }
    uint32_t at = length;
    for (const pyctm_interpreter_frame *frame = top; frame != NULL; frame = frame->previous) {
        put_level(stack, --at, frame);
    }
    /* If two frames have the same hash, the younger one is stored, because it is searched more often. */
    for (at = length > PYCTM_STACK_BUCKETS ? length - PYCTM_STACK_BUCKETS : 0; at < length; at++) {
        stack->buckets[bucket_of(stack->levels[at].frame)] = at;
    }
    stack->length = length;
    count_complete(stack);
    pyctm_sentinel_changed(stack);
    PYCTM_ASSERT(agrees(stack, top));
    return true;
}

/* HOOK: Finds the frames that are not remembered, the innermost first, up to a remembered one whose callers agree with
 * the levels; there are *out_base levels up to it. False: too many. */
static inline bool find_fresh(pyctm_stack *stack, const pyctm_interpreter_frame *top,
                              const pyctm_interpreter_frame **fresh, uint32_t *out_n,
                              uint32_t *out_base)
{
    const pyctm_interpreter_frame *frame = top;
    uint32_t n = 0;
    PYCTM_ASSERT(stack->known <= stack->capacity);
    *out_base = 0;
    for (; frame != NULL; frame = frame->previous) {
        const uint32_t at = stack->buckets[bucket_of(frame)];
        uint32_t end = at;
        const bool is_known = at < stack->known && stack->levels[at].frame == frame;
        if (is_known && follow_down(stack, at, frame == top, &end)) {
            *out_base = at + 1;
            if (at - end > PYCTM_LONG_WALK && end + 1 < stack->with_sentinel) {
                stack->with_sentinel = end + 1; /* set these sentinels again */
            }
            break;
        }
        if (n + (at - end) >= PYCTM_STACK_FRESH) {
            return false;
        }
        for (uint32_t i = at; i > end; i--) { /* in the chain, but their callers changed */
            fresh[n++] = stack->levels[i].frame;
        }
        frame = is_known ? stack->levels[end].frame : frame;
        fresh[n++] = frame;
    }
    *out_n = n;
    return true;
}

/* HOOK: */
bool pyctm_stack_follow(pyctm_stack *stack, PyThreadState *thread_state)
{
    const pyctm_interpreter_frame *fresh[PYCTM_STACK_FRESH];
    const pyctm_interpreter_frame *const top = pyctm_frame_innermost(thread_state);
    uint32_t n, base;
    stack->lowest = UINT32_MAX;
    if (!find_fresh(stack, top, fresh, &n, &base)) {
        return follow_anew(stack, top);
    }
    if (!pyctm_stack_reserve(stack, base + n)) {
        return false;
    }
    for (uint32_t i = 0; i < n; i++) {
        const pyctm_interpreter_frame *const added = fresh[n - 1 - i];
        put_level(stack, base + i, added);
        stack->buckets[bucket_of(added)] = base + i;
    }
    stack->length = base + n;
    count_complete(stack);
    pyctm_sentinel_changed(stack);
    PYCTM_ASSERT(agrees(stack, top));
    return true;
}

/* HOOK: */
static inline pyctm_cached_call *cached_call_of(pyctm_stack *stack,
                                                const pyctm_interpreter_frame *frame)
{
    return &stack->cached_calls[(uintptr_t)frame / 32 % PYCTM_CALL_CACHE_ENTRIES];
}

/* HOOK: */
bool pyctm_stack_is_cached_call(pyctm_stack *stack, const void *innermost, pyctm_where *out)
{
    const pyctm_interpreter_frame *const frame = innermost;
    pyctm_cached_call *const cached = cached_call_of(stack, frame);
    if (cached->tag != (uintptr_t)frame + 1) {
        return false;
    }
    PYCTM_ASSERT(cached->n >= 1 && cached->n <= PYCTM_CALL_CACHE_LINKS);
    PYCTM_ASSERT(cached->sentinel != NULL);
    PYCTM_ASSERT(cached->sentinel != &cached->word || cached->is_whole);
    const pyctm_interpreter_frame *caller = frame->previous;
    for (const pyctm_caller_link *link = cached->links, *last = link + cached->n - 1;; link++) {
        if (caller != link->frame || pyctm_frame_instruction(caller) != link->instruction) {
            return false;
        }
        if (link == last) {
            break;
        }
        caller = caller->previous;
    }
    if (*cached->sentinel != cached->word || (cached->is_whole && caller->previous != NULL)) {
        return false;
    }
    cached->was_used = true;
    out->instruction = pyctm_frame_instruction(frame);
    out->callers = cached->callers;
    return true;
}

/* HOOK: */
bool pyctm_stack_has_cached_caller(pyctm_stack *stack, const void *innermost,
                                   pyctm_cached_caller *out)
{
    const pyctm_interpreter_frame *frame = ((const pyctm_interpreter_frame *)innermost)->previous;
    pyctm_where where;
    out->n = 0;
    for (uint32_t i = 0; i < PYCTM_CALL_CACHE_CALLERS && frame != NULL; i++) {
        const bool complete = pyctm_frame_is_complete(frame);
        if (complete) {
            out->instructions[out->n++] = pyctm_frame_instruction(frame);
        }
        if (pyctm_stack_is_cached_call(stack, frame, &where)) {
            out->callers = where.callers;
            out->context = cached_call_of(stack, frame)->context;
            return complete;
        }
        frame = frame->previous;
    }
    return false;
}

/* HOOK: Whether this entry of the call cache is to be made again. */
static inline bool is_due(pyctm_cached_call *cached)
{
    if (cached->skip > 0) {
        cached->skip--;
        return false;
    }
    if (cached->tag != 0 && !cached->was_used) {
        cached->penalty = cached->penalty < 32 ? 2 * cached->penalty + 1 : 63;
        cached->skip = cached->penalty;
        cached->tag = 0;
        return false;
    }
    cached->penalty = 0;
    return true;
}

/* HOOK: Gives the caller a sentinel if it can have one. Otherwise, if it is the oldest frame, it needs none. */
static inline bool set_caller_sentinel(pyctm_stack *stack, pyctm_cached_call *cached,
                                       const pyctm_interpreter_frame *caller,
                                       const pyctm_interpreter_frame *called)
{
    uintptr_t *const slot =
        pyctm_frame_is_complete(caller)
            ? pyctm_sentinel_slot_under((pyctm_interpreter_frame *)caller, called)
            : NULL;
    cached->is_whole = caller->previous == NULL;
    if (slot != NULL) {
        cached->word = pyctm_sentinel_word(pyctm_sentinel_put(stack, slot));
        cached->sentinel = slot;
    } else {
        cached->sentinel = &cached->word;
    }
    return slot != NULL || cached->is_whole;
}

/* HOOK: A sentinel costs more than it saves if the call returns before it is tested; then it is tried less often. */
void pyctm_stack_cache_call(pyctm_stack *stack, const void *innermost, uint64_t callers,
                            uint32_t context)
{
    const pyctm_interpreter_frame *called = innermost;
    pyctm_cached_call *const cached = cached_call_of(stack, called);
    if (!is_due(cached)) {
        return;
    }
    cached->tag = 0;
    for (uint32_t n = 0; n < PYCTM_CALL_CACHE_LINKS && called->previous != NULL; n++) {
        const pyctm_interpreter_frame *const caller = called->previous;
        cached->links[n] = (pyctm_caller_link){caller, pyctm_frame_instruction(caller)};
        if (set_caller_sentinel(stack, cached, caller, called)) {
            cached->n = (uint8_t)(n + 1);
            cached->callers = callers;
            cached->context = context;
            cached->was_used = false;
            cached->tag = (uintptr_t)innermost + 1;
            return;
        }
        called = caller;
    }
    cached->skip = 31;
}

/* HOOK: The frame is the remembered one, but at another instruction or in another call. If only frames matter, it is
 * accepted, unless one is complete and the other is not. */
static PYCTM_RARELY bool accept_moved(const pyctm_stack *stack, pyctm_level *level,
                                      const pyctm_interpreter_frame *frame)
{
    const uint32_t at = (uint32_t)(level - stack->levels);
    const bool was_complete = stack->totals[at] > (at > 0 ? stack->totals[at - 1] : 0);
    if (pyctm_frame_is_complete(frame) != was_complete) {
        return false;
    }
    level->instruction = pyctm_frame_instruction(frame);
    level->sentinel = NULL;
    return true;
}

/* HOOK: The levels were compared without finding a sentinel: their calls have returned and were made again. Sets
 * sentinels of the new calls, but not each time, because these frames may be unable to have any. */
static PYCTM_RARELY void set_sentinels_anew(pyctm_stack *stack, uint32_t from, uint32_t to)
{
    PYCTM_ASSERT(from <= to && to < stack->known);
    if (stack->long_walks++ % 4 == 0) {
        pyctm_sentinel_set(stack, from, to < stack->with_sentinel ? to : stack->with_sentinel);
        stack->innermost_sentinel = pyctm_sentinel_innermost(stack, stack->with_sentinel);
    }
}

/* HOOK: Compares the older levels below `top`, which the chain has reached, with the chain, until a sentinel proves
 * that the rest agrees too. Sentinels are tested only at the levels that `innermost_sentinel` and `below` name: see
 * PYCTM_NO_SENTINEL. */
static inline bool is_rest_known(pyctm_stack *stack, pyctm_level *const top, bool frames_only)
{
    pyctm_level *const oldest = stack->levels, *level = top;
    const pyctm_interpreter_frame *frame = level->frame;
    uint32_t next_sentinel =
        level < oldest + stack->with_sentinel ? level->below : stack->innermost_sentinel;
    PYCTM_ASSERT(next_sentinel <= (uint32_t)(top - oldest));
    for (;;) {
        pyctm_level *const stop = next_sentinel > 0 ? oldest + next_sentinel - 1 : oldest;
        while (level != stop) {
            level--;
            if (frame->previous != level->frame) {
                return false;
            }
            frame = remembered_frame(level);
            if (pyctm_frame_instruction(frame) != level->instruction &&
                !(frames_only && accept_moved(stack, level, frame))) {
                return false;
            }
        }
        if (next_sentinel == 0 && frame->previous != NULL) {
            return false;
        }
        if (next_sentinel == 0 || pyctm_sentinel_is_there(level)) {
            break;
        }
        PYCTM_ASSERT(level->below < next_sentinel);
        next_sentinel = level->below;
    }
    if (top - level > PYCTM_LONG_WALK) {
        set_sentinels_anew(stack, next_sentinel, (uint32_t)(top - oldest));
    }
    return true;
}

/* HOOK: */
const void *pyctm_stack_previous(const void *frame)
{
    const pyctm_interpreter_frame *previous = ((const pyctm_interpreter_frame *)frame)->previous;
    return previous != NULL && pyctm_frame_is_complete(previous) ? previous : NULL;
}

/* HOOK: */
bool pyctm_stack_is_complete(const void *frame)
{
    return pyctm_frame_is_complete(frame);
}

/* HOOK: */
const void *pyctm_stack_instruction(const void *frame)
{
    return pyctm_frame_instruction(frame);
}

/* HOOK: */
bool pyctm_stack_find_above(pyctm_stack *stack, const void *innermost, bool frames_only,
                            pyctm_above *out)
{
    const pyctm_interpreter_frame *frame = innermost;
    for (uint32_t n = 0; frame != NULL && n < PYCTM_ABOVE_FRAMES; frame = frame->previous) {
        const uint32_t at = stack->buckets[bucket_of(frame)];
        pyctm_level *const level = stack->levels + at;
        out->frames[n].frame = frame;
        out->frames[n].instruction = pyctm_frame_instruction(frame);
        out->frames[n].is_complete = n > 0 && pyctm_frame_is_complete(frame);
        n++;
        if (at >= stack->known || level->frame != frame) {
            continue;
        }
        if (is_rest_known(stack, level, frames_only)) {
            out->n = n;
            out->level = at;
            return true;
        }
        if (!frames_only) { /* the contexts above include what has changed */
            return false;
        }
    }
    return false;
}

/* HOOK: */
static inline PyCodeObject *code_at(const pyctm_interpreter_frame *frame, const void *instruction,
                                    int *out_unit)
{
    PyCodeObject *code = pyctm_frame_code(frame);
    PYCTM_ASSERT(pyctm_frame_is_complete(frame) && PyCode_Check(code));
    *out_unit = (int)((const _Py_CODEUNIT *)instruction - _PyCode_CODE(code));
    return code;
}

/* HOOK: */
PyCodeObject *pyctm_stack_frame_code(const void *frame, int *out_unit)
{
    return code_at(frame, pyctm_frame_instruction(frame), out_unit);
}

/* HOOK: */
PyCodeObject *pyctm_stack_code(const pyctm_stack *stack, uint32_t level, int *out_unit)
{
    return code_at(stack->levels[level].frame, stack->levels[level].instruction, out_unit);
}

#endif
