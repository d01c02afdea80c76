/* thread_names.h: the label "thread" of blocks, if start() was asked for it.
 *
 * Model: a thread's name is not in its context, because contexts go from thread to thread. The package says each thread's name when it
 * begins. A thread state is known by its id, which no other one gets; a thread that had begun before is known by its ident until its
 * first event.
 *
 * The handle of a LabelSet together with a name is made by the first event that needs it, and the LabelSet has it from then on,
 * in a list by thread. That of no LabelSet and a name is in the thread's own state. Both are asked for again when the handles that
 * they were made from are others. A thread without a name remembers that it has none, and has the handles of the sets themselves.
 *
 * Locks: whoever has the GIL changes the lists. A thread without the GIL, whose context has the LabelSet, may read its list:
 * nodes are added at the front, and freed with the LabelSet.
 */
#ifndef PYCTM_CAPTURE_THREAD_NAMES_H
#define PYCTM_CAPTURE_THREAD_NAMES_H

#include "capture/labels.h"

#define PYCTM_NO_HANDLE UINT32_MAX /* it is not known */

/* Lock: the GIL. */
typedef struct pyctm_thread_name {
    uint64_t ident;                 /* of the thread */
    uint64_t thread;                /* id of its thread state; 0: not known yet */
    char *text;                     /* owned */
    uint32_t of_none;               /* held: of the name alone, or PYCTM_NO_HANDLE */
    bool is_in_sets;                /* sets may have nodes for the thread */
    struct pyctm_thread_name *next; /* owned */
} pyctm_thread_name;

/* A node of a LabelSet's list. */
typedef struct pyctm_named_set {
    _Atomic uint64_t thread;      /* id of the thread state; 0: the node is free */
    _Atomic uint32_t handle;      /* held, or PYCTM_NO_HANDLE */
    struct pyctm_named_set *next; /* owned; constant */
} pyctm_named_set;

/* HOOK: The handle of this set, NULL: of none, with the name of this thread, whose thread state's id it is. PYCTM_NO_HANDLE: it is
 * not known yet. */
uint32_t pyctm_named_handle(const pyctm_labels *labels, const pyctm_label_set *set,
                            uint64_t thread);
/* HOOK: Makes it. Main interpreter's GIL, inside no shard. Out of memory there is none, and a loss. */
void pyctm_named_make(pyctm_capture *capture, pyctm_label_set *set,
                      const PyThreadState *thread_state);

/* GIL, not in a hook: the rest. After the next three the caller says that labels have changed: pyctm_labels_changed.
 *
 * The thread has this name, from now on; NULL: it ends. -1: out of memory. */
int pyctm_thread_name_set(pyctm_capture *capture, uint64_t ident, const char *text);
void pyctm_thread_names_forget(pyctm_capture *capture);
/* All handles are made again when they are needed. */
void pyctm_named_forget_all(pyctm_capture *capture);
/* Of the present thread, borrowed; NULL: it has none. */
const char *pyctm_thread_name_own(const pyctm_capture *capture);
/* The set is freed. */
void pyctm_named_free(pyctm_capture *capture, pyctm_label_set *set);

#endif
