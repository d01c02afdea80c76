/* walk.c: walks a thread's Python stack.
 *
 * The walk always reaches the oldest frame, even if few are kept, because a traceback has the total of frames.
 */
#include "capture/frames/family.h"

#include "capture/frames/assert.h"
#include "capture/frames/frames.h"

#if PYCTM_FAMILY != 0

/* HOOK: */
uint32_t pyctm_frames_walk(PyThreadState *thread_state, pyctm_position *positions, uint32_t limit,
                           uint32_t *out_total)
{
    uint32_t kept = 0, total = 0;
    const pyctm_interpreter_frame *frame = pyctm_frame_innermost(thread_state);
    for (; frame != NULL; frame = frame->previous) {
        if (!pyctm_frame_is_complete(frame)) {
            continue;
        }
        if (kept < limit) {
            PyCodeObject *code = pyctm_frame_code(frame);
            positions[kept].code = code;
            positions[kept].unit = (int)(pyctm_frame_instruction(frame) - _PyCode_CODE(code));
            kept++;
        }
        total++;
    }
    PYCTM_ASSERT(kept == (total < limit ? total : limit));
    *out_total = total;
    return kept;
}

/* HOOK: */
const void *pyctm_frames_innermost(PyThreadState *thread_state)
{
    return pyctm_frame_innermost(thread_state);
}

/* HOOK: */
const void *pyctm_frames_first_complete(PyThreadState *thread_state)
{
    const pyctm_interpreter_frame *frame = pyctm_frame_innermost(thread_state);
    while (frame != NULL && !pyctm_frame_is_complete(frame)) {
        frame = frame->previous;
    }
    return frame;
}

#endif
