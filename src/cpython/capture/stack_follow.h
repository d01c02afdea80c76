/* stack_follow.h: the part of stack.h that reads frames; included by frames_walk.h, behind the family's own
 * `innermost`, `is_complete`, `frame_code` and `frame_instruction`. */

#include "stack_marks.h"

/* HOOK: */
static inline uint32_t place_of(const void *frame)
{
    return (uint32_t)((uintptr_t)frame >> 4) % CTM_STACK_PLACES;
}

/* HOOK: The frame's address from where it is remembered. The compiler knows that the chain led to the same address, and
 * would take that one, for which the processor has to wait: hence volatile. */
static inline const ctm_interpreter_frame *remembered_frame(const ctm_level *level)
{
    return *(const void *const volatile *)&level->frame;
}

/* HOOK: */
static inline void put_level(ctm_stack *stack, uint32_t at, const ctm_interpreter_frame *frame)
{
    const void *instruction = frame_instruction(frame);
    ctm_level *level = &stack->levels[at];
    if (at < stack->known && level->frame == frame && level->instruction == instruction) {
        return;
    }
    *level = (ctm_level){frame, instruction, NULL, 0, 0};
    if (at < stack->lowest) {
        stack->lowest = at;
    }
}

/* HOOK: Compares the real chain from level `at` on, whose frame was just reached, with the remembered one, until a mark
 * says that the rest agrees. *out_end is the level it ended at; false: whose frame was called from elsewhere. */
static inline bool follow_down(ctm_stack *stack, uint32_t at, bool is_top, uint32_t *out_end)
{
    const ctm_level *const marked = stack->levels + stack->marked;
    for (ctm_level *level = &stack->levels[at];; level--) {
        const ctm_interpreter_frame *frame = remembered_frame(level);
        const void *instruction = frame_instruction(frame);
        if (level->instruction != instruction) {
            level->instruction = instruction;
            stack->lowest = (uint32_t)(level - stack->levels);
        } else if (!is_top && level < marked && is_marked(level)) {
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

/* HOOK: The length is set, and the levels from `lowest` on are new. */
static inline void count_complete(ctm_stack *stack)
{
    if (stack->lowest < stack->length) {
        const uint32_t top = stack->length - 1;
        const uint32_t before = top < stack->known ? stack->totals[top] : UINT32_MAX;
        uint32_t total = stack->lowest > 0 ? stack->totals[stack->lowest - 1] : 0;
        for (uint32_t i = stack->lowest; i <= top; i++) {
            total += is_complete((const ctm_interpreter_frame *)stack->levels[i].frame);
            stack->totals[i] = total;
        }
        if (total != before) { /* what is counted above is wrong now */
            stack->known = stack->length;
        }
    }
}

/* HOOK: Takes all of the chain, keeping what agrees. */
static CTM_SELDOM bool follow_anew(ctm_stack *stack, const ctm_interpreter_frame *top)
{
    uint32_t length = 0;
    for (const ctm_interpreter_frame *frame = top; frame != NULL; frame = frame->previous) {
        length++;
    }
    if (!ctm_stack_reserve(stack, length)) {
        return false;
    }
    uint32_t at = length;
    for (const ctm_interpreter_frame *frame = top; frame != NULL; frame = frame->previous) {
        put_level(stack, --at, frame);
    }
    /* Where two frames share a place, the younger one is to be found there: it is asked for more often. */
    for (at = length > CTM_STACK_PLACES ? length - CTM_STACK_PLACES : 0; at < length; at++) {
        stack->places[place_of(stack->levels[at].frame)] = at;
    }
    stack->length = length;
    count_complete(stack);
    mark_changed(stack);
    return true;
}

/* HOOK: Finds the frames that are not remembered, the innermost first, up to one that is, above a chain that is: *out_base
 * levels. False: too many. */
static inline bool find_fresh(ctm_stack *stack, const ctm_interpreter_frame *top,
                              const ctm_interpreter_frame **fresh, uint32_t *out_n,
                              uint32_t *out_base)
{
    const ctm_interpreter_frame *frame = top;
    uint32_t n = 0;
    *out_base = 0;
    for (; frame != NULL; frame = frame->previous) {
        const uint32_t at = stack->places[place_of(frame)];
        uint32_t end = at;
        const bool is_known = at < stack->known && stack->levels[at].frame == frame;
        if (is_known && follow_down(stack, at, frame == top, &end)) {
            *out_base = at + 1;
            if (at - end > CTM_LONG_WALK && end + 1 < stack->marked) {
                stack->marked = end + 1; /* make them anew */
            }
            break;
        }
        if (n + (at - end) >= CTM_STACK_FRESH) {
            return false;
        }
        for (uint32_t i = at; i > end; i--) { /* in the chain, but above frames that are not */
            fresh[n++] = stack->levels[i].frame;
        }
        frame = is_known ? stack->levels[end].frame : frame;
        fresh[n++] = frame;
    }
    *out_n = n;
    return true;
}

/* HOOK: */
bool ctm_stack_follow(ctm_stack *stack, PyThreadState *thread_state)
{
    const ctm_interpreter_frame *fresh[CTM_STACK_FRESH];
    const ctm_interpreter_frame *const top = innermost(thread_state);
    uint32_t n, base;
    stack->lowest = UINT32_MAX;
    if (!find_fresh(stack, top, fresh, &n, &base)) {
        return follow_anew(stack, top);
    }
    if (!ctm_stack_reserve(stack, base + n)) {
        return false;
    }
    for (uint32_t i = 0; i < n; i++) {
        const ctm_interpreter_frame *const added = fresh[n - 1 - i];
        put_level(stack, base + i, added);
        stack->places[place_of(added)] = base + i;
    }
    stack->length = base + n;
    count_complete(stack);
    mark_changed(stack);
    return true;
}

/* HOOK: */
static inline ctm_near *near_of(ctm_stack *stack, const ctm_interpreter_frame *frame)
{
    return &stack->nears[(uintptr_t)frame / 32 % CTM_STACK_NEARS];
}

/* HOOK: */
bool ctm_stack_is_near(ctm_stack *stack, const void *innermost, ctm_where *out)
{
    const ctm_interpreter_frame *const frame = innermost;
    ctm_near *const near = near_of(stack, frame);
    if (near->tag != (uintptr_t)frame + 1) {
        return false;
    }
    const ctm_interpreter_frame *caller = frame->previous;
    for (const ctm_hop *hop = near->hops, *last = hop + near->n - 1;; hop++) {
        if (caller != hop->frame || frame_instruction(caller) != hop->instruction) {
            return false;
        }
        if (hop == last) {
            break;
        }
        caller = caller->previous;
    }
    if (*near->mark != near->word || (near->is_whole && caller->previous != NULL)) {
        return false;
    }
    near->was_used = true;
    out->instruction = frame_instruction(frame);
    out->callers = near->callers;
    return true;
}

/* HOOK: */
bool ctm_stack_has_near_caller(ctm_stack *stack, const void *innermost, ctm_near_caller *out)
{
    const ctm_interpreter_frame *frame = ((const ctm_interpreter_frame *)innermost)->previous;
    ctm_where where;
    out->n = 0;
    for (uint32_t i = 0; i < CTM_NEAR_CALLERS && frame != NULL; i++) {
        const bool complete = is_complete(frame);
        if (complete) {
            out->instructions[out->n++] = frame_instruction(frame);
        }
        if (ctm_stack_is_near(stack, frame, &where)) {
            out->callers = where.callers;
            out->context = near_of(stack, frame)->context;
            return complete;
        }
        frame = frame->previous;
    }
    return false;
}

/* HOOK: Is it time to try to make this near again? */
static inline bool is_due(ctm_near *near)
{
    if (near->skip > 0) {
        near->skip--;
        return false;
    }
    if (near->tag != 0 && !near->was_used) {
        near->penalty = near->penalty < 32 ? 2 * near->penalty + 1 : 63;
        near->skip = near->penalty;
        near->tag = 0;
        return false;
    }
    near->penalty = 0;
    return true;
}

/* HOOK: Marks the caller if it can be marked. Else, if it is the oldest frame, none is needed. */
static inline bool mark_caller(ctm_stack *stack, ctm_near *near,
                               const ctm_interpreter_frame *caller,
                               const ctm_interpreter_frame *called)
{
    uintptr_t *const slot =
        is_complete(caller) ? slot_under((ctm_interpreter_frame *)caller, called) : NULL;
    near->is_whole = caller->previous == NULL;
    if (slot != NULL) {
        near->word = mark_word(put_mark(stack, slot));
        near->mark = slot;
    } else {
        near->mark = &near->word;
    }
    return slot != NULL || near->is_whole;
}

/* HOOK: A mark costs more than it saves if the call returns before it is looked at: then it is tried less and less. */
void ctm_stack_make_near(ctm_stack *stack, const void *innermost, uint64_t callers,
                         uint32_t context)
{
    const ctm_interpreter_frame *called = innermost;
    ctm_near *const near = near_of(stack, called);
    if (!is_due(near)) {
        return;
    }
    near->tag = 0;
    for (uint32_t n = 0; n < CTM_NEAR_HOPS && called->previous != NULL; n++) {
        const ctm_interpreter_frame *const caller = called->previous;
        near->hops[n] = (ctm_hop){caller, frame_instruction(caller)};
        if (mark_caller(stack, near, caller, called)) {
            near->n = (uint8_t)(n + 1);
            near->callers = callers;
            near->context = context;
            near->was_used = false;
            near->tag = (uintptr_t)innermost + 1;
            return;
        }
        called = caller;
    }
    near->skip = 31;
}

/* HOOK: The frame is where it was remembered, but stands elsewhere, or in another call. If only frames matter, that
 * is as good, unless one is complete and the other is not. */
static CTM_SELDOM bool accept_moved(const ctm_stack *stack, ctm_level *level,
                                    const ctm_interpreter_frame *frame)
{
    const uint32_t at = (uint32_t)(level - stack->levels);
    const bool was_complete = stack->totals[at] > (at > 0 ? stack->totals[at - 1] : 0);
    if (is_complete(frame) != was_complete) {
        return false;
    }
    level->instruction = frame_instruction(frame);
    level->mark = NULL;
    return true;
}

/* HOOK: Goes down to the older levels from `level`, where the chain has led, comparing, until a mark says that the rest
 * agrees too. The levels in between are not looked at for marks: see CTM_UNMARKED. */
static inline bool is_rest_known(ctm_stack *stack, ctm_level *const top, bool frames_only)
{
    ctm_level *const oldest = stack->levels, *level = top;
    const ctm_interpreter_frame *frame = level->frame;
    uint32_t guard = level < oldest + stack->marked ? level->below : stack->guard;
    for (;;) {
        ctm_level *const stop = guard > 0 ? oldest + guard - 1 : oldest;
        while (level != stop) {
            level--;
            if (frame->previous != level->frame) {
                return false;
            }
            frame = remembered_frame(level);
            if (frame_instruction(frame) != level->instruction &&
                !(frames_only && accept_moved(stack, level, frame))) {
                return false;
            }
        }
        if (guard == 0 && frame->previous != NULL) {
            return false;
        }
        if (guard == 0 || is_marked(level)) {
            break;
        }
        guard = level->below;
    }
    if (top - level > CTM_LONG_WALK) {
        mark_anew(stack, guard, (uint32_t)(top - oldest));
    }
    return true;
}

/* HOOK: */
const void *ctm_stack_previous(const void *frame)
{
    const ctm_interpreter_frame *previous = ((const ctm_interpreter_frame *)frame)->previous;
    return previous != NULL && is_complete(previous) ? previous : NULL;
}

/* HOOK: */
bool ctm_stack_is_complete(const void *frame)
{
    return is_complete(frame);
}

/* HOOK: */
const void *ctm_stack_instruction(const void *frame)
{
    return frame_instruction(frame);
}

/* HOOK: */
bool ctm_stack_find_above(ctm_stack *stack, const void *innermost, bool frames_only, ctm_above *out)
{
    const ctm_interpreter_frame *frame = innermost;
    for (uint32_t n = 0; frame != NULL && n < CTM_STACK_FEW; frame = frame->previous) {
        const uint32_t at = stack->places[place_of(frame)];
        ctm_level *const level = stack->levels + at;
        out->frames[n].frame = frame;
        out->frames[n].instruction = frame_instruction(frame);
        out->frames[n].is_complete = n > 0 && is_complete(frame);
        n++;
        if (at >= stack->known || level->frame != frame) {
            continue;
        }
        if (is_rest_known(stack, level, frames_only)) {
            out->n = n;
            out->level = at;
            return true;
        }
        if (!frames_only) { /* contexts are made with what has changed */
            return false;
        }
    }
    return false;
}

/* HOOK: */
static inline PyCodeObject *code_at(const ctm_interpreter_frame *frame, const void *instruction,
                                    int *out_unit)
{
    PyCodeObject *code = frame_code(frame);
    *out_unit = (int)((const _Py_CODEUNIT *)instruction - _PyCode_CODE(code));
    return code;
}

/* HOOK: */
PyCodeObject *ctm_stack_frame_code(const void *frame, int *out_unit)
{
    return code_at(frame, frame_instruction(frame), out_unit);
}

/* HOOK: */
PyCodeObject *ctm_stack_code(const ctm_stack *stack, uint32_t level, int *out_unit)
{
    return code_at(stack->levels[level].frame, stack->levels[level].instruction, out_unit);
}
