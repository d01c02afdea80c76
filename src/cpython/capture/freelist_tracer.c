/* freelist_tracer.c: CPython 3.13 and newer have a public listener for new references. There is one
 * per process: whoever had it before us is called on, and gets it back. */
#include "capture.h"

#if PY_VERSION_HEX >= 0x030D0000 && !defined(Py_GIL_DISABLED)

/* Written with the GIL held, as the listener runs. */
static PyRefTracer the_previous;
static void *the_previous_data;
static bool the_removed; /* 3.15 tells us that somebody took the slot */

/* HOOK: What is rare about an event. */
static CTM_SELDOM int on_other(PyObject *op, PyRefTracerEvent event)
{
#if PY_VERSION_HEX >= 0x030F0000
    if (event == PyRefTracer_TRACKER_REMOVED) {
        the_removed = true;
        return 0;
    }
#endif
    if (event == PyRefTracer_CREATE) {
        (void)ctm_event_reference(op);
    }
    return the_previous != NULL ? the_previous(op, event, the_previous_data) : 0;
}

/* HOOK: CPython calls this for each object made and each one that dies. data: NULL if nobody listened before us. */
static CTM_HOT int on_reference(PyObject *op, PyRefTracerEvent event, void *data)
{
    if (data == NULL && event == PyRefTracer_CREATE) {
        return ctm_event_reference(op);
    }
    return data == NULL && event == PyRefTracer_DESTROY ? 0 : on_other(op, event);
}

bool ctm_freelist_is_alive(void)
{
    void *data;
    return !the_removed && PyRefTracer_GetTracer(&data) == on_reference;
}

void ctm_freelist_start(void)
{
    void *data = NULL;
    PyRefTracer previous = PyRefTracer_GetTracer(&data);
    if (previous != on_reference) {
        the_previous = previous;
        the_previous_data = data;
    }
    the_removed = false;
    if (PyRefTracer_SetTracer(on_reference, the_previous != NULL ? &the_previous : NULL) < 0) {
        PyErr_Clear();
        ctm_the_capture.free_lists = (ctm_fact){false, "the reference tracer was refused"};
        return;
    }
    const char *failure = ctm_freelist_self_test();
    ctm_the_capture.free_lists = failure != NULL
                                     ? (ctm_fact){false, failure}
                                     : (ctm_fact){true, "followed through the reference tracer"};
}

void ctm_freelist_stop(void)
{
    if (ctm_freelist_is_alive() && PyRefTracer_SetTracer(the_previous, the_previous_data) < 0) {
        PyErr_Clear();
    }
    the_previous = NULL;
}
#endif
