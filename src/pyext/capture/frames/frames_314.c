/* frames_314.c: CPython 3.14 and 3.15. A frame's executable is a tagged reference; owners from
 * INTERPRETER on are shims. */
#include <patchlevel.h>
#if PY_VERSION_HEX >= 0x030E0000 && PY_VERSION_HEX < 0x03100000 && !defined(Py_GIL_DISABLED)

#define Py_BUILD_CORE 1
#include "capture/frames/frames.h"
#include "internal/pycore_code.h"
#include "internal/pycore_interpframe_structs.h"
#include "internal/pycore_runtime.h"
#include <opcode.h>

#define TAG_BITS ((uintptr_t)3)

#include "capture/frames/frames_gil.h"

/* HOOK: */
PyThreadState *pyctm_frames_attached(bool gil_held)
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

/* HOOK: A shim would stand between. */
static inline bool is_entered_from_c(const struct _PyInterpreterFrame *frame)
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
    case CALL_KW_BOUND_METHOD:
    case CALL_KW_NON_PY:
    case CALL_KW_PY:
#if PY_VERSION_HEX >= 0x030F0000
    case CALL_EX_NON_PY_GENERAL:
    case CALL_EX_PY:
#endif
    case INSTRUMENTED_CALL:
    case INSTRUMENTED_CALL_FUNCTION_EX:
    case INSTRUMENTED_CALL_KW: return owner_above == FRAME_OWNED_BY_THREAD;
    case SEND:
    case SEND_GEN: return owner_above == FRAME_OWNED_BY_GENERATOR;
    default: return false;
    }
}

/* HOOK: Compiled code keeps operands in registers. */
static inline uintptr_t *sentinel_slot(struct _PyInterpreterFrame *frame, int owner_above)
{
    const bool is_compiled = pyctm_the_capture.main_interpreter->jit;
    return !is_compiled && takes_its_operands(frame->instr_ptr->op.code, owner_above)
               ? (uintptr_t *)frame->stackpointer
               : NULL;
}

#include "capture/frames/frames_walk.h"

const char *pyctm_frames_check_layout(void)
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
