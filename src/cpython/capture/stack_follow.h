/* stack_follow.h: the part of stack.h that reads frames; included by frames_walk.h, behind the family's own
 * `innermost`, `is_complete`, `frame_code` and `frame_instruction`. */

/* HOOK: */
static inline uint32_t place_of(const void *frame)
{
    return (uint32_t)((uintptr_t)frame >> 4) % CTM_STACK_PLACES;
}

/* HOOK: */
static inline void put_level(ctm_stack *stack, uint32_t at, const ctm_interpreter_frame *frame)
{
    const void *instruction = frame_instruction(frame);
    ctm_level *level = &stack->levels[at];
    stack->places[place_of(frame)] = at;
    if (at < stack->known && level->frame == frame && level->instruction == instruction) {
        return;
    }
    *level = (ctm_level){frame, instruction};
    if (at < stack->lowest) {
        stack->lowest = at;
    }
}

/* HOOK: Compares the real chain from level `at` on with the remembered one. False: it is another chain. */
static inline bool follow_down(ctm_stack *stack, uint32_t at)
{
    for (ctm_level *level = &stack->levels[at];; level--) {
        const ctm_interpreter_frame *frame = level->frame;
        const void *instruction = frame_instruction(frame);
        if (level->instruction != instruction) {
            level->instruction = instruction;
            stack->lowest = (uint32_t)(level - stack->levels);
        }
        if (level == stack->levels) {
            return frame->previous == NULL;
        }
        if (frame->previous != level[-1].frame) {
            return false;
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
    stack->length = length;
    count_complete(stack);
    return true;
}

/* HOOK: */
bool ctm_stack_follow(ctm_stack *stack, PyThreadState *thread_state)
{
    const ctm_interpreter_frame *fresh[CTM_STACK_FRESH];
    const ctm_interpreter_frame *const top = innermost(thread_state), *frame = top;
    uint32_t pushed = 0, base = 0;
    stack->lowest = UINT32_MAX;
    for (; frame != NULL; frame = frame->previous) {
        const uint32_t at = stack->places[place_of(frame)];
        if (at < stack->known && stack->levels[at].frame == frame) {
            if (!follow_down(stack, at)) {
                return follow_anew(stack, top);
            }
            base = at + 1;
            break;
        }
        if (pushed == CTM_STACK_FRESH) {
            return follow_anew(stack, top);
        }
        fresh[pushed++] = frame;
    }
    if (pushed > 0) {
        if (!ctm_stack_reserve(stack, base + pushed)) {
            return false;
        }
        for (uint32_t i = 0; i < pushed; i++) {
            put_level(stack, base + i, fresh[pushed - 1 - i]);
        }
    }
    stack->length = base + pushed;
    count_complete(stack);
    return true;
}

/* HOOK: */
bool ctm_stack_is_as_known(const ctm_stack *stack, PyThreadState *thread_state, uint32_t *out_level,
                           const void **out_instruction)
{
    const ctm_interpreter_frame *frame = innermost(thread_state);
    if (frame == NULL) {
        return false;
    }
    const uint32_t at = stack->places[place_of(frame)];
    const ctm_level *const oldest = stack->levels, *level = oldest + at;
    if (at >= stack->known || level->frame != frame) {
        return false;
    }
    *out_level = at;
    *out_instruction = frame_instruction(frame);
    while (level != oldest) {
        level--;
        if (frame->previous != level->frame) {
            return false;
        }
        frame = level->frame;
        if (frame_instruction(frame) != level->instruction) {
            return false;
        }
    }
    return frame->previous == NULL;
}

/* HOOK: */
PyCodeObject *ctm_stack_code(const ctm_stack *stack, uint32_t level, int *out_unit)
{
    const ctm_interpreter_frame *frame = stack->levels[level].frame;
    PyCodeObject *code = frame_code(frame);
    *out_unit = (int)((const _Py_CODEUNIT *)stack->levels[level].instruction - _PyCode_CODE(code));
    return code;
}
