/* family_cframe.h: what CPython 3.11 and 3.12 have in common: the thread state's C frame points to the innermost frame,
 * and a frame has its code object and the code unit before the next instruction.
 */
#ifndef PYCTM_CAPTURE_FRAMES_FAMILY_CFRAME_H
#define PYCTM_CAPTURE_FRAMES_FAMILY_CFRAME_H

#include "capture/frames/versions.h"

#if PYCTM_FAMILY == 311 || PYCTM_FAMILY == 312

#include "capture/frames/core_build.h"

#include <Python.h>

#include "internal/pycore_frame.h"

typedef struct _PyInterpreterFrame pyctm_interpreter_frame;

/* HOOK: */
static inline PyCodeObject *pyctm_frame_code(const pyctm_interpreter_frame *frame)
{
    return frame->f_code;
}

/* HOOK: */
static inline const _Py_CODEUNIT *pyctm_frame_instruction(const pyctm_interpreter_frame *frame)
{
    return frame->prev_instr;
}

/* HOOK: */
static inline const pyctm_interpreter_frame *pyctm_frame_innermost(PyThreadState *thread_state)
{
    return thread_state->cframe != NULL ? thread_state->cframe->current_frame : NULL;
}

#endif
#endif
