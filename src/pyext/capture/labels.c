/* labels.c: see labels.h. */
#include "capture/labels.h"

#include "capture/capture.h"
#include "capture/thread_names.h"

#if !defined(Py_GIL_DISABLED) /* free-threaded builds: module.c refuses the import */

/* HOOK: */
static pyctm_label_moment moment_now(const pyctm_labels *labels, const PyThreadState *thread_state)
{
    return (pyctm_label_moment){.thread = thread_state->id,
                                .version = thread_state->context_ver,
                                .vars = pyctm_label_vars(labels, thread_state),
                                .serial =
                                    atomic_load_explicit(&labels->serial, memory_order_relaxed)};
}

/* HOOK: */
static void remember(const pyctm_labels *labels, const PyThreadState *thread_state, uint32_t handle)
{
    pyctm_hook_tls.label_moment = moment_now(labels, thread_state);
    pyctm_hook_tls.label_handle = handle;
}

/* HOOK: The LabelSet of the thread's context; NULL: none. */
static pyctm_label_set *set_of(const pyctm_labels *labels, const PyThreadState *thread_state)
{
    PyObject *value = labels->variable.variable != NULL
                          ? pyctm_context_value(&labels->variable, thread_state)
                          : NULL;
    return value != NULL && Py_TYPE(value) == labels->set_type ? (pyctm_label_set *)value : NULL;
}

/* HOOK: */
static bool names_threads(const pyctm_labels *labels)
{
    return (atomic_load_explicit(&labels->automatic, memory_order_relaxed) & PYCTM_LABEL_THREAD) !=
           0;
}

/* HOOK: Of a set, NULL: none. *out_is_whole: it has the thread's name. */
static uint32_t handle_of(const pyctm_labels *labels, const pyctm_label_set *set, uint64_t thread,
                          bool *out_is_whole)
{
    *out_is_whole = true;
    if (names_threads(labels)) {
        const uint32_t named = pyctm_named_handle(labels, set, thread);
        if (named != PYCTM_NO_HANDLE) {
            return named;
        }
        *out_is_whole = false;
    }
    return set != NULL ? atomic_load_explicit(&set->handle, memory_order_relaxed)
                       : labels->handle_of_none;
}

/* HOOK: A thread of another interpreter has no labels of its own. */
uint32_t pyctm_labels_read(const pyctm_capture *capture, const PyThreadState *thread_state)
{
    const pyctm_labels *labels = &capture->labels;
    if (!pyctm_labels_in_use(capture) || thread_state == NULL ||
        thread_state->interp != capture->main_interpreter) {
        return labels->handle_of_none;
    }
    bool is_whole;
    const uint32_t handle =
        handle_of(labels, set_of(labels, thread_state), thread_state->id, &is_whole);
    if (is_whole && pyctm_capture_mode(capture) != PYCTM_SAMPLING) {
        remember(labels, thread_state, handle);
    }
    return handle;
}

/* HOOK: */
void pyctm_labels_prepare(pyctm_capture *capture, const PyThreadState *thread_state)
{
    pyctm_labels *labels = &capture->labels;
    if (!names_threads(labels) || thread_state == NULL ||
        thread_state->interp != capture->main_interpreter ||
        pyctm_label_moment_is_now(&pyctm_hook_tls.label_moment, labels, thread_state)) {
        return;
    }
    PYCTM_ASSERT_MAIN();
    pyctm_label_set *set = set_of(labels, thread_state);
    if (pyctm_named_handle(labels, set, thread_state->id) == PYCTM_NO_HANDLE) {
        pyctm_named_make(capture, set, thread_state);
    }
}

/* HOOK: */
void pyctm_labels_switch_now(pyctm_capture *capture, const PyThreadState *thread_state)
{
    const uint32_t handle = pyctm_labels_of(capture, thread_state);
    if (handle != capture->stacks.sites.labels) {
        pyctm_site_cache_switch(&capture->stacks.sites, handle);
    }
    const pyctm_label_moment *moment = &pyctm_hook_tls.label_moment;
    const bool is_known = pyctm_label_moment_is_now(moment, &capture->labels, thread_state);
    capture->stacks.sites.switched_thread = is_known ? moment->thread : 0;
    capture->stacks.sites.switched_vars = moment->vars;
}

/* GIL, or the interpreter ends. */
static void read_again(pyctm_capture *capture)
{
    pyctm_hook_tls.label_moment = (pyctm_label_moment){0};
    capture->stacks.sites.switched_thread = 0;
}

void pyctm_labels_expect(pyctm_capture *capture, pyctm_label_set *set)
{
    const PyThreadState *thread_state = PyThreadState_Get();
    bool is_whole;
    uint32_t handle = handle_of(&capture->labels, set, thread_state->id, &is_whole);
    if (!is_whole) {
        pyctm_named_make(capture, set, thread_state);
        handle = handle_of(&capture->labels, set, thread_state->id, &is_whole);
    }
    read_again(capture);
    remember(&capture->labels, thread_state, handle);
}

void pyctm_labels_expected(pyctm_capture *capture)
{
    read_again(capture);
}

void pyctm_labels_changed(pyctm_capture *capture)
{
    PYCTM_ASSERT_GIL();
    atomic_fetch_add(&capture->labels.serial, 1);
    read_again(capture);
}

void pyctm_labels_changed_here(pyctm_capture *capture)
{
    PYCTM_ASSERT_GIL();
    pyctm_hook_tls.named_thread = 0;
    read_again(capture);
}

static void set_in_use(pyctm_capture *capture, bool in_use)
{
    atomic_fetch_add(&capture->labels.serial, 1);
    read_again(capture);
    atomic_store(&capture->labels.in_use, in_use);
    const pyctm_mode mode = pyctm_capture_mode(capture);
    if (mode == PYCTM_EXACT && in_use) {
        atomic_store(&capture->mode, PYCTM_LABELLED);
    } else if (mode == PYCTM_LABELLED && !in_use) {
        atomic_store(&capture->mode, PYCTM_EXACT);
    }
}

int pyctm_labels_begin(pyctm_capture *capture, PyTypeObject *set_type)
{
    PYCTM_ASSERT_MAIN();
    pyctm_labels *labels = &capture->labels;
    if (labels->variable.variable == NULL) {
        if (pyctm_context_variable_init(&labels->variable, "ctracemalloc.labels") < 0) {
            return -1;
        }
        labels->set_type = (PyTypeObject *)Py_NewRef((PyObject *)set_type); /* for ever */
    }
    if (!pyctm_labels_in_use(capture)) {
        set_in_use(capture, true);
    }
    return 0;
}

void pyctm_labels_set_automatic(pyctm_capture *capture, uint32_t automatic)
{
    PYCTM_ASSERT_MAIN();
    atomic_store(&capture->labels.automatic, (uint8_t)automatic);
    if ((automatic & PYCTM_LABEL_THREAD) == 0) {
        pyctm_thread_names_forget(capture);
        pyctm_labels_changed(capture);
    } else if (!pyctm_labels_in_use(capture)) {
        set_in_use(capture, true);
    }
}

void pyctm_labels_settle(pyctm_capture *capture)
{
    PYCTM_ASSERT_MAIN();
    const bool in_use = capture->labels.sets != NULL || capture->labels.handle_of_none != 0 ||
                        names_threads(&capture->labels);
    if (in_use != pyctm_labels_in_use(capture)) {
        set_in_use(capture, in_use);
    }
}

void pyctm_labels_end(pyctm_capture *capture)
{
    set_in_use(capture, false);
    atomic_store(&capture->labels.automatic, 0);
    capture->labels.variable.variable = NULL; /* its interpreter frees it */
    capture->labels.set_type = NULL;
    capture->labels.sets = NULL;
    capture->labels.handle_of_none = 0;
    capture->labels.process = NULL;
}
#endif
