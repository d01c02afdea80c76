/* stdlib_flag.c: CPython 3.11 and 3.12 tell of objects revived from free lists only while stdlib's own tracemalloc
 * traces. So stdlib is started to carry us, with its allocator hooks never installed and its tables empty.
 *
 * Model: the first time, stdlib is really started, and the PyMem_SetAllocator that it calls is led to a function that
 * does nothing: taking stdlib's hooks off afterwards would do as well for one thread, but one that allocates
 * without the GIL could meet them, or half an allocator struct, meanwhile. (If that function cannot be led
 * astray, the hooks are taken off afterwards all the same.) From then on only stdlib's flag is switched: a call
 * of PyTraceMalloc_Track that was under way before our detour lay may still be waiting for the GIL inside
 * stdlib, and would crash if stdlib had freed its buffers.
 *
 * The program must not see any of that: stdlib_view.c stands before stdlib's functions, and asks here whether stdlib
 * traces for us only. What the program starts is really started (pyctm_stdlib_flag_yield), with stdlib's hooks above or
 * below ours; what it stops is really stopped, and then it carries us again.
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

static pyctm_detour the_detour;       /* of PyMem_SetAllocator; GIL */
static bool the_set_allocator_detour; /* calls are swallowed; GIL */
static bool the_started;              /* stdlib has the buffers that our start gave it; GIL */
static bool the_flag_is_ours;         /* stdlib's flag is set on our account; GIL */
static uint32_t
    the_put_back; /* domains, a bit each, whose allocator stdlib has put back at its end; GIL */

/* HOOK: stdlib's own settings. */
#if PYCTM_STDLIB_IS_IN_RUNTIME
#define STDLIB_CONFIG _PyRuntime.tracemalloc.config
#else
#define STDLIB_CONFIG _Py_tracemalloc_config
#endif

/* At the end of the process stdlib stops what we had made it start, and puts back the allocators of that time, which takes
 * off whoever has come since. It has cleared its flag just before; nobody else clears it while it carries us. It does so
 * once for each domain: who sets one after that is the interpreter, which frees some things with another allocator. */
static bool is_end_of_stdlib(PyMemAllocatorDomain domain)
{
    const uint32_t bit = 1u << (uint32_t)domain;
    if (!_Py_IsFinalizing() || !atomic_load(&pyctm_the_capture.stdlib_flag_raised) ||
        STDLIB_CONFIG.tracing != 0 || (the_put_back & bit) != 0) {
        return false;
    }
    the_put_back |= bit;
    return true;
}

static void on_set_allocator(PyMemAllocatorDomain domain, PyMemAllocatorEx *allocator)
{
    if (!the_set_allocator_detour && !is_end_of_stdlib(domain)) {
        ((void (*)(PyMemAllocatorDomain, PyMemAllocatorEx *))the_detour.original)(domain,
                                                                                  allocator);
    }
}

static void set_flag(bool flag_is_ours)
{
    the_flag_is_ours = flag_is_ours;
    __atomic_store_n(&STDLIB_CONFIG.tracing, flag_is_ours, __ATOMIC_RELAXED);
}

/* Starts stdlib (nframe > 0) or stops it (0) while allocators cannot be set. -1 with an exception. */
static int call_muted(PyObject *stdlib_tracemalloc, int nframe)
{
    PyMemAllocatorEx before[3], after;
    for (PyMemAllocatorDomain i = PYMEM_DOMAIN_RAW; i <= PYMEM_DOMAIN_OBJ; i++) {
        PyMem_GetAllocator(i, &before[i]);
    }
    if (pyctm_detour_prepare(&the_detour, (void *)PyMem_SetAllocator, (void *)on_set_allocator,
                             (pyctm_callers){.hold_gil = true}) == NULL) {
        (void)pyctm_detour_enable(&the_detour);
    }
    the_set_allocator_detour = true;
    const int result = nframe > 0 ? pyctm_stdlib_start(stdlib_tracemalloc, nframe)
                                  : pyctm_stdlib_stop(stdlib_tracemalloc);
    the_set_allocator_detour = false;
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
    return the_flag_is_ours && STDLIB_CONFIG.tracing != 0;
}

/* With the limit of frames that the program has left there. -1 with an exception. */
static int start_stdlib(PyObject *stdlib_tracemalloc)
{
    the_flag_is_ours = true;
    if (call_muted(stdlib_tracemalloc, STDLIB_CONFIG.max_nframe) < 0) {
        return -1;
    }
    the_started = true;
    the_put_back = 0;
    return pyctm_stdlib_clear(stdlib_tracemalloc);
}

int pyctm_stdlib_flag_raise(pyctm_capture *capture, PyObject *stdlib_tracemalloc)
{
    /* If something else has the module's name, the self-test of free lists says what is lost. */
    if (!pyctm_stdlib_is_exchanged() || STDLIB_CONFIG.tracing != 0) {
        return 0;
    }
    atomic_store(&capture->stdlib_flag_raised, true);
    if (the_started) {
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
        the_started = false; /* its finalizer frees them, and takes the flag back */
    } else if (the_flag_is_ours) {
        set_flag(false);
    }
    atomic_store(&capture->stdlib_flag_raised, false);
}

int pyctm_stdlib_flag_yield(pyctm_capture *capture, PyObject *stdlib_tracemalloc)
{
    if (!the_started) {
        return 0;
    }
    set_flag(true); /* or its stop does nothing */
    const int result = call_muted(stdlib_tracemalloc, 0);
    the_started = false;
    the_flag_is_ours = false;
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

/* HOOK: Its own function finds out. */
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
