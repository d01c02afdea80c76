/* last.c: functions for the last report of a process, for the package's run/reporter.py and run/reserve.py. All need
 * the GIL.
 *
 * Model: address space is reserved while there is some, for Python and for a snapshot of small tables; the tables
 * reserve more as they grow. It is released when the end begins. Then Python, malloc and the snapshot can allocate in a
 * process that has no address space left. The reserved pages are never touched, so they use no memory: the limits that
 * make an allocation fail (RLIMIT_AS, RLIMIT_DATA, strict overcommit) count mapped bytes. The last snapshot is taken
 * after tracing has stopped and the block map, which only events need, is unmapped.
 */
#include "api/module.h"

#include <sys/mman.h>

#if !defined(Py_GIL_DISABLED)

const char pyctm_set_aside_doc[] = "_set_aside($module, size, /)\n--\n\n"
                                   "Set aside `size` bytes of address space until _give_up().";

PyObject *pyctm_module_set_aside(PyObject *module, PyObject *size)
{
    pyctm_module_state *state = pyctm_module_state_of(module);
    const size_t bytes = PyLong_AsSize_t(size);
    if (PyErr_Occurred()) {
        return NULL;
    }
    if (state->reserve == NULL && bytes != 0) {
        void *memory =
            mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (memory == MAP_FAILED) {
            return PyErr_NoMemory();
        }
        state->reserve = memory;
        state->reserve_size = bytes;
        ctm_tracer_set_aside(state->capture->tracer, true);
    }
    Py_RETURN_NONE;
}

const char pyctm_give_up_doc[] = "_give_up($module, /)\n--\n\n"
                                 "Give up what _set_aside() has set aside. Allocates nothing.";

PyObject *pyctm_module_give_up(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    pyctm_module_state *state = pyctm_module_state_of(module);
    if (state->reserve != NULL) {
        munmap(state->reserve, state->reserve_size);
        state->reserve = NULL;
        ctm_tracer_set_aside(state->capture->tracer, false);
    }
    Py_RETURN_NONE;
}

const char pyctm_call_last_doc[] =
    "_call_last($module, function, /)\n--\n\n"
    "_give_up(), then call the function: without what the program traces its code\n"
    "with (sys.settrace, sys.setprofile, sys.monitoring), which is not for our code.";

PyObject *pyctm_module_call_last(PyObject *module, PyObject *function)
{
    Py_XDECREF(pyctm_module_give_up(module, NULL));
    return pyctm_call_untraced(function, NULL, NULL, NULL);
}

PyObject *pyctm_call_untraced(PyObject *function, PyObject *a, PyObject *b, PyObject *c)
{
    PyThreadState *thread_state = PyThreadState_Get();
    PyThreadState_EnterTracing(thread_state);
    PyObject *result = PyObject_CallFunctionObjArgs(function, a, b, c, NULL);
    PyThreadState_LeaveTracing(thread_state);
    return result;
}

const char pyctm_last_snapshot_doc[] = "_last_snapshot($module, /)\n--\n\n"
                                       "Stop tracing, and give the snapshot of that moment.";

PyObject *pyctm_module_last_snapshot(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    pyctm_capture *const capture = pyctm_capture_of(module);
    pyctm_module_state *state = pyctm_module_state_of(module);
    if (!ctm_tracer_is_tracing(capture->tracer)) {
        return pyctm_status_raise(&state->types, CTM_ERR_NOT_TRACING, NULL, NULL);
    }
    if (pyctm_check_capture(capture, false) < 0) {
        return NULL;
    }
    PyObject *limit = PyLong_FromUnsignedLong(ctm_tracer_nframe(capture->tracer));
    ctm_snapshot *core = NULL;
    PyObject *snapshot = NULL;
    if (limit != NULL) {
        const ctm_status status = pyctm_capture_finish(capture, state->stdlib, &core);
        snapshot = status == CTM_OK ? pyctm_snapshot_object_new(&state->types, core, limit)
                                    : pyctm_status_raise(&state->types, status, NULL, NULL);
        Py_DECREF(limit);
    }
    return snapshot;
}
#endif
