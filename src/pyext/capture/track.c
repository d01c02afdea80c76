/* track.c: announced blocks of other extensions (numpy, pandas and others).
 *
 * Model: extensions call PyTraceMalloc_Track and PyTraceMalloc_Untrack with a domain of their own; CPython's functions
 * use stdlib's tables only. From the first start on their calls are redirected to this file, with or without the GIL,
 * so that those blocks are counted like any other, in the totals and in the peak. The original function is called as
 * well, if stdlib traces too, or tracing is off here.
 *
 * There are two ways. A detour, a jump in the functions' own code (detour.c), redirects every caller, so it is tried
 * first. If it is refused, because of the code's form, by the kernel or because another tool has changed the code, the
 * callers' tables are changed instead (got.c). A way that works is used for the life of the process.
 */
#include "capture/capture.h"
#include "capture/patch/detour.h"
#include "capture/patch/got.h"

#if !defined(Py_GIL_DISABLED) /* free-threaded builds: module.c refuses the import */

// NOLINTNEXTLINE(readability-redundant-declaration): the headers of 3.11 and 3.12 declare it, those of 3.13 do not
PyAPI_FUNC(PyObject *) _PyTraceMalloc_GetTraceback(unsigned int domain, uintptr_t ptr);

enum { TRACK, UNTRACK, GET_TRACEBACK, FUNCTIONS };
/* The process's, as the redirected functions are; they get no data of ours. GIL. */
static struct {
    pyctm_detour detours[FUNCTIONS];
    void *originals[FUNCTIONS];              /* set before calls are redirected */
    pyctm_announced way;                     /* the way in use, set at the first start */
    pyctm_announced request;                 /* of tests: the only way to use */
    pyctm_got_function functions[FUNCTIONS]; /* then constant; see functions() */
} the_tracking;

/* HOOK: */
static bool is_active(pyctm_capture *capture)
{
    return pyctm_capture_mode(capture) != PYCTM_IDLE;
}

/* CPython 3.11 and 3.12 test whether stdlib traces, then wait for the GIL, and do not test again: if stdlib was stopped
 * meanwhile they crash, and if we have started it they would fill its tables. So on these versions the functions below
 * take the GIL first, as the originals do, and call them only if the program has started stdlib. */

static int call_original_track(pyctm_capture *capture, unsigned int domain, uintptr_t address,
                               size_t size)
{
    int (*original)(unsigned int, uintptr_t, size_t) =
        (int (*)(unsigned int, uintptr_t, size_t))the_tracking.originals[TRACK];
    if (PYCTM_TRACK_ASKS_AGAIN) {
        return original(domain, address, size);
    }
    PyGILState_STATE gil = PyGILState_Ensure();
    const int result = pyctm_stdlib_flag_is_set(capture) ? original(domain, address, size) : -2;
    PyGILState_Release(gil);
    return result;
}

static int call_original_untrack(pyctm_capture *capture, unsigned int domain, uintptr_t address)
{
    int (*original)(unsigned int, uintptr_t) =
        (int (*)(unsigned int, uintptr_t))the_tracking.originals[UNTRACK];
    if (PYCTM_TRACK_ASKS_AGAIN) {
        return original(domain, address);
    }
    PyGILState_STATE gil = PyGILState_Ensure();
    const int result = pyctm_stdlib_flag_is_set(capture) ? original(domain, address) : -2;
    PyGILState_Release(gil);
    return result;
}

/* HOOK: */
static int forget(pyctm_capture *capture, unsigned int domain, uintptr_t address)
{
    if (ctm_tracer_may_know(capture->tracer, address)) {
        pyctm_event_free(capture, domain, address, false);
    }
    return 0;
}

/* HOOK: 0; -1: out of memory; -2: tracing is off. */
static int on_track(unsigned int domain, uintptr_t address, size_t size)
{
    /* HOOK-EXEMPT: the program has started stdlib; its function is called as the program called it */
    const int result = pyctm_stdlib_flag_is_set(&pyctm_the_capture)
                           ? call_original_track(&pyctm_the_capture, domain, address, size)
                           : -2;
    if (is_active(&pyctm_the_capture) && pyctm_capture_takes(&pyctm_the_capture, size)) {
        return pyctm_event_alloc(&pyctm_the_capture, domain, address, size, false) ? 0 : -1;
    }
    /* Not in the sample; a block known at this address has another size now. */
    return is_active(&pyctm_the_capture) ? forget(&pyctm_the_capture, domain, address) : result;
}

/* HOOK: 0, also if the block was not known; -2: tracing is off. */
static int on_untrack(unsigned int domain, uintptr_t address)
{
    /* HOOK-EXEMPT: the same */
    const int result = pyctm_stdlib_flag_is_set(&pyctm_the_capture)
                           ? call_original_untrack(&pyctm_the_capture, domain, address)
                           : -2;
    return is_active(&pyctm_the_capture) ? forget(&pyctm_the_capture, domain, address) : result;
}

/* A new reference: the frames as (filename, lineno) pairs, or None. Our frames are returned only if we stand in for
 * stdlib. GIL. */
static PyObject *on_get_traceback(unsigned int domain, uintptr_t address)
{
    PyObject *stdlib_result = ((PyObject * (*)(unsigned int, uintptr_t))
                                   the_tracking.originals[GET_TRACEBACK])(domain, address);
    if (!is_active(&pyctm_the_capture) || !pyctm_the_capture.stands_in ||
        stdlib_result != Py_None) {
        return stdlib_result;
    }
    Py_DECREF(stdlib_result);
    return pyctm_the_capture.raw_traceback(&pyctm_the_capture, domain, address);
}

/* The functions before anything was changed, because a word of this library may be changed as well. */
static const pyctm_got_function *functions(void)
{
    pyctm_got_function *const list = the_tracking.functions;
    if (list[0].name == NULL) {
        list[GET_TRACEBACK] =
            (pyctm_got_function){"_PyTraceMalloc_GetTraceback", (void *)_PyTraceMalloc_GetTraceback,
                                 (void *)on_get_traceback};
        list[UNTRACK] = (pyctm_got_function){"PyTraceMalloc_Untrack", (void *)PyTraceMalloc_Untrack,
                                             (void *)on_untrack};
        list[TRACK] = (pyctm_got_function){"PyTraceMalloc_Track", (void *)PyTraceMalloc_Track,
                                           (void *)on_track};
    }
    return list;
}

static void disable_detours(void)
{
    for (int i = 0; i < FUNCTIONS; i++) {
        pyctm_detour_disable(&the_tracking.detours[i]);
    }
}

static const char *install_detours(void)
{
    static const pyctm_callers callers[FUNCTIONS] = {
        [TRACK] = {.arguments = 3}, [UNTRACK] = {.arguments = 2}, [GET_TRACEBACK] = {true, 2}};
    const char *failure = NULL;
    for (int i = 0; i < FUNCTIONS && failure == NULL; i++) {
        const pyctm_got_function *function = &functions()[i];
        failure = pyctm_detour_prepare(&the_tracking.detours[i], (void *)function->target,
                                       (void *)function->replacement, callers[i]);
    }
    if (failure != NULL) {
        return failure;
    }
    for (int i = 0; i < FUNCTIONS; i++) {
        the_tracking.originals[i] = the_tracking.detours[i].original;
    }
    for (int i = 0; i < FUNCTIONS && failure == NULL; i++) {
        failure = pyctm_detour_enable(&the_tracking.detours[i]);
    }
    if (failure != NULL) {
        disable_detours();
    }
    return failure;
}

static const char *install_words(void)
{
    for (int i = 0; i < FUNCTIONS; i++) {
        the_tracking.originals[i] = (void *)functions()[i].target;
    }
    return pyctm_got_install(functions(), FUNCTIONS);
}

/* Whether the block is known, with this size. Only this block is looked up: other threads announce theirs meanwhile. */
static bool is_known(pyctm_capture *capture, unsigned int domain, uintptr_t address, uint64_t size)
{
    ctm_shard *shard = ctm_shard_enter(capture->tracer, 0);
    ctm_block block;
    bool known = false;
    if (shard != NULL) {
        known = ctm_shard_find(shard, domain, address, &block) == CTM_OK && block.size == size;
        ctm_shard_leave(shard);
    }
    return known;
}

/* Announces a block through the exported functions and checks that it was recorded. */
static const char *self_test(pyctm_capture *capture)
{
    static const char test_block; /* no other code announces this address */
    const unsigned int domain = 0x63746d00u;
    const uintptr_t address = (uintptr_t)&test_block;
    const ctm_sampler before = pyctm_hook_tls.sampler;
    ctm_sampler_force(capture->tracer, &pyctm_hook_tls.sampler);
    const int tracked = PyTraceMalloc_Track(domain, address, 1);
    const bool was_added = is_known(capture, domain, address, 1);
    const int untracked = PyTraceMalloc_Untrack(domain, address);
    const bool was_removed = !is_known(capture, domain, address, 1);
    pyctm_hook_tls.sampler = before;
    if (tracked == -1) {
        return "no memory to try an announced block";
    }
    const bool seen = tracked == 0 && was_added && untracked == 0 && was_removed;
    return seen ? NULL : "an announced block did not come through";
}

/* Uses this way, if no way is in use yet. NULL, or why it cannot be used. */
static const char *use_way(pyctm_announced way)
{
    if (the_tracking.way != PYCTM_ANNOUNCED_LOST) {
        return NULL;
    }
    if (the_tracking.request != PYCTM_ANNOUNCED_LOST && the_tracking.request != way) {
        return "it is not to be followed in this way";
    }
    const char *failure = way == PYCTM_ANNOUNCED_BY_JUMP ? install_detours() : install_words();
    if (failure == NULL) {
        the_tracking.way = way;
    }
    return failure;
}

void pyctm_track_prepare(pyctm_capture *capture)
{
    const char *failure = use_way(PYCTM_ANNOUNCED_BY_JUMP);
    if (failure != NULL && the_tracking.request != PYCTM_ANNOUNCED_BY_JUMP) {
        failure = use_way(PYCTM_ANNOUNCED_BY_TABLE);
    }
    pyctm_got_search_again();
    capture->tracked_blocks = (pyctm_fact){failure == NULL, failure};
}

void pyctm_track_start(pyctm_capture *capture)
{
    const char *failure = capture->tracked_blocks.detail;
    if (the_tracking.way != PYCTM_ANNOUNCED_LOST) {
        failure = self_test(capture);
    }
    if (failure != NULL && the_tracking.way == PYCTM_ANNOUNCED_BY_JUMP) {
        disable_detours();
        the_tracking.way = PYCTM_ANNOUNCED_LOST;
        failure = use_way(PYCTM_ANNOUNCED_BY_TABLE);
        failure = failure == NULL ? self_test(capture) : failure;
    }
    if (failure == NULL) {
        failure =
            the_tracking.way == PYCTM_ANNOUNCED_BY_JUMP
                ? "announcements are redirected to the tracer by a jump in the interpreter's code"
                : "announcements are redirected to the tracer by their callers' tables of addresses";
        capture->tracked_blocks = (pyctm_fact){true, failure};
    } else {
        capture->tracked_blocks = (pyctm_fact){false, failure};
    }
}

void pyctm_track_search_again(void)
{
    pyctm_got_search_again();
}

bool pyctm_track_requested(pyctm_announced way)
{
    the_tracking.request = way;
    return the_tracking.way == PYCTM_ANNOUNCED_LOST || the_tracking.way == way;
}
#endif
