/* labels.h: the label set of what a thread allocates now.
 *
 * Model: a context variable, `ctracemalloc.labels`, has a LabelSet (api/labels.c), which holds a handle of the tracer
 * (ctm/labels.h). So labels follow coroutines, tasks and whatever else copies contexts. A thread remembers the handle that it has read.
 * It is valid as long as the thread state has the same version of its context, which entering and leaving one raises (a switch
 * of greenlets, too), and the context has the same variables: whoever sets one, ours or another, gives the context new ones, while
 * the old ones still are there. (They are allocated before the context has them. That event finds the old ones, so that an address
 * that is used again is noticed. If not every event is recorded, nothing is remembered.) `serial` changes if all shall read again.
 * What the stack cache was switched to is valid for as long as the thread and its variables are the same.
 *
 * If threads are labelled, the handle is that of the set and the thread's name: thread_names.h.
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
    bool begins_scope;       /* that one, which the set below is not in */
    _Atomic uint32_t handle; /* held */
    struct pyctm_named_set *_Atomic named;   /* owned: thread_names.h */
    struct pyctm_label_set *next, *previous; /* borrowed: all that exist */
} pyctm_label_set;

/* HOOK: */
uint32_t pyctm_labels_read(const pyctm_capture *capture, const PyThreadState *thread_state);

/* HOOK: What the thread's context has. */
static inline const void *pyctm_label_vars(const pyctm_labels *labels,
                                           const PyThreadState *thread_state)
{
    const char *context = (const char *)thread_state->context;
    return context != NULL ? *(const void *const *)(context + labels->variable.vars_offset) : NULL;
}

/* HOOK: Whether this thread's labels, whose state it is, are those of that moment. */
static inline __attribute__((always_inline)) bool pyctm_label_moment_is_now(
    const pyctm_label_moment *moment, const pyctm_labels *labels, const PyThreadState *thread_state)
{
    return moment->version == thread_state->context_ver &&
           moment->vars == pyctm_label_vars(labels, thread_state) &&
           moment->thread == thread_state->id &&
           moment->serial == atomic_load_explicit(&labels->serial, memory_order_relaxed);
}

/* HOOK: The handle for an event of this thread. `thread_state`: its own, attached or not; NULL: none. */
static inline uint32_t pyctm_labels_of(const pyctm_capture *capture,
                                       const PyThreadState *thread_state)
{
    return thread_state != NULL && pyctm_label_moment_is_now(&pyctm_hook_tls.label_moment,
                                                             &capture->labels, thread_state)
               ? pyctm_hook_tls.label_handle
               : pyctm_labels_read(capture, thread_state);
}

/* HOOK: */
static inline bool pyctm_labels_in_use(const pyctm_capture *capture)
{
    return atomic_load_explicit(&capture->labels.in_use, memory_order_relaxed);
}

/* HOOK: */
void pyctm_labels_switch_now(pyctm_capture *capture, const PyThreadState *thread_state);

/* HOOK: Finds the handle of this thread's labels and name, if it is not known. Main interpreter's GIL, inside no shard. */
void pyctm_labels_prepare(pyctm_capture *capture, const PyThreadState *thread_state);

/* HOOK: Whether the stack cache finds the sites of this thread's labels. A context that has the same variables as when it was switched
 * has the same labels: other variables at the same address were allocated since then, and that event switched it to those that were
 * there in the meantime. Whoever changes the labels of variables, or `serial`, has the GIL and forgets what it was switched to. */
static inline __attribute__((always_inline)) bool pyctm_labels_are_switched(
    const pyctm_capture *capture, const PyThreadState *thread_state)
{
    return capture->stacks.sites.switched_vars ==
               pyctm_label_vars(&capture->labels, thread_state) &&
           capture->stacks.sites.switched_thread == thread_state->id;
}

/* HOOK: From now on the stack cache finds the sites of this thread's label set. Main interpreter's GIL, after
 * pyctm_labels_prepare. */
static inline __attribute__((always_inline)) void pyctm_labels_switch(
    pyctm_capture *capture, const PyThreadState *thread_state)
{
    if (__builtin_expect(!pyctm_labels_are_switched(capture, thread_state), 0)) {
        pyctm_labels_switch_now(capture, thread_state);
    }
}

/* HOOK: The same, inside no shard. */
static inline __attribute__((always_inline)) void pyctm_labels_follow(
    pyctm_capture *capture, const PyThreadState *thread_state)
{
    if (__builtin_expect(!pyctm_labels_are_switched(capture, thread_state), 0)) {
        pyctm_labels_prepare(capture, thread_state);
        pyctm_labels_switch_now(capture, thread_state);
    }
}

/* GIL, main interpreter, not in a hook. -1 with an exception. */
int pyctm_labels_begin(pyctm_capture *capture, PyTypeObject *set_type);
/* This thread will set the variable to this set, NULL: to none. What it allocates until then is of that set already. */
void pyctm_labels_expect(pyctm_capture *capture, pyctm_label_set *set);
/* It has, or has not. */
void pyctm_labels_expected(pyctm_capture *capture);
/* Any thread, or this one, reads its labels again. A thread without the GIL has no name until it has it. GIL. */
void pyctm_labels_changed(pyctm_capture *capture);
void pyctm_labels_changed_here(pyctm_capture *capture);
/* Which labels are given without the program's doing: PYCTM_LABEL_*. */
void pyctm_labels_set_automatic(pyctm_capture *capture, uint32_t automatic);
/* What may be in use at the next start: whether any LabelSet or mark exists. */
void pyctm_labels_settle(pyctm_capture *capture);
/* The interpreter ends: its objects are not read any more. */
void pyctm_labels_end(pyctm_capture *capture);

#endif
