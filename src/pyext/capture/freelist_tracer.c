/* freelist_tracer.c: the reference tracer, CPython's public callback for new references on 3.13 and newer. There is one
 * per process: ours calls the previous one, and stop sets that one again.
 *
 * Model: as with allocators (layers.c), another tool may call our tracer from its own, and a later start may put ours
 * above that tool's. So the tracer that ours calls never changes: each has its own *slot*, of which there are a few,
 * and gets the slot as its data. Of a chain of tracers only the topmost of ours records.
 */
#include "capture/capture.h"

#if PYCTM_HAS_REF_TRACER && !defined(Py_GIL_DISABLED)

#define SLOTS 8

/* The previous tracer, which ours calls if its data is this slot. Written once, with the GIL held, before it runs. */
typedef struct slot {
    PyRefTracer tracer; /* NULL: not used yet */
    void *data;
} slot;

/* The process's, as CPython's reference tracer is: after our module is gone it still gets a slot as its data. */
static struct {
    slot slots[SLOTS];
    bool removed; /* GIL; 3.15 reported that another tracer replaced ours */
} the_tracers;

/* HOOK: */
static int call_previous(const slot *previous, PyObject *op, PyRefTracerEvent event)
{
    const bool before = pyctm_hook_tls.reported;
    pyctm_hook_tls.reported = true;
    const int result = previous->tracer(op, event, previous->data);
    pyctm_hook_tls.reported = before;
    return result;
}

/* HOOK: All but the common events. */
static PYCTM_RARELY int on_other(PyObject *op, PyRefTracerEvent event, const slot *previous)
{
#if PYCTM_TELLS_OF_REMOVAL
    if (event == PyRefTracer_TRACKER_REMOVED) {
        the_tracers.removed = true;
        return 0;
    }
#endif
    if (event == PyRefTracer_CREATE) {
        (void)pyctm_event_reference(op);
    }
    return previous != NULL ? call_previous(previous, op, event) : 0;
}

/* HOOK: CPython calls this for each object that is made or dies. data: NULL if there was no previous tracer. */
static PYCTM_HOT int on_reference(PyObject *op, PyRefTracerEvent event, void *data)
{
    if (data == NULL && event == PyRefTracer_CREATE) {
        return pyctm_event_reference(op);
    }
    return data == NULL && event == PyRefTracer_DESTROY ? 0 : on_other(op, event, data);
}

bool pyctm_freelist_is_alive(void)
{
    void *data;
    return !the_tracers.removed && PyRefTracer_GetTracer(&data) == on_reference;
}

/* The slot with this previous tracer; NULL: all slots are used. */
static slot *slot_above(PyRefTracer tracer, void *data)
{
    for (slot *it = the_tracers.slots; it < the_tracers.slots + SLOTS; it++) {
        if (it->tracer == NULL) {
            *it = (slot){tracer, data};
        }
        if (it->tracer == tracer && it->data == data) {
            return it;
        }
    }
    return NULL;
}

/* Sets our tracer. NULL, or what went wrong. */
static const char *listen(void)
{
    void *data = NULL;
    const PyRefTracer current = PyRefTracer_GetTracer(&data);
    the_tracers.removed = false;
    if (current == on_reference) {
        return NULL;
    }
    slot *above = current != NULL ? slot_above(current, data) : NULL;
    if (current != NULL && above == NULL) {
        return "too many other tools have had the reference tracer";
    }
    if (PyRefTracer_SetTracer(on_reference, above) < 0) {
        PyErr_Clear();
        return "the reference tracer was refused";
    }
    return NULL;
}

void pyctm_freelist_start(pyctm_capture *capture)
{
    const char *failure = listen();
    if (failure == NULL) {
        failure = pyctm_freelist_self_test(capture);
    }
    capture->free_lists = failure != NULL
                              ? (pyctm_fact){false, failure}
                              : (pyctm_fact){true, "followed through the reference tracer"};
}

void pyctm_freelist_resume(pyctm_capture *capture)
{
    const char *failure = capture->free_lists.ok ? listen() : NULL;
    if (failure != NULL) {
        capture->free_lists = (pyctm_fact){false, failure};
    }
}

void pyctm_freelist_stop(void)
{
    void *data = NULL;
    if (PyRefTracer_GetTracer(&data) != on_reference) {
        return;
    }
    const slot *previous = data;
    if (PyRefTracer_SetTracer(previous != NULL ? previous->tracer : NULL,
                              previous != NULL ? previous->data : NULL) < 0) {
        PyErr_Clear();
    }
}
#endif
