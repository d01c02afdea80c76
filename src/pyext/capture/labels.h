/* labels.h: the label set of what a thread allocates now.
 *
 * Model: a context variable, `ctracemalloc.labels`, has a LabelSet (api/labels.c), which holds a handle of the tracer
 * (ctm/labels.h). So labels follow coroutines, tasks and whatever else copies contexts. A thread remembers the handle that it has read.
 * It is valid as long as the thread state has the same version of its context, which each change of the context raises (a switch
 * of greenlets, too), and `serial` is the same. Setting the variable raises neither, so who sets it calls pyctm_labels_changed.
 *
 * While no label set exists, no event looks here: the capture's mode is PYCTM_EXACT. With the first one it becomes PYCTM_LABELLED.
 */
#ifndef PYCTM_CAPTURE_LABELS_H
#define PYCTM_CAPTURE_LABELS_H

#include "capture/state.h"

/* A ScopeState of api/scopes.c. Lock: the GIL. */
typedef struct pyctm_scope {
    PyObject_HEAD
    ctm_scope *scope; /* held */
    struct pyctm_scope *
        outer; /* owned: of a scope of the process, that around; NULL: none, or not of the process */
    bool is_process, has_ended;
} pyctm_scope;

/* A LabelSet of api/labels.c. Lock: the GIL, but a thread that holds the object in its context may read `handle`. */
typedef struct pyctm_label_set {
    PyObject_HEAD
    PyObject *pairs;         /* owned: a dict of str to str, never changed */
    PyObject *owner;         /* owned: what of the package made it, see labelling.py */
    PyObject *below;         /* owned: the LabelSet that it was put on, or None */
    pyctm_scope *scope;      /* owned: the innermost one; NULL: none */
    _Atomic uint32_t handle; /* held */
    struct pyctm_label_set *next, *previous; /* borrowed: all that exist */
} pyctm_label_set;

/* HOOK: */
uint32_t pyctm_labels_read(const pyctm_capture *capture, const PyThreadState *thread_state);

/* HOOK: The handle for an event of this thread. `thread_state`: its own, attached or not; NULL: none. */
static inline uint32_t pyctm_labels_of(const pyctm_capture *capture,
                                       const PyThreadState *thread_state)
{
    const pyctm_hook_state *self = &pyctm_hook_tls;
    if (thread_state != NULL && self->label_version == thread_state->context_ver &&
        self->label_thread == thread_state->id &&
        self->label_serial == atomic_load_explicit(&capture->labels.serial, memory_order_relaxed)) {
        return self->label_handle;
    }
    return pyctm_labels_read(capture, thread_state);
}

/* HOOK: */
static inline bool pyctm_labels_in_use(const pyctm_capture *capture)
{
    return atomic_load_explicit(&capture->labels.in_use, memory_order_relaxed);
}

/* HOOK: From now on the stack cache finds the sites of this thread's label set. Main interpreter's GIL. */
static inline void pyctm_labels_switch(pyctm_capture *capture, const PyThreadState *thread_state)
{
    const uint32_t handle = pyctm_labels_of(capture, thread_state);
    if (handle != capture->stacks.sites.labels) {
        pyctm_site_cache_switch(&capture->stacks.sites, handle);
    }
}

/* GIL, main interpreter, not in a hook. -1 with an exception. */
int pyctm_labels_begin(pyctm_capture *capture, PyTypeObject *set_type);
/* This thread will set the variable to this set, NULL: to none. What it allocates until then is of that set already. */
void pyctm_labels_expect(const pyctm_capture *capture, const pyctm_label_set *set);
/* This thread has set the variable. */
void pyctm_labels_changed(void);
/* What may be in use at the next start: whether any LabelSet or mark exists. */
void pyctm_labels_settle(pyctm_capture *capture);
/* The interpreter ends: its objects are not read any more. */
void pyctm_labels_end(pyctm_capture *capture);

#endif
