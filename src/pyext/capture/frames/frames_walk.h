/* frames_walk.h: the part of frames.h that reads the same on every version.
 *
 * Included once by each family's file, behind its own `innermost`, `is_complete`, `frame_code`
 * and `frame_instruction`, so that those are inlined into the loop. The walk goes to the
 * oldest frame even when few are kept, because the total is part of a traceback.
 */
#include "capture/capture.h"
#include "capture/stackcache/stack.h"

typedef struct _PyInterpreterFrame pyctm_interpreter_frame;

/* HOOK: */
uint32_t pyctm_frames_walk(PyThreadState *thread_state, pyctm_position *positions, uint32_t limit,
                           uint32_t *out_total)
{
    uint32_t kept = 0, total = 0;
    const pyctm_interpreter_frame *frame = innermost(thread_state);
    for (; frame != NULL; frame = frame->previous) {
        if (!is_complete(frame)) {
            continue;
        }
        if (kept < limit) {
            PyCodeObject *code = frame_code(frame);
            positions[kept].code = code;
            positions[kept].unit = (int)(frame_instruction(frame) - _PyCode_CODE(code));
            kept++;
        }
        total++;
    }
    *out_total = total;
    return kept;
}

/* HOOK: */
const void *pyctm_frames_innermost(PyThreadState *thread_state)
{
    return innermost(thread_state);
}

/* HOOK: */
const void *pyctm_frames_first_complete(PyThreadState *thread_state)
{
    const pyctm_interpreter_frame *frame = innermost(thread_state);
    while (frame != NULL && !is_complete(frame)) {
        frame = frame->previous;
    }
    return frame;
}

#include "capture/stackcache/stack_follow.h"
