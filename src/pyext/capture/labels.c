/* labels.c: see labels.h. */
#include "capture/labels.h"

#include "capture/capture.h"

#if !defined(Py_GIL_DISABLED) /* free-threaded builds: module.c refuses the import */

/* HOOK: A thread of another interpreter has no labels of its own. */
uint32_t pyctm_labels_read(const pyctm_capture *capture, const PyThreadState *thread_state)
{
    const pyctm_labels *labels = &capture->labels;
    uint32_t handle = labels->handle_of_none;
    if (!pyctm_labels_in_use(capture) || thread_state == NULL ||
        thread_state->interp != capture->main_interpreter) {
        return handle;
    }
    PyObject *value = pyctm_context_value(&labels->variable, thread_state);
    if (value != NULL && Py_TYPE(value) == labels->set_type) {
        handle = atomic_load_explicit(&((pyctm_label_set *)value)->handle, memory_order_relaxed);
    }
    pyctm_hook_state *self = &pyctm_hook_tls;
    if (pyctm_capture_mode(capture) == PYCTM_SAMPLING) {
        return handle;
    }
    self->label_vars = pyctm_label_vars(capture, thread_state);
    self->label_version = thread_state->context_ver;
    self->label_thread = thread_state->id;
    self->label_serial = atomic_load_explicit(&labels->serial, memory_order_relaxed);
    self->label_handle = handle;
    return handle;
}

void pyctm_labels_changed(void)
{
    PYCTM_ASSERT_GIL();
    pyctm_hook_tls.label_version = 0; /* no thread state has it */
}

/* Any thread reads its labels again. */
static void set_in_use(pyctm_capture *capture, bool in_use)
{
    atomic_fetch_add(&capture->labels.serial, 1);
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

void pyctm_labels_settle(pyctm_capture *capture)
{
    PYCTM_ASSERT_MAIN();
    const bool in_use = capture->labels.sets != NULL || capture->labels.handle_of_none != 0;
    if (in_use != pyctm_labels_in_use(capture)) {
        set_in_use(capture, in_use);
    }
}

void pyctm_labels_end(pyctm_capture *capture)
{
    set_in_use(capture, false);
    capture->labels.variable.variable = NULL; /* its interpreter frees it */
    capture->labels.set_type = NULL;
    capture->labels.sets = NULL;
    capture->labels.handle_of_none = 0;
}
#endif
