/* family_314.h: the frames of CPython 3.14 and 3.15. A frame's executable is a tagged reference; frames whose owner is
 * INTERPRETER or greater are shims.
 */
#ifndef PYCTM_CAPTURE_FRAMES_FAMILY_314_H
#define PYCTM_CAPTURE_FRAMES_FAMILY_314_H

#include "capture/frames/versions.h"

#if PYCTM_FAMILY == 314

#include "capture/frames/core_build.h"

#include <Python.h>
#include <opcode.h>

#include "internal/pycore_code.h"
#include "internal/pycore_interp.h"
#include "internal/pycore_interpframe_structs.h"
#include "internal/pycore_runtime.h"

typedef struct _PyInterpreterFrame pyctm_interpreter_frame;

#define PYCTM_FRAME_TAG_BITS ((uintptr_t)3)

/* HOOK: */
static inline PyCodeObject *pyctm_frame_code(const pyctm_interpreter_frame *frame)
{
    return (PyCodeObject *)(frame->f_executable.bits & ~PYCTM_FRAME_TAG_BITS);
}

/* HOOK: Tests the owner before it reads the code. */
static inline bool pyctm_frame_is_complete(const pyctm_interpreter_frame *frame)
{
    if (frame->owner >= FRAME_OWNED_BY_INTERPRETER) {
        return false;
    }
    return frame->owner == FRAME_OWNED_BY_GENERATOR ||
           frame->instr_ptr >=
               _PyCode_CODE(pyctm_frame_code(frame)) + pyctm_frame_code(frame)->_co_firsttraceable;
}

/* HOOK: */
static inline const _Py_CODEUNIT *pyctm_frame_instruction(const pyctm_interpreter_frame *frame)
{
    return frame->instr_ptr;
}

/* HOOK: */
static inline const pyctm_interpreter_frame *pyctm_frame_innermost(PyThreadState *thread_state)
{
    return thread_state->current_frame;
}

/* HOOK: There would be a shim in between. */
static inline bool pyctm_frame_is_entered_from_c(const pyctm_interpreter_frame *frame)
{
    (void)frame;
    return false;
}

/* HOOK: Whether the instruction has removed its operands when the frame above runs. */
static inline bool pyctm_frame_takes_its_operands(int opcode, int owner_above)
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
#if PYCTM_HAS_CALL_EX
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
static inline uintptr_t *pyctm_frame_sentinel_slot(pyctm_interpreter_frame *frame, int owner_above)
{
    const bool is_compiled = _PyRuntime.interpreters.main->jit;
    return !is_compiled && pyctm_frame_takes_its_operands(frame->instr_ptr->op.code, owner_above)
               ? (uintptr_t *)frame->stackpointer
               : NULL;
}

#endif
#endif
