/* track.c: blocks that other extensions announce (numpy, pandas and others).
 *
 * Model: extensions call PyTraceMalloc_Track and PyTraceMalloc_Untrack with a domain of their own;
 * CPython's functions know stdlib's tables only. While tracing is on, their calls are led here, with or
 * without the GIL, so that those blocks are counted like any other, in the totals and in the
 * peak. If stdlib traces as well, it is told too.
 */
#include "capture.h"
#include "detour.h"

#if !defined(Py_GIL_DISABLED) /* free-threaded builds: module.c refuses the import */

PyAPI_FUNC(PyObject *) _PyTraceMalloc_GetTraceback(unsigned int domain, uintptr_t ptr);

enum { TRACK, UNTRACK, GET_TRACEBACK, FUNCTIONS };
static ctm_detour the_detours[FUNCTIONS]; /* GIL; `original` is read by callers, set once before */

/* HOOK: */
static bool tells_stdlib(void)
{
    return !ctm_the_capture.riding || ctm_the_capture.stdlib_was_tracing;
}

/* HOOK: 0; -1: out of memory; -2: tracing is off. */
static int on_track(unsigned int domain, uintptr_t address, size_t size)
{
    int result = -2;
    if (tells_stdlib()) {
        result = ((int (*)(unsigned int, uintptr_t, size_t))the_detours[TRACK].original)(
            domain, address, size);
    }
    if (atomic_load_explicit(&ctm_the_capture.active, memory_order_relaxed)) {
        result = ctm_event_alloc(domain, address, size, false) ? 0 : -1;
    }
    return result;
}

/* HOOK: 0, also if the block was not known; -2: tracing is off. */
static int on_untrack(unsigned int domain, uintptr_t address)
{
    int result = -2;
    if (tells_stdlib()) {
        result = ((int (*)(unsigned int, uintptr_t))the_detours[UNTRACK].original)(domain, address);
    }
    if (atomic_load_explicit(&ctm_the_capture.active, memory_order_relaxed)) {
        ctm_event_free(domain, address, false);
        result = 0;
    }
    return result;
}

/* A new reference: the frames as (filename, lineno) pairs, or None. GIL. */
static PyObject *on_get_traceback(unsigned int domain, uintptr_t address)
{
    return ctm_raw_traceback_of_block(domain, address);
}

static const char *prepare(void)
{
    const struct {
        void *target, *replacement;
    } functions[FUNCTIONS] = {
        [TRACK] = {(void *)PyTraceMalloc_Track, (void *)on_track},
        [UNTRACK] = {(void *)PyTraceMalloc_Untrack, (void *)on_untrack},
        [GET_TRACEBACK] = {(void *)_PyTraceMalloc_GetTraceback, (void *)on_get_traceback},
    };
    for (int i = 0; i < FUNCTIONS; i++) {
        if (!the_detours[i].ready) {
            const char *failure = ctm_detour_prepare(&the_detours[i], functions[i].target,
                                                     functions[i].replacement);
            if (failure != NULL) {
                return failure;
            }
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

static const char *follow(void)
{
    const char *failure = prepare();
    for (int i = 0; i < FUNCTIONS && failure == NULL; i++) {
        failure = ctm_detour_enable(&the_detours[i]);
    }
    return failure != NULL ? failure : self_test();
}

void ctm_track_start(void)
{
    const char *failure = follow();
    if (failure != NULL) {
        ctm_track_stop();
        ctm_the_capture.tracked_blocks = (ctm_fact){false, failure};
        return;
    }
    ctm_the_capture.tracked_blocks = (ctm_fact){true, "announcements are led to us"};
}

void ctm_track_stop(void)
{
    for (int i = 0; i < FUNCTIONS; i++) {
        ctm_detour_disable(&the_detours[i]);
    }
}
#endif
