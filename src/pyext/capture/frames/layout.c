/* layout.c: checks that the running interpreter's structs have the layout that this build expects. From 3.13 on the
 * interpreter publishes their offsets.
 */
#include "capture/frames/family.h"

#include "capture/frames/frames.h"

#if PYCTM_FAMILY != 0

#if PYCTM_HAS_DEBUG_OFFSETS

#include "internal/pycore_runtime.h"

const char *pyctm_frames_check_layout(void)
{
    const struct _Py_DebugOffsets *offsets = &_PyRuntime.debug_offsets;
    if (offsets->thread_state.current_frame != offsetof(PyThreadState, current_frame)) {
        return "the thread state's innermost frame is elsewhere";
    }
    if (offsets->interpreter_frame.previous != offsetof(pyctm_interpreter_frame, previous) ||
        offsets->interpreter_frame.executable != offsetof(pyctm_interpreter_frame, f_executable) ||
        offsets->interpreter_frame.instr_ptr != offsetof(pyctm_interpreter_frame, instr_ptr) ||
        offsets->interpreter_frame.owner != offsetof(pyctm_interpreter_frame, owner)) {
        return "the frame struct differs";
    }
    if (offsets->code_object.co_code_adaptive != offsetof(PyCodeObject, co_code_adaptive) ||
        offsets->code_object.linetable != offsetof(PyCodeObject, co_linetable)) {
        return "the code object differs";
    }
    return NULL;
}

#else

const char *pyctm_frames_check_layout(void)
{
    return NULL;
}

#endif
#endif
