/* frames_314.c: CPython 3.14 and 3.15. A frame's executable is a tagged reference; owners from
 * INTERPRETER on are shims. */
#include <patchlevel.h>
#if PY_VERSION_HEX >= 0x030E0000 && PY_VERSION_HEX < 0x03100000 && !defined(Py_GIL_DISABLED)

#define Py_BUILD_CORE 1
#include "frames.h"
#include "internal/pycore_code.h"
#include "internal/pycore_interpframe_structs.h"
#include "internal/pycore_runtime.h"

#define TAG_BITS ((uintptr_t)3)

#include "frames_gil.h"

/* HOOK: */
PyThreadState *ctm_frames_attached(bool gil_held)
{
    (void)gil_held;
    return PyThreadState_GetUnchecked();
}

/* HOOK: */
static inline PyCodeObject *frame_code(const struct _PyInterpreterFrame *frame)
{
    return (PyCodeObject *)(frame->f_executable.bits & ~TAG_BITS);
}

/* HOOK: The owner is tested before the code is touched. */
static inline bool is_complete(const struct _PyInterpreterFrame *frame)
{
    if (frame->owner >= FRAME_OWNED_BY_INTERPRETER) {
        return false;
    }
    return frame->owner == FRAME_OWNED_BY_GENERATOR ||
           frame->instr_ptr >=
               _PyCode_CODE(frame_code(frame)) + frame_code(frame)->_co_firsttraceable;
}

/* HOOK: */
static inline const _Py_CODEUNIT *frame_instruction(const struct _PyInterpreterFrame *frame)
{
    return frame->instr_ptr;
}

/* HOOK: */
static inline const struct _PyInterpreterFrame *innermost(PyThreadState *thread_state)
{
    return thread_state->current_frame;
}

#include "frames_walk.h"

const char *ctm_frames_check_layout(void)
{
    const struct _Py_DebugOffsets *offsets = &_PyRuntime.debug_offsets;
    if (offsets->thread_state.current_frame != offsetof(PyThreadState, current_frame)) {
        return "the thread state's innermost frame is elsewhere";
    }
    if (offsets->interpreter_frame.previous != offsetof(struct _PyInterpreterFrame, previous) ||
        offsets->interpreter_frame.executable !=
            offsetof(struct _PyInterpreterFrame, f_executable) ||
        offsets->interpreter_frame.instr_ptr != offsetof(struct _PyInterpreterFrame, instr_ptr) ||
        offsets->interpreter_frame.owner != offsetof(struct _PyInterpreterFrame, owner)) {
        return "the frame struct differs";
    }
    if (offsets->code_object.co_code_adaptive != offsetof(PyCodeObject, co_code_adaptive) ||
        offsets->code_object.linetable != offsetof(PyCodeObject, co_linetable)) {
        return "the code object differs";
    }
    return NULL;
}
#endif
