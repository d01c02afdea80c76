/* sentinels_inline.h: sentinels, which prove that older frames have not changed; inline in follow.c.
 *
 * Model: a frame that called another one in the same run of the interpreter's loop is suspended with its stack pointer
 * at the slot where the call's result will be put: the lowest slot of the call's operands, which now belong to the new
 * frame. A *sentinel* is a word written there that cannot be an object's reference. The interpreter treats the slot as
 * free space above the stack: it reads the slot only after it has written it. It writes the slot before this frame can
 * be at this instruction in another call, because the operands are then pushed again, the lowest into this slot. So a
 * frame that is at its remembered instruction and still has its sentinel is in the same call as when the sentinel was
 * written, and it and all older frames have not changed since.
 *
 * No two sentinels are the same word, so a sentinel in the slot belongs to this call. It is used again, not replaced.
 *
 * This holds for instructions that remove an operand from the stack. So each family's `pyctm_frame_sentinel_slot`
 * returns no slot for other instructions (for example, a property's owner may stay there) nor for compiled code. A
 * frame that was entered from C gives its caller no sentinel, because the caller's operands are still on its stack.
 *
 * The few innermost frames change with nearly every event. They are compared: a sentinel would cost more.
 *
 * Included before Python.h.
 */

#ifndef PYCTM_CAPTURE_STACKCACHE_SENTINELS_INLINE_H
#define PYCTM_CAPTURE_STACKCACHE_SENTINELS_INLINE_H

#include "capture/frames/family.h"

#include "capture/frames/assert.h"
#include "capture/stackcache/stack.h"

#if PYCTM_FAMILY != 0

#define PYCTM_SENTINEL_BASE \
    ((uintptr_t)0xC7A3u << 48 | 0x6bu) /* no address, and no tagged number in use */
#define PYCTM_SENTINEL_SERIAL_BITS ((uintptr_t)0xffffffffu << 8)
#define PYCTM_LONG_WALK 12u  /* levels compared without a sentinel */
#define PYCTM_NO_SENTINEL 4u /* the innermost levels, which get no sentinel */

/* HOOK: The sentinel's slot of a complete frame that has called `above`, both in the chain; NULL: it has none. */
static inline uintptr_t *pyctm_sentinel_slot_under(pyctm_interpreter_frame *frame,
                                                   const pyctm_interpreter_frame *above)
{
    if (above->owner > FRAME_OWNED_BY_GENERATOR || pyctm_frame_is_entered_from_c(above)) {
        return NULL;
    }
    uintptr_t *const slot = pyctm_frame_sentinel_slot(frame, above->owner);
    uintptr_t *const slots = (uintptr_t *)frame->localsplus;
    const PyCodeObject *code = pyctm_frame_code(frame);
    const bool is_inside = slot != NULL && slot >= slots + code->co_nlocalsplus &&
                           slot < slots + code->co_nlocalsplus + code->co_stacksize;
    return is_inside ? slot : NULL;
}

/* HOOK: The sentinel's slot of the frame at `level`, which has called the level above, both in the chain. */
static inline uintptr_t *pyctm_sentinel_slot(const pyctm_stack *stack, uint32_t level)
{
    PYCTM_ASSERT(level + 1 < stack->known);
    const bool is_complete = stack->totals[level] > (level > 0 ? stack->totals[level - 1] : 0);
    return is_complete
               ? pyctm_sentinel_slot_under((pyctm_interpreter_frame *)stack->levels[level].frame,
                                           stack->levels[level + 1].frame)
               : NULL;
}

/* HOOK: */
static inline uintptr_t pyctm_sentinel_word(uint32_t serial)
{
    return PYCTM_SENTINEL_BASE | (uintptr_t)serial << 8;
}

/* HOOK: Writes a sentinel, unless there is one. Returns its serial. */
static inline uint32_t pyctm_sentinel_put(pyctm_stack *stack, uintptr_t *slot)
{
    if ((*slot & ~PYCTM_SENTINEL_SERIAL_BITS) != PYCTM_SENTINEL_BASE) {
        PYCTM_ASSERT(stack->serial != UINT32_MAX);
        *slot = pyctm_sentinel_word(++stack->serial);
    }
    PYCTM_ASSERT(pyctm_sentinel_word((uint32_t)(*slot >> 8)) == *slot);
    return (uint32_t)(*slot >> 8);
}

/* HOOK: 1 + the innermost level below `level` that has a sentinel; 0: none. */
static inline uint32_t pyctm_sentinel_innermost(const pyctm_stack *stack, uint32_t level)
{
    if (level == 0) {
        return 0;
    }
    PYCTM_ASSERT(level <= stack->with_sentinel);
    const pyctm_level *older = &stack->levels[level - 1];
    PYCTM_ASSERT(older->below < level);
    return older->sentinel != NULL ? level : older->below;
}

/* HOOK: Sets the sentinels of the levels from `from` to below `to`, which is at most the innermost one. */
static inline void pyctm_sentinel_set(pyctm_stack *stack, uint32_t from, uint32_t to)
{
    uint32_t below = pyctm_sentinel_innermost(stack, from);
    for (uint32_t i = from; i < to; i++) {
        uintptr_t *const slot = pyctm_sentinel_slot(stack, i);
        stack->levels[i].sentinel = slot;
        stack->levels[i].below = below;
        if (slot != NULL) {
            stack->levels[i].serial = pyctm_sentinel_put(stack, slot);
            below = i + 1;
        }
    }
}

/* HOOK: The levels agree with the chain and are counted: sets the sentinels of the new ones. */
static inline void pyctm_sentinel_changed(pyctm_stack *stack)
{
    if (stack->lowest < stack->with_sentinel) {
        stack->with_sentinel = stack->lowest;
    }
    if (stack->with_sentinel + PYCTM_NO_SENTINEL < stack->length) {
        pyctm_sentinel_set(stack, stack->with_sentinel, stack->length - PYCTM_NO_SENTINEL);
        stack->with_sentinel = stack->length - PYCTM_NO_SENTINEL;
    }
    stack->innermost_sentinel = pyctm_sentinel_innermost(stack, stack->with_sentinel);
    PYCTM_ASSERT(stack->innermost_sentinel <= stack->with_sentinel &&
                 stack->with_sentinel <= stack->known);
}

/* HOOK: Whether the level still has its sentinel. `level` is below `with_sentinel` and below the innermost one, and its
 * frame is at its remembered instruction. */
static inline bool pyctm_sentinel_is_there(const pyctm_level *level)
{
    return level->sentinel != NULL && *level->sentinel == pyctm_sentinel_word(level->serial);
}

#endif
#endif
