/* ride.c: CPython 3.11 and 3.12 tell of objects revived from free lists only while stdlib's own tracemalloc
 * traces. So stdlib is started to carry us, with its allocator hooks never installed and its tables empty.
 *
 * Model: the first time, stdlib is really started, and the PyMem_SetAllocator that it calls is led to a function that
 * does nothing: taking stdlib's hooks off afterwards would do as well for one thread, but one that allocates
 * without the GIL could meet them, or half an allocator struct, meanwhile. (If that function cannot be led
 * astray, the hooks are taken off afterwards all the same.) From then on only stdlib's flag is switched: a call
 * of PyTraceMalloc_Track that was under way before our detour lay may still be waiting for the GIL inside
 * stdlib, and would crash if stdlib had freed its buffers.
 */
#include <patchlevel.h>
#if PY_VERSION_HEX < 0x030D0000

#define Py_BUILD_CORE 1
#include "capture.h"
#include "detour.h"
#if PY_VERSION_HEX >= 0x030C0000
#include "internal/pycore_runtime.h"
#else
#include "internal/pycore_pymem.h"
#endif

static ctm_detour the_detour; /* of PyMem_SetAllocator; GIL */
static bool the_mute;         /* calls are swallowed; GIL */
static bool the_started;      /* stdlib has its buffers; GIL */

static int *tracing_flag(void);

/* At the end of the process stdlib stops what we had made it start, and puts back the allocators of that time, which takes
 * off whoever has come since. It has cleared its flag by then; nobody else clears it while it carries us. */
static bool is_end_of_stdlib(void)
{
    return _Py_IsFinalizing() && atomic_load(&ctm_the_capture.riding) && *tracing_flag() == 0;
}

static void on_set_allocator(PyMemAllocatorDomain domain, PyMemAllocatorEx *allocator)
{
    if (!the_mute && !is_end_of_stdlib()) {
        ((void (*)(PyMemAllocatorDomain, PyMemAllocatorEx *))the_detour.original)(domain,
                                                                                  allocator);
    }
}

/* Calls a function of stdlib's module while allocators cannot be set. -1 with an exception. */
static int call_muted(PyObject *stdlib_tracemalloc, const char *name)
{
    PyMemAllocatorEx before[3], after;
    for (PyMemAllocatorDomain i = PYMEM_DOMAIN_RAW; i <= PYMEM_DOMAIN_OBJ; i++) {
        PyMem_GetAllocator(i, &before[i]);
    }
    if (ctm_detour_prepare(&the_detour, (void *)PyMem_SetAllocator, (void *)on_set_allocator,
                           CTM_CALLERS_HOLD_GIL) == NULL) {
        (void)ctm_detour_enable(&the_detour);
    }
    the_mute = true;
    PyObject *result = PyObject_CallMethod(stdlib_tracemalloc, name, NULL);
    the_mute = false;
    Py_XDECREF(result);
    for (PyMemAllocatorDomain i = PYMEM_DOMAIN_RAW; i <= PYMEM_DOMAIN_OBJ; i++) {
        PyMem_GetAllocator(i, &after);
        if (after.malloc != before[i].malloc || after.ctx != before[i].ctx) {
            PyMem_SetAllocator(i, &before[i]);
        }
    }
    return result != NULL ? 0 : -1;
}

/* HOOK: stdlib's flag. */
static int *tracing_flag(void)
{
#if PY_VERSION_HEX >= 0x030C0000
    return &_PyRuntime.tracemalloc.config.tracing;
#else
    return &_Py_tracemalloc_config.tracing;
#endif
}

/* HOOK: */
bool ctm_ride_stdlib_traces(void)
{
    return !atomic_load_explicit(&ctm_the_capture.riding, memory_order_relaxed) &&
           __atomic_load_n(tracing_flag(), __ATOMIC_RELAXED) != 0;
}

/* -1 with an exception. */
static int start_stdlib(PyObject *stdlib_tracemalloc)
{
    if (call_muted(stdlib_tracemalloc, "start") < 0) {
        return -1;
    }
    the_started = true;
    PyObject *result = PyObject_CallMethod(stdlib_tracemalloc, "clear_traces", NULL);
    Py_XDECREF(result);
    return result != NULL ? 0 : -1;
}

int ctm_ride_mount(PyObject *stdlib_tracemalloc)
{
    if (*tracing_flag() != 0) {
        return 0;
    }
    atomic_store(&ctm_the_capture.riding, true);
    if (the_started) {
        __atomic_store_n(tracing_flag(), 1, __ATOMIC_RELAXED);
        return 0;
    }
    if (start_stdlib(stdlib_tracemalloc) < 0) {
        ctm_ride_dismount(stdlib_tracemalloc);
        return -1;
    }
    return 0;
}

void ctm_ride_dismount(PyObject *stdlib_tracemalloc)
{
    if (stdlib_tracemalloc == NULL) {
        the_started = false;
    } else if (atomic_load(&ctm_the_capture.riding)) {
        __atomic_store_n(tracing_flag(), 0, __ATOMIC_RELAXED);
    }
    atomic_store(&ctm_the_capture.riding, false);
}

#else

#include "capture.h"

/* HOOK: Its own function finds out. */
bool ctm_ride_stdlib_traces(void)
{
    return true;
}

int ctm_ride_mount(PyObject *stdlib_tracemalloc)
{
    (void)stdlib_tracemalloc;
    return 0;
}

void ctm_ride_dismount(PyObject *stdlib_tracemalloc)
{
    (void)stdlib_tracemalloc;
}
#endif
