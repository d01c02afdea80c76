/* thread_names.c: see thread_names.h. */
#include "capture/thread_names.h"

#include "capture/hot.h"

#include <stdlib.h>
#include <string.h>

#include "ctm/losses.h"

#if !defined(Py_GIL_DISABLED) /* free-threaded builds: module.c refuses the import */

#define NO_LABEL "blocks without the label of their thread"

/* --- handles --- */

/* HOOK: Whether the present thread has asked for its name, and that is as it was. */
static bool is_known(const pyctm_labels *labels, uint64_t thread)
{
    return pyctm_hook_tls.named_thread == thread &&
           pyctm_hook_tls.named_serial ==
               atomic_load_explicit(&labels->serial, memory_order_relaxed);
}

/* HOOK: */
static pyctm_named_set *node_of(const pyctm_label_set *set, uint64_t thread)
{
    pyctm_named_set *node = atomic_load_explicit(&set->named, memory_order_acquire);
    while (node != NULL && atomic_load_explicit(&node->thread, memory_order_acquire) != thread) {
        node = node->next;
    }
    return node;
}

/* HOOK: */
uint32_t pyctm_named_handle(const pyctm_labels *labels, const pyctm_label_set *set, uint64_t thread)
{
    if (is_known(labels, thread) && pyctm_hook_tls.is_nameless) {
        return set != NULL ? atomic_load_explicit(&set->handle, memory_order_relaxed)
                           : labels->handle_of_none;
    }
    if (set == NULL) {
        return is_known(labels, thread) ? pyctm_hook_tls.named_handle : PYCTM_NO_HANDLE;
    }
    const pyctm_named_set *node = node_of(set, thread);
    return node != NULL ? atomic_load_explicit(&node->handle, memory_order_acquire)
                        : PYCTM_NO_HANDLE;
}

/* HOOK: */
static void let_go(pyctm_capture *capture, uint32_t handle)
{
    if (handle != PYCTM_NO_HANDLE) {
        ctm_tracer_labels_release(capture->tracer, handle);
    }
}

/* HOOK: The thread's name; NULL: it has none. */
static pyctm_thread_name *name_of(const pyctm_labels *labels, const PyThreadState *thread_state)
{
    pyctm_thread_name *name = labels->names;
    while (name != NULL && (name->thread != 0 ? name->thread != thread_state->id
                                              : name->ident != (uint64_t)thread_state->thread_id)) {
        name = name->next;
    }
    if (name != NULL) {
        name->thread = thread_state->id;
    }
    return name;
}

/* HOOK: A node for this thread, without a handle. NULL: out of memory. */
static pyctm_named_set *new_node(pyctm_label_set *set, uint64_t thread)
{
    pyctm_named_set *node = node_of(set, 0);
    if (node == NULL) {
        node = malloc(sizeof *node);
        if (node == NULL) {
            return NULL;
        }
        *node = (pyctm_named_set){.handle = PYCTM_NO_HANDLE, .next = atomic_load(&set->named)};
        atomic_store(&set->named, node);
    }
    atomic_store(&node->thread, thread);
    return node;
}

/* HOOK: Takes the handle. False: out of memory. */
static bool keep(pyctm_label_set *set, uint64_t thread, uint32_t handle)
{
    pyctm_named_set *node = node_of(set, thread);
    if (node == NULL) {
        node = new_node(set, thread);
    }
    if (node != NULL) {
        PYCTM_ASSERT(atomic_load(&node->handle) == PYCTM_NO_HANDLE);
        atomic_store(&node->handle, handle);
    }
    return node != NULL;
}

/* HOOK: */
static void remember(const pyctm_labels *labels, uint64_t thread, bool is_nameless, uint32_t handle)
{
    pyctm_hook_tls.named_thread = thread;
    pyctm_hook_tls.named_serial = atomic_load(&labels->serial);
    pyctm_hook_tls.is_nameless = is_nameless;
    pyctm_hook_tls.named_handle = handle;
}

/* HOOK: Takes the handle, which the name holds until it gets another one. */
static void keep_for_none(pyctm_capture *capture, pyctm_thread_name *name, uint64_t thread,
                          uint32_t handle)
{
    const uint32_t before = name->of_none;
    remember(&capture->labels, thread, false, handle);
    name->of_none = handle;
    let_go(capture, before);
}

/* HOOK: */
PYCTM_RARELY void pyctm_named_make(pyctm_capture *capture, pyctm_label_set *set,
                                   const PyThreadState *thread_state)
{
    pyctm_labels *labels = &capture->labels;
    pyctm_thread_name *name = name_of(labels, thread_state);
    if (name == NULL) {
        remember(labels, thread_state->id, true, PYCTM_NO_HANDLE);
        return;
    }
    const ctm_label_text pair = {"thread", name->text};
    const uint32_t base = set != NULL ? atomic_load(&set->handle) : labels->handle_of_none;
    uint32_t handle;
    ctm_status status = ctm_tracer_labels_with(capture->tracer, base, &pair, &handle);
    if (status == CTM_ERR_INVALID) { /* the set has as many labels as there can be */
        ctm_tracer_loss(capture->tracer, "labels", NO_LABEL, 1);
        status = ctm_tracer_labels_with(capture->tracer, base, NULL, &handle);
    }
    if (status == CTM_OK && set == NULL) {
        keep_for_none(capture, name, thread_state->id, handle);
    } else if (status == CTM_OK) {
        name->is_in_sets = true;
        if (!keep(set, thread_state->id, handle)) {
            ctm_tracer_labels_release(capture->tracer, handle);
            status = CTM_ERR_NOMEM;
        }
    }
    if (status != CTM_OK) {
        ctm_tracer_loss(capture->tracer, "labels", NO_LABEL, 1);
    }
}

/* --- what is not known any more --- */

static void forget_set(pyctm_capture *capture, const pyctm_label_set *set)
{
    for (pyctm_named_set *node = atomic_load(&set->named); node != NULL; node = node->next) {
        let_go(capture, atomic_exchange(&node->handle, PYCTM_NO_HANDLE));
    }
}

void pyctm_named_forget_all(pyctm_capture *capture)
{
    PYCTM_ASSERT_GIL();
    for (const pyctm_label_set *set = capture->labels.sets; set != NULL; set = set->next) {
        forget_set(capture, set);
    }
    for (pyctm_thread_name *name = capture->labels.names; name != NULL; name = name->next) {
        let_go(capture, name->of_none);
        name->of_none = PYCTM_NO_HANDLE;
    }
}

void pyctm_named_free(pyctm_capture *capture, pyctm_label_set *set)
{
    forget_set(capture, set);
    pyctm_named_set *node = atomic_exchange(&set->named, NULL);
    while (node != NULL) {
        pyctm_named_set *next = node->next;
        free(node);
        node = next;
    }
}

/* A thread ended, or has another name. */
static void forget_thread(pyctm_capture *capture, uint64_t thread)
{
    for (const pyctm_label_set *set = capture->labels.sets; set != NULL; set = set->next) {
        pyctm_named_set *node = node_of(set, thread);
        if (node != NULL) {
            let_go(capture, atomic_exchange(&node->handle, PYCTM_NO_HANDLE));
            atomic_store(&node->thread, 0);
        }
    }
}

/* --- names --- */

static void free_name(pyctm_capture *capture, pyctm_thread_name *name)
{
    let_go(capture, name->of_none);
    free(name->text);
    free(name);
}

/* Takes the name of this thread out of the list. NULL: it has none. */
static pyctm_thread_name *take_name(pyctm_capture *capture, uint64_t ident)
{
    pyctm_thread_name **link = &capture->labels.names;
    while (*link != NULL && (*link)->ident != ident) {
        link = &(*link)->next;
    }
    pyctm_thread_name *name = *link;
    if (name != NULL) {
        *link = name->next;
    }
    return name;
}

/* A thread that gets its name from another one has no thread state that is known here, unless it had a name before. */
static uint64_t thread_of(const pyctm_thread_name *before, uint64_t ident)
{
    const PyThreadState *own = PyThreadState_Get();
    return (uint64_t)own->thread_id == ident ? own->id : before != NULL ? before->thread : 0;
}

/* A value that is seen again is a kept one (ctm/labels.h), and most threads ask for a handle once: so that they are told apart in
 * recordings and black boxes, too. */
static void show_value(const pyctm_capture *capture, const char *text)
{
    const ctm_label_text pair = {"thread", text};
    uint32_t handle;
    if (ctm_tracer_labels(capture->tracer, &pair, 1, &handle) == CTM_OK) {
        ctm_tracer_labels_release(capture->tracer, handle);
    }
}

int pyctm_thread_name_set(pyctm_capture *capture, uint64_t ident, const char *text)
{
    PYCTM_ASSERT_MAIN();
    pyctm_thread_name *name = text != NULL ? malloc(sizeof *name) : NULL;
    char *own = text != NULL ? strdup(text) : NULL;
    if (text != NULL && (name == NULL || own == NULL)) {
        free(name);
        free(own);
        return -1;
    }
    pyctm_thread_name *before = take_name(capture, ident);
    if (before != NULL && before->is_in_sets) {
        forget_thread(capture, before->thread);
    }
    if (name != NULL) {
        *name = (pyctm_thread_name){.ident = ident,
                                    .thread = thread_of(before, ident),
                                    .text = own,
                                    .of_none = PYCTM_NO_HANDLE,
                                    .next = capture->labels.names};
        capture->labels.names = name;
        show_value(capture, own);
    }
    if (before != NULL) {
        free_name(capture, before);
    }
    return 0;
}

const char *pyctm_thread_name_own(const pyctm_capture *capture)
{
    PYCTM_ASSERT_GIL();
    const pyctm_thread_name *name = name_of(&capture->labels, PyThreadState_Get());
    return name != NULL ? name->text : NULL;
}

void pyctm_thread_names_forget(pyctm_capture *capture)
{
    PYCTM_ASSERT_GIL();
    for (pyctm_label_set *set = capture->labels.sets; set != NULL; set = set->next) {
        for (pyctm_named_set *node = atomic_load(&set->named); node != NULL; node = node->next) {
            let_go(capture, atomic_exchange(&node->handle, PYCTM_NO_HANDLE));
            atomic_store(&node->thread, 0);
        }
    }
    while (capture->labels.names != NULL) {
        pyctm_thread_name *name = capture->labels.names;
        capture->labels.names = name->next;
        free_name(capture, name);
    }
}
#endif
