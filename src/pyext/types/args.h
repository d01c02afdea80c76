/* args.h: binds arguments to parameters, by the same rules and with the same error messages as a function written in
 * Python.
 */
#ifndef PYCTM_TYPES_ARGS_H
#define PYCTM_TYPES_ARGS_H

#include "types/types.h"

#define PYCTM_FASTCALL(function) ((PyCFunction)(void (*)(void))(function))
#define PYCTM_MAX_PARAMS 6

typedef struct pyctm_params {
    const char *qualname; /* "Frame.__init__" */
    const char
        *names[PYCTM_MAX_PARAMS]; /* without self; one that starts with '*' is keyword-only */
    int count, required;
    int method; /* 1: the messages count self as an argument */
} pyctm_params;

/* out[i] becomes a borrowed reference, or NULL if parameter i was not given. */
int pyctm_bind(const pyctm_params *params, PyObject *const *args, Py_ssize_t nargs,
               PyObject *kwnames, PyObject **out);
int pyctm_bind_tuple(const pyctm_params *params, PyObject *args, PyObject *kwargs, PyObject **out);

#endif
