/* frames_313.c: CPython 3.13. The innermost frame hangs off the thread state itself, a frame's
 * executable may be None in a shim, and the runtime publishes its layout. */
#include <patchlevel.h>
#if PY_VERSION_HEX >= 0x030D0000 && PY_VERSION_HEX < 0x030E0000 && !defined(Py_GIL_DISABLED)

#define Py_BUILD_CORE 1
#include "capture/frames/frames.h"
#include "internal/pycore_frame.h"
#include "internal/pycore_runtime.h"
#include <opcode.h>

#include "capture/frames/frames_gil.h"

/* HOOK: */
PyThreadState *pyctm_frames_attached(bool gil_held)
{
    (void)gil_held;
    return PyThreadState_GetUnchecked();
}

/* HOOK: */
static inline PyCodeObject *frame_code(const _PyInterpreterFrame *frame)
{
    return (PyCodeObject *)frame->f_executable;
}

/* HOOK: The owner is tested before the code is touched. */
static inline bool is_complete(const _PyInterpreterFrame *frame)
{
    if (frame->owner >= FRAME_OWNED_BY_CSTACK) {
        return false;
    }
    return frame->owner == FRAME_OWNED_BY_GENERATOR ||
           frame->instr_ptr >=
               _PyCode_CODE(frame_code(frame)) + frame_code(frame)->_co_firsttraceable;
}

/* HOOK: */
static inline const _Py_CODEUNIT *frame_instruction(const _PyInterpreterFrame *frame)
{
    return frame->instr_ptr;
}

/* HOOK: */
static inline const _PyInterpreterFrame *innermost(PyThreadState *thread_state)
{
    return thread_state->current_frame;
}

/* HOOK: A shim would stand between. */
static inline bool is_entered_from_c(const _PyInterpreterFrame *frame)
{
    (void)frame;
    return false;
}

/* HOOK: */
static inline bool takes_its_operands(int opcode, int owner_above)
{
    switch (opcode) {
    case CALL:
    case CALL_ALLOC_AND_ENTER_INIT:
    case CALL_BOUND_METHOD_EXACT_ARGS:
    case CALL_BOUND_METHOD_GENERAL:
    case CALL_FUNCTION_EX:
    case CALL_KW:
    case CALL_NON_PY_GENERAL:
    case CALL_PY_EXACT_ARGS:
    case CALL_PY_GENERAL:
    case INSTRUMENTED_CALL:
    case INSTRUMENTED_CALL_FUNCTION_EX:
    case INSTRUMENTED_CALL_KW: return owner_above == FRAME_OWNED_BY_THREAD;
    case SEND:
    case SEND_GEN: return owner_above == FRAME_OWNED_BY_GENERATOR;
    default: return false;
    }
}

/* HOOK: */
static inline uintptr_t *sentinel_slot(_PyInterpreterFrame *frame, int owner_above)
{
    return takes_its_operands(frame->instr_ptr->op.code, owner_above)
               ? (uintptr_t *)&frame->localsplus[frame->stacktop]
               : NULL;
}

#include "capture/frames/frames_walk.h"

const char *pyctm_frames_check_layout(void)
{
    const struct _Py_DebugOffsets *offsets = &_PyRuntime.debug_offsets;
    if (offsets->thread_state.current_frame != offsetof(PyThreadState, current_frame)) {
        return "the thread state's innermost frame is elsewhere";
    }
    if (offsets->interpreter_frame.previous != offsetof(_PyInterpreterFrame, previous) ||
        offsets->interpreter_frame.executable != offsetof(_PyInterpreterFrame, f_executable) ||
        offsets->interpreter_frame.instr_ptr != offsetof(_PyInterpreterFrame, instr_ptr) ||
        offsets->interpreter_frame.owner != offsetof(_PyInterpreterFrame, owner)) {
        return "the frame struct differs";
    }
    if (offsets->code_object.co_code_adaptive != offsetof(PyCodeObject, co_code_adaptive) ||
        offsets->code_object.linetable != offsetof(PyCodeObject, co_linetable)) {
        return "the code object differs";
    }
    return NULL;
}
#endif
