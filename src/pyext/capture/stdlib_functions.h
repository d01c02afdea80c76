/* stdlib_functions.h: stdlib's own functions of `_tracemalloc`, in the table that every reference to them shares.
 *
 * Model: the table is static and writable. stdlib_view.c replaces its functions once, for the life of the process; from
 * then on the originals are called through this file. All calls with the GIL held.
 */
#ifndef PYCTM_CAPTURE_STDLIB_FUNCTIONS_H
#define PYCTM_CAPTURE_STDLIB_FUNCTIONS_H

#include <Python.h>
#include <stdbool.h>

#include "capture/frames/versions.h"

/* The functions that are replaced. */
typedef enum pyctm_stdlib_function {
    PYCTM_STDLIB_START,
    PYCTM_STDLIB_STOP,
#if !PYCTM_HAS_REF_TRACER
    PYCTM_STDLIB_CLEAR,
    PYCTM_STDLIB_IS_TRACING,
    PYCTM_STDLIB_MEMORY,
    PYCTM_STDLIB_TRACES,
    PYCTM_STDLIB_OBJECT,
#endif
    PYCTM_STDLIB_FUNCTIONS
} pyctm_stdlib_function;

/* The replacement of one of them. */
typedef struct pyctm_stdlib_replacement {
    const char *name;
    int flags;
    PyCFunction function;
} pyctm_stdlib_replacement;

/* Replaces them. False: the module is not stdlib's, nothing is changed. True as well if they were replaced before. */
bool pyctm_stdlib_exchange(PyObject *stdlib_tracemalloc,
                           const pyctm_stdlib_replacement replacements[PYCTM_STDLIB_FUNCTIONS]);
/* Whether they were replaced. Only then may the originals be called. */
bool pyctm_stdlib_is_exchanged(void);

/* The originals. */
PyObject *pyctm_stdlib_call(pyctm_stdlib_function function, PyObject *module, PyObject *argument);
PyObject *pyctm_stdlib_call_start(PyObject *module, PyObject *const *args, Py_ssize_t n);
#if !PYCTM_HAS_REF_TRACER
/* -1 with an exception. */
int pyctm_stdlib_start(PyObject *stdlib_tracemalloc, int nframe);
int pyctm_stdlib_stop(PyObject *stdlib_tracemalloc);
int pyctm_stdlib_clear(PyObject *stdlib_tracemalloc);
#endif

#endif
