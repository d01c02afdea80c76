/* family_313.h: the frames of CPython 3.13. The thread state points to the innermost frame, and a shim frame's
 * executable may be None.
 */
#ifndef PYCTM_CAPTURE_FRAMES_FAMILY_313_H
#define PYCTM_CAPTURE_FRAMES_FAMILY_313_H

#include "capture/frames/versions.h"

#if PYCTM_FAMILY == 313

#include "capture/frames/core_build.h"

#include <Python.h>
#include <opcode.h>

#include "internal/pycore_frame.h"

typedef struct _PyInterpreterFrame pyctm_interpreter_frame;

/* HOOK: */
static inline PyCodeObject *pyctm_frame_code(const pyctm_interpreter_frame *frame)
{
    return (PyCodeObject *)frame->f_executable;
}

/* HOOK: Tests the owner before it reads the code. */
static inline bool pyctm_frame_is_complete(const pyctm_interpreter_frame *frame)
{
    if (frame->owner >= FRAME_OWNED_BY_CSTACK) {
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
    case INSTRUMENTED_CALL:
    case INSTRUMENTED_CALL_FUNCTION_EX:
    case INSTRUMENTED_CALL_KW: return owner_above == FRAME_OWNED_BY_THREAD;
    case SEND:
    case SEND_GEN: return owner_above == FRAME_OWNED_BY_GENERATOR;
    default: return false;
    }
}

/* HOOK: */
static inline uintptr_t *pyctm_frame_sentinel_slot(pyctm_interpreter_frame *frame, int owner_above)
{
    return pyctm_frame_takes_its_operands(frame->instr_ptr->op.code, owner_above)
               ? (uintptr_t *)&frame->localsplus[frame->stacktop]
               : NULL;
}

#endif
#endif
