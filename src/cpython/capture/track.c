/* track.c: blocks that other extensions announce (numpy, pandas and others).
 *
 * Model: extensions call PyTraceMalloc_Track and PyTraceMalloc_Untrack with a domain of their own;
 * CPython's functions know stdlib's tables only. From the first start on their calls are led here, with or
 * without the GIL, so that those blocks are counted like any other, in the totals and in the
 * peak. What stdlib would have been told, it is told too: if it traces as well, or tracing is off here.
 */
#include "capture.h"
#include "detour.h"

#if !defined(Py_GIL_DISABLED) /* free-threaded builds: module.c refuses the import */

PyAPI_FUNC(PyObject *) _PyTraceMalloc_GetTraceback(unsigned int domain, uintptr_t ptr);

enum { TRACK, UNTRACK, GET_TRACEBACK, FUNCTIONS };
static ctm_detour the_detours[FUNCTIONS]; /* GIL; `original` is read by callers, set once before */

/* HOOK: */
static bool is_active(void)
{
    return ctm_capture_mode() != CTM_IDLE;
}

/* CPython 3.11 and 3.12 ask whether stdlib traces, then wait for the GIL, and do not ask again: with stdlib
 * stopped meanwhile they crash, and with it started to carry us they would fill its tables. So there the
 * GIL is taken first, as they would do, and only if stdlib traces on its own account. */
#define ASKS_ONCE (PY_VERSION_HEX < 0x030D0000)

static int tell_track(unsigned int domain, uintptr_t address, size_t size)
{
    int (*original)(unsigned int, uintptr_t, size_t) =
        (int (*)(unsigned int, uintptr_t, size_t))the_detours[TRACK].original;
    if (!ASKS_ONCE) {
        return original(domain, address, size);
    }
    PyGILState_STATE gil = PyGILState_Ensure();
    const int result = ctm_ride_stdlib_traces() ? original(domain, address, size) : -2;
    PyGILState_Release(gil);
    return result;
}

static int tell_untrack(unsigned int domain, uintptr_t address)
{
    int (*original)(unsigned int, uintptr_t) =
        (int (*)(unsigned int, uintptr_t))the_detours[UNTRACK].original;
    if (!ASKS_ONCE) {
        return original(domain, address);
    }
    PyGILState_STATE gil = PyGILState_Ensure();
    const int result = ctm_ride_stdlib_traces() ? original(domain, address) : -2;
    PyGILState_Release(gil);
    return result;
}

/* HOOK: */
static int forget(unsigned int domain, uintptr_t address)
{
    if (ctm_tracer_may_know(ctm_the_capture.tracer, address)) {
        ctm_event_free(domain, address, false);
    }
    return 0;
}

/* HOOK: 0; -1: out of memory; -2: tracing is off. */
static int on_track(unsigned int domain, uintptr_t address, size_t size)
{
    const int result = ctm_ride_stdlib_traces() ? tell_track(domain, address, size) : -2;
    if (is_active() && ctm_capture_takes(size)) {
        return ctm_event_alloc(domain, address, size, false) ? 0 : -1;
    }
    /* Not in the sample; what was known there has another size now. */
    return is_active() ? forget(domain, address) : result;
}

/* HOOK: 0, also if the block was not known; -2: tracing is off. */
static int on_untrack(unsigned int domain, uintptr_t address)
{
    const int result = ctm_ride_stdlib_traces() ? tell_untrack(domain, address) : -2;
    return is_active() ? forget(domain, address) : result;
}

/* A new reference: the frames as (filename, lineno) pairs, or None. Ours are given in stdlib's place only. GIL. */
static PyObject *on_get_traceback(unsigned int domain, uintptr_t address)
{
    PyObject *theirs =
        ((PyObject * (*)(unsigned int, uintptr_t)) the_detours[GET_TRACEBACK].original)(domain,
                                                                                        address);
    if (!is_active() || !ctm_the_capture.stands_in || theirs != Py_None) {
        return theirs;
    }
    Py_DECREF(theirs);
    return ctm_raw_traceback_of_block(domain, address);
}

static const char *prepare(void)
{
    const struct {
        void *target, *replacement;
        ctm_callers callers;
    } functions[FUNCTIONS] = {
        [TRACK] = {(void *)PyTraceMalloc_Track, (void *)on_track, CTM_CALLERS_ANY},
        [UNTRACK] = {(void *)PyTraceMalloc_Untrack, (void *)on_untrack, CTM_CALLERS_ANY},
        [GET_TRACEBACK] = {(void *)_PyTraceMalloc_GetTraceback, (void *)on_get_traceback,
                           CTM_CALLERS_HOLD_GIL},
    };
    for (int i = 0; i < FUNCTIONS; i++) {
        const char *failure = ctm_detour_prepare(&the_detours[i], functions[i].target,
                                                 functions[i].replacement, functions[i].callers);
        if (failure != NULL) {
            return failure;
        }
    }
    return NULL;
}

/* Announces a block through the exported functions and looks whether it came through. */
static const char *self_test(void)
{
    const unsigned int domain = 0x63746d00u;
    const uintptr_t address = (uintptr_t)&the_detours;
    ctm_totals before, during, after;
    ctm_tracer_totals(ctm_the_capture.tracer, &before);
    const int tracked = PyTraceMalloc_Track(domain, address, 1);
    ctm_tracer_totals(ctm_the_capture.tracer, &during);
    const int untracked = PyTraceMalloc_Untrack(domain, address);
    ctm_tracer_totals(ctm_the_capture.tracer, &after);
    const bool seen = tracked == 0 && untracked == 0 &&
                      during.live_blocks == before.live_blocks + 1 &&
                      after.live_blocks == before.live_blocks;
    return seen ? NULL : "an announced block did not come through";
}

static const char *lay(void)
{
    const char *failure = prepare();
    for (int i = 0; i < FUNCTIONS && failure == NULL; i++) {
        failure = ctm_detour_enable(&the_detours[i]);
    }
    return failure;
}

void ctm_track_prepare(void)
{
    const char *failure = lay();
    ctm_the_capture.tracked_blocks = failure == NULL
                                         ? (ctm_fact){true, "announcements are led to us"}
                                         : (ctm_fact){false, failure};
}

void ctm_track_start(void)
{
    if (ctm_the_capture.tracked_blocks.ok) {
        const char *failure = self_test();
        if (failure != NULL) {
            ctm_the_capture.tracked_blocks = (ctm_fact){false, failure};
        }
    }
    if (!ctm_the_capture.tracked_blocks.ok) {
        for (int i = 0; i < FUNCTIONS; i++) {
            ctm_detour_disable(&the_detours[i]);
        }
    }
}
#endif
