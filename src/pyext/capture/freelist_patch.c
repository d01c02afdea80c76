/* freelist_patch.c: on CPython 3.11 and 3.12, redirects the report of new references. It goes to stdlib's tracemalloc
 * only, by a hidden function that `_Py_NewReference` calls while stdlib traces. capture.c makes stdlib trace with empty
 * tables, and a detour redirects that function's calls to ours. It is found as the call that the exported
 * `_Py_NewReference` makes on one side only of its first conditional branch (prologue.h), and a self-test verifies it
 * before it is used.
 *
 * If the compiler has inlined the hidden function into `_Py_NewReference` (link-time optimization), the calls of
 * `_Py_NewReference` itself are redirected.
 *
 * Until a trial has shown that our function gets new objects, it only stores their address. */
#include "capture/capture.h"
#include "capture/patch/detour.h"

#if !PYCTM_HAS_REF_TRACER

/* The process's, as the redirected functions are; they get no data of ours. */
static struct {
    pyctm_detour hidden;    /* GIL */
    pyctm_detour reference; /* of _Py_NewReference, if the hidden function is not found; GIL */
    /* The thread that runs the trial; NULL: none. Written with the main GIL; read with any GIL. */
    const pyctm_hook_state *_Atomic trial;
    const PyObject *trial_object; /* borrowed; the last object reported to that thread */
} the_patch;

/* HOOK: */
static inline void report(PyObject *op)
{
    const pyctm_hook_state *trial = atomic_load_explicit(&the_patch.trial, memory_order_relaxed);
    if (__builtin_expect(trial == NULL, 1)) {
        pyctm_event_reference(op);
    } else if (trial == &pyctm_hook_tls) {
        the_patch.trial_object = op;
    }
}

/* HOOK: */
static PYCTM_HOT int on_hidden(PyObject *op)
{
    report(op);
    if (atomic_load_explicit(&pyctm_the_capture.stdlib_flag_raised, memory_order_relaxed)) {
        return 0;
    }
    return ((int (*)(PyObject *))the_patch.hidden.original)(op);
}

/* HOOK: While stdlib does not trace, the hidden function would not be called either, so nothing is reported. */
static PYCTM_HOT void on_reference(PyObject *op)
{
    ((void (*)(PyObject *))the_patch.reference.original)(op);
    if (atomic_load_explicit(&pyctm_the_capture.stdlib_flag_raised, memory_order_relaxed) ||
        pyctm_stdlib_flag_is_set(&pyctm_the_capture)) {
        report(op);
    }
}

bool pyctm_freelist_is_alive(void)
{
    return the_patch.hidden.enabled || the_patch.reference.enabled;
}

/* Checks that our function is called with an object that is made now. */
static const char *run_trial(pyctm_capture *capture)
{
    the_patch.trial_object = NULL;
    atomic_store(&the_patch.trial, &pyctm_hook_tls);
    PyObject *made = PyFloat_FromDouble(1234.5);
    atomic_store(&the_patch.trial, NULL);
    if (made == NULL) {
        PyErr_Clear();
        return "no memory to try an object from a free list";
    }
    const bool is_reported = the_patch.trial_object == made;
    Py_DECREF(made);
    return is_reported ? pyctm_freelist_self_test(capture)
                       : "the interpreter does not tell of new objects where it should";
}

static const char *redirect(pyctm_capture *capture, pyctm_detour *detour, const void *target,
                            const void *replacement)
{
    const char *failure = pyctm_detour_prepare(detour, (void *)target, (void *)replacement,
                                               (pyctm_callers){.hold_gil = true});
    if (failure == NULL) {
        failure = pyctm_detour_enable(detour);
    }
    if (failure == NULL) {
        failure = run_trial(capture);
    }
    if (failure != NULL && detour->ready) {
        pyctm_detour_disable(detour);
    }
    return failure;
}

static const char *follow(pyctm_capture *capture)
{
    const void *hidden = NULL;
    if (!the_patch.hidden.ready && !the_patch.reference.enabled) {
        hidden = pyctm_detour_guarded_call((const void *)_Py_NewReference);
    }
    if (hidden != NULL || the_patch.hidden.enabled) {
        if (redirect(capture, &the_patch.hidden, hidden, (const void *)on_hidden) == NULL) {
            return NULL;
        }
    }
    return redirect(capture, &the_patch.reference, (const void *)_Py_NewReference,
                    (const void *)on_reference);
}

void pyctm_freelist_start(pyctm_capture *capture)
{
    const char *failure = follow(capture);
    if (failure != NULL) {
        capture->free_lists = (pyctm_fact){false, failure};
        return;
    }
    capture->free_lists =
        (pyctm_fact){true, the_patch.reference.enabled
                               ? "followed by leading the interpreter's calls for new objects to us"
                               : "followed by leading the interpreter's own notice to us"};
}

void pyctm_freelist_resume(pyctm_capture *capture)
{
    (void)capture;
    /* stdlib traces again, for us or for the program, so the redirected function is called again. */
}

void pyctm_freelist_stop(void)
{
    /* The detour stays; while stdlib does not trace, the redirected function is not called. */
}
#endif
