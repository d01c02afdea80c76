/* assert.c: see assert.h. */
#include "capture/frames/assert.h"

#ifdef CTM_ASSERTS

#include <Python.h>
#include <stdio.h>
#include <stdlib.h>

#include "capture/frames/frames.h"
#include "capture/frames/versions.h"

_Noreturn void pyctm_assert_failed(const char *condition, const char *file, int line)
{
    (void)fprintf(stderr, "ctracemalloc: %s:%d: assert failed: %s\n", file, line, condition);
    abort();
}

#if defined(Py_GIL_DISABLED)

bool pyctm_gil_is_held(void)
{
    return true;
}

bool pyctm_main_is_attached(void)
{
    return true;
}

#else

bool pyctm_gil_is_held(void)
{
    return pyctm_frames_attached(true) != NULL && (PYCTM_HAS_OWN_GILS || PyGILState_Check());
}

bool pyctm_main_is_attached(void)
{
    return pyctm_gil_is_held() && pyctm_frames_attached(true)->interp == PyInterpreterState_Main();
}

#endif
#else
typedef int pyctm_no_asserts;
#endif
