/* labels.h: the label set of what a thread allocates now.
 *
 * Model: a context variable, `ctracemalloc.labels`, has a LabelSet (api/labels.c), which holds a handle of the tracer
 * (ctm/labels.h). So labels follow coroutines, tasks and whatever else copies contexts. A thread remembers the handle that it has read.
 * It is valid as long as the thread state has the same version of its context, which entering and leaving one raises (a switch
 * of greenlets, too), and the context has the same variables: whoever sets one, ours or another, gives the context new ones, while
 * the old ones still are there. (They are allocated before the context has them. That event finds the old ones, so that an address
 * that is used again is noticed. If not every event is recorded, nothing is remembered.) `serial` changes if all shall read again.
 *
 * While no label set exists, no event looks here: the capture's mode is PYCTM_EXACT. With the first one it becomes PYCTM_LABELLED.
 */
#ifndef PYCTM_CAPTURE_LABELS_H
#define PYCTM_CAPTURE_LABELS_H

#include "capture/state.h"

/* A LabelSet of api/labels.c. Lock: the GIL, but a thread that holds the object in its context may read `handle`. */
typedef struct pyctm_label_set {
    PyObject_HEAD
    PyObject *pairs;                         /* owned: a dict of str to str, never changed */
    PyObject *link;                          /* owned: the package's, see labelling.py */
    _Atomic uint32_t handle;                 /* held */
    struct pyctm_label_set *next, *previous; /* borrowed: all that exist */
} pyctm_label_set;

/* HOOK: */
uint32_t pyctm_labels_read(const pyctm_capture *capture, const PyThreadState *thread_state);

/* HOOK: What the thread's context has. */
static inline const void *pyctm_label_vars(const pyctm_capture *capture,
                                           const PyThreadState *thread_state)
{
    const char *context = (const char *)thread_state->context;
    const size_t offset = capture->labels.variable.vars_offset;
    return context != NULL ? *(const void *const *)(context + offset) : NULL;
}

/* HOOK: The handle for an event of this thread. `thread_state`: its own, attached or not; NULL: none. */
static inline uint32_t pyctm_labels_of(const pyctm_capture *capture,
                                       const PyThreadState *thread_state)
{
    const pyctm_hook_state *self = &pyctm_hook_tls;
    if (thread_state != NULL && self->label_version == thread_state->context_ver &&
        self->label_thread == thread_state->id &&
        self->label_vars == pyctm_label_vars(capture, thread_state) &&
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
/* This thread has set the variable. */
void pyctm_labels_changed(void);
/* What may be in use at the next start: whether any LabelSet or mark exists. */
void pyctm_labels_settle(pyctm_capture *capture);
/* The interpreter ends: its objects are not read any more. */
void pyctm_labels_end(pyctm_capture *capture);

#endif
