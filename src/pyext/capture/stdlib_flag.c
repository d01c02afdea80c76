/* stdlib_flag.c: makes stdlib's tracemalloc trace for us. CPython 3.11 and 3.12 report objects revived from free lists
 * only while it traces. Its allocator hooks are never installed and its tables stay empty.
 *
 * Model: the first time, stdlib is really started, and the PyMem_SetAllocator that it calls is redirected to a function
 * that does nothing. Removing stdlib's hooks afterwards would be enough for one thread, but a thread that allocates
 * without the GIL could call them meanwhile, or read half an allocator struct. (If that function cannot be redirected,
 * the hooks are removed afterwards all the same.) From then on only stdlib's flag is switched: a call of
 * PyTraceMalloc_Track that began before our detour may still be waiting for the GIL inside stdlib, and would crash if
 * stdlib had freed its buffers.
 *
 * The program must not see any of that: stdlib_view.c replaces stdlib's functions, and asks this file whether stdlib
 * traces for us only. If the program starts stdlib, it is really started (pyctm_stdlib_flag_yield), with its hooks
 * above or below ours; if the program stops it, it is really stopped, and then traces for us again.
 */
#include "capture/frames/core_build.h"
#include "capture/frames/versions.h"

#include "capture/capture.h"
#include "capture/stdlib_functions.h"

#if !PYCTM_HAS_REF_TRACER

#include "capture/patch/detour.h"
#if PYCTM_STDLIB_IS_IN_RUNTIME
#include "internal/pycore_runtime.h"
#else
#include "internal/pycore_pymem.h"
#endif

/* The process's, as stdlib's flag and PyMem_SetAllocator are; a detour gets no data of ours. GIL. */
static struct {
    pyctm_detour detour;        /* of PyMem_SetAllocator */
    bool ignores_set_allocator; /* calls of PyMem_SetAllocator do nothing */
    bool started;               /* stdlib has the buffers of our start */
    bool flag_is_ours;          /* stdlib's flag is set for us */
    uint32_t restored; /* domains, a bit each, whose allocator stdlib has restored at its end */
} the_stdlib;

/* HOOK: stdlib's own settings. */
#if PYCTM_STDLIB_IS_IN_RUNTIME
#define STDLIB_CONFIG _PyRuntime.tracemalloc.config
#else
#define STDLIB_CONFIG _Py_tracemalloc_config
#endif

/* At the end of the process stdlib stops what we had started, and restores the allocators of that time, which would
 * remove all hooks installed since. It has cleared its flag just before; nothing else clears it while stdlib traces for
 * us. It restores each domain once. A later call is the interpreter's, which frees some things with another one. */
static bool is_end_of_stdlib(PyMemAllocatorDomain domain)
{
    const uint32_t bit = 1u << (uint32_t)domain;
    if (!_Py_IsFinalizing() || !atomic_load(&pyctm_the_capture.stdlib_flag_raised) ||
        STDLIB_CONFIG.tracing != 0 || (the_stdlib.restored & bit) != 0) {
        return false;
    }
    the_stdlib.restored |= bit;
    return true;
}

static void on_set_allocator(PyMemAllocatorDomain domain, PyMemAllocatorEx *allocator)
{
    if (!the_stdlib.ignores_set_allocator && !is_end_of_stdlib(domain)) {
        ((void (*)(PyMemAllocatorDomain, PyMemAllocatorEx *))the_stdlib.detour.original)(domain,
                                                                                         allocator);
    }
}

static void set_flag(bool flag_is_ours)
{
    the_stdlib.flag_is_ours = flag_is_ours;
    __atomic_store_n(&STDLIB_CONFIG.tracing, flag_is_ours, __ATOMIC_RELAXED);
}

/* Starts stdlib (nframe > 0) or stops it (0) while calls of PyMem_SetAllocator do nothing. -1 with an exception. */
static int call_without_set_allocator(PyObject *stdlib_tracemalloc, int nframe)
{
    PyMemAllocatorEx before[3], after;
    for (PyMemAllocatorDomain i = PYMEM_DOMAIN_RAW; i <= PYMEM_DOMAIN_OBJ; i++) {
        PyMem_GetAllocator(i, &before[i]);
    }
    if (pyctm_detour_prepare(&the_stdlib.detour, (void *)PyMem_SetAllocator,
                             (void *)on_set_allocator, (pyctm_callers){.hold_gil = true}) == NULL) {
        (void)pyctm_detour_enable(&the_stdlib.detour);
    }
    the_stdlib.ignores_set_allocator = true;
    const int result = nframe > 0 ? pyctm_stdlib_start(stdlib_tracemalloc, nframe)
                                  : pyctm_stdlib_stop(stdlib_tracemalloc);
    the_stdlib.ignores_set_allocator = false;
    for (PyMemAllocatorDomain i = PYMEM_DOMAIN_RAW; i <= PYMEM_DOMAIN_OBJ; i++) {
        PyMem_GetAllocator(i, &after);
        if (after.malloc != before[i].malloc || after.ctx != before[i].ctx) {
            PyMem_SetAllocator(i, &before[i]);
        }
    }
    return result;
}

/* HOOK: */
bool pyctm_stdlib_flag_is_set(const pyctm_capture *capture)
{
    return !atomic_load_explicit(&capture->stdlib_flag_raised, memory_order_relaxed) &&
           __atomic_load_n(&STDLIB_CONFIG.tracing, __ATOMIC_RELAXED) != 0;
}

bool pyctm_stdlib_flag_is_ours(void)
{
    return the_stdlib.flag_is_ours && STDLIB_CONFIG.tracing != 0;
}

/* Starts stdlib with its present limit of frames, which the program may have set. -1 with an exception. */
static int start_stdlib(PyObject *stdlib_tracemalloc)
{
    the_stdlib.flag_is_ours = true;
    if (call_without_set_allocator(stdlib_tracemalloc, STDLIB_CONFIG.max_nframe) < 0) {
        return -1;
    }
    the_stdlib.started = true;
    the_stdlib.restored = 0;
    return pyctm_stdlib_clear(stdlib_tracemalloc);
}

int pyctm_stdlib_flag_raise(pyctm_capture *capture, PyObject *stdlib_tracemalloc)
{
    /* If another module has stdlib's name, the self-test of free lists reports the loss. */
    if (!pyctm_stdlib_is_exchanged() || STDLIB_CONFIG.tracing != 0) {
        return 0;
    }
    atomic_store(&capture->stdlib_flag_raised, true);
    if (the_stdlib.started) {
        set_flag(true);
        return 0;
    }
    if (start_stdlib(stdlib_tracemalloc) < 0) {
        pyctm_stdlib_flag_lower(capture, stdlib_tracemalloc);
        return -1;
    }
    return 0;
}

void pyctm_stdlib_flag_lower(pyctm_capture *capture, PyObject *stdlib_tracemalloc)
{
    if (stdlib_tracemalloc == NULL) {
        the_stdlib.started = false; /* stdlib's finalizer frees the buffers and clears the flag */
    } else if (the_stdlib.flag_is_ours) {
        set_flag(false);
    }
    atomic_store(&capture->stdlib_flag_raised, false);
}

int pyctm_stdlib_flag_yield(pyctm_capture *capture, PyObject *stdlib_tracemalloc)
{
    if (!the_stdlib.started) {
        return 0;
    }
    set_flag(true); /* otherwise stdlib's stop does nothing */
    const int result = call_without_set_allocator(stdlib_tracemalloc, 0);
    the_stdlib.started = false;
    the_stdlib.flag_is_ours = false;
    atomic_store(&capture->stdlib_flag_raised, false);
    return result;
}

#else

bool pyctm_stdlib_flag_is_ours(void)
{
    return false;
}

int pyctm_stdlib_flag_yield(pyctm_capture *capture, PyObject *stdlib_tracemalloc)
{
    (void)capture;
    (void)stdlib_tracemalloc;
    return 0;
}

/* HOOK: stdlib's own function tests it. */
bool pyctm_stdlib_flag_is_set(const pyctm_capture *capture)
{
    (void)capture;
    return true;
}

int pyctm_stdlib_flag_raise(pyctm_capture *capture, PyObject *stdlib_tracemalloc)
{
    (void)capture;
    (void)stdlib_tracemalloc;
    return 0;
}

void pyctm_stdlib_flag_lower(pyctm_capture *capture, PyObject *stdlib_tracemalloc)
{
    (void)capture;
    (void)stdlib_tracemalloc;
}
#endif
