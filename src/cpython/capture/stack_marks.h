/* stack_marks.h: marks, by which older frames are known to be as they were; included by stack_follow.h.
 *
 * Model: a frame that called another one in the same run of the interpreter's loop is suspended with its stack
 * pointer at the slot where the call's result will be put: the lowest slot of the call's operands, which the new frame
 * has taken. A mark is a word written there, that no object's reference can be. To the interpreter the slot is free space
 * above the stack: it reads it only after it has written it, and it writes it before this frame can stand at this
 * instruction in another call, for then the operands are pushed anew, the lowest into this slot. So a frame that stands
 * where it is remembered, and whose mark is there, is in the same call as when the mark was made, and it and all older
 * frames have not moved since.
 *
 * This holds for calls, which take their operands off the stack: hence `mark_place`, of each family, which
 * gives no slot for other instructions (a property's owner, for one, may be left on the stack), nor for code that runs
 * compiled. A frame that was entered from C is never marked through: then the caller's operands are still on its stack.
 */

#define CTM_MARK ((uintptr_t)0xC7A3u << 48 | 0x6d61726bu) /* no address, and no tagged number that occurs */
#define CTM_LONG_WALK 12u                                 /* levels without a mark */

/* HOOK: The frame at `level` has called the one above, which is in the chain too. */
static inline uintptr_t *mark_slot(const ctm_stack *stack, uint32_t level)
{
    const bool complete = stack->totals[level] > (level > 0 ? stack->totals[level - 1] : 0);
    const ctm_interpreter_frame *above = stack->levels[level + 1].frame;
    if (!complete || above->owner != FRAME_OWNED_BY_THREAD || is_entered_from_c(above)) {
        return NULL;
    }
    ctm_interpreter_frame *frame = (ctm_interpreter_frame *)stack->levels[level].frame;
    uintptr_t *const slot = mark_place(frame), *const slots = (uintptr_t *)frame->localsplus;
    const PyCodeObject *code = frame_code(frame);
    const bool is_inside = slot != NULL && slot >= slots + code->co_nlocalsplus &&
                           slot < slots + code->co_nlocalsplus + code->co_stacksize;
    return is_inside ? slot : NULL;
}

/* HOOK: Marks the levels from `from` to below `to`, which is at most the innermost one. */
static inline void mark_levels(ctm_stack *stack, uint32_t from, uint32_t to)
{
    for (uint32_t i = from; i < to; i++) {
        uintptr_t *const slot = mark_slot(stack, i);
        stack->levels[i].mark = slot;
        if (slot != NULL) {
            *slot = CTM_MARK;
        }
    }
}

/* HOOK: The levels were compared without meeting a mark. Their calls have returned and were made again: mark the new
 * ones, though not each time, for it may be that they cannot be marked. */
static CTM_SELDOM void mark_anew(ctm_stack *stack, uint32_t from, uint32_t to)
{
    if (stack->long_walks++ % 4 == 0 && to <= stack->marked) {
        mark_levels(stack, from, to);
    }
}

/* HOOK: `level` is below the innermost one, and its frame stands where it is remembered. */
static inline bool is_marked(const ctm_stack *stack, const ctm_level *level)
{
    return level->mark != NULL && *level->mark == CTM_MARK &&
           level < stack->levels + stack->marked;
}
