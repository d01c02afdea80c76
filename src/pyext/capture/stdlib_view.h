/* stdlib_view.h: follows what the program does to stdlib's tracemalloc, and decides what the program sees of it.
 *
 * Model: the functions of `_tracemalloc` are described by static, writable tables that every reference to them shares,
 * also those that `from _tracemalloc import *` made. Their C functions are replaced there, once for the life of the
 * process, by functions that call the originals. No code is patched. All calls with the GIL held.
 *
 * start() and stop(): stdlib's stop removes all hooks above its own, and its start and stop may replace or clear the
 * reference tracer. Ours are put back afterwards. On 3.11 and 3.12 stdlib may trace for us (stdlib_flag.c); then all of
 * these functions also answer as if it did not trace.
 */
#ifndef PYCTM_CAPTURE_STDLIB_VIEW_H
#define PYCTM_CAPTURE_STDLIB_VIEW_H

#include <Python.h>
#include <stdbool.h>

/* False: the module is not stdlib's, nothing is changed. True as well if it was done before. */
bool pyctm_stdlib_view_install(PyObject *stdlib_tracemalloc);

#endif
