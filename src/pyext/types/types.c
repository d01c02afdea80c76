/* types.c: makes the types and the objects that they share, and adds the types to the module. */
#include "types/types.h"
#include "types/history.h"
#include "types/support.h"

static int intern_texts(pyctm_state *state)
{
#define PYCTM_TEXT_INTERN(field, value)                                  \
    if ((state->text.field = PyUnicode_InternFromString(value)) == NULL) \
        return -1;
    PYCTM_TEXTS(PYCTM_TEXT_INTERN)
#undef PYCTM_TEXT_INTERN
    return 0;
}

static PyObject *import_attribute(const char *module_name, const char *attribute)
{
    PyObject *module = PyImport_ImportModule(module_name);
    PyObject *value = module != NULL ? pyctm_get_named(module, attribute) : NULL;
    Py_XDECREF(module);
    return value;
}

static int import_modules(pyctm_state *state)
{
    if ((state->linecache = PyImport_ImportModule("linecache")) == NULL) {
        return -1;
    }
    if ((state->fnmatch_module = PyImport_ImportModule("fnmatch")) == NULL) {
        return -1;
    }
    if ((state->os_path = import_attribute("os", "path")) == NULL) {
        return -1;
    }
    state->iterable = import_attribute("collections.abc", "Iterable");
    return state->iterable != NULL ? 0 : -1;
}

static int make_types(PyObject *module, pyctm_state *state)
{
    int (*const inits[])(PyObject *, pyctm_state *) = {
        pyctm_handle_type_init,        pyctm_history_type_init,
        pyctm_frame_type_init,         pyctm_traceback_type_init,
        pyctm_trace_type_init,         pyctm_traces_type_init,
        pyctm_statistic_type_init,     pyctm_statistic_diff_type_init,
        pyctm_base_filter_type_init,   pyctm_filter_type_init,
        pyctm_domain_filter_type_init, pyctm_label_filter_type_init,
        pyctm_snapshot_type_init,      pyctm_file_error_init,
        pyctm_functions_init,          pyctm_recording_type_init,
        pyctm_box_type_init,
    };
    for (size_t i = 0; i < sizeof inits / sizeof inits[0]; i++) {
        if (inits[i](module, state) < 0) {
            return -1;
        }
    }
    return 0;
}

static int add_types(PyObject *module, const pyctm_state *state)
{
    PyTypeObject *const types[] = {
        state->frame_type,        state->traceback_type, state->trace_type,
        state->traces_type,       state->statistic_type, state->statistic_diff_type,
        state->base_filter_type,  state->filter_type,    state->domain_filter_type,
        state->label_filter_type, state->snapshot_type,
    };
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (PyModule_AddType(module, types[i]) < 0) {
            return -1;
        }
    }
    return PyModule_AddObjectRef(module, "Traces", (PyObject *)state->traces_type);
}

/* Traceback and _Traces are sequences, as their base class makes them in the standard library. */
static int register_sequences(const pyctm_state *state)
{
    PyTypeObject *const types[] = {state->traceback_type, state->traces_type};
    PyObject *sequence = import_attribute("collections.abc", "Sequence");
    int result = sequence != NULL ? 0 : -1;
    for (int i = 0; result == 0 && i < 2; i++) {
        PyObject *type = pyctm_call_named(sequence, "register", (PyObject *)types[i]);
        result = type != NULL ? 0 : -1;
        Py_XDECREF(type);
    }
    Py_XDECREF(sequence);
    return result;
}

int pyctm_types_init(PyObject *module, pyctm_state *state)
{
    if (intern_texts(state) < 0 || import_modules(state) < 0) {
        return -1;
    }
    if (make_types(module, state) < 0 || add_types(module, state) < 0) {
        return -1;
    }
    return register_sequences(state);
}

/* clang-format off */
#define PYCTM_OWNED(X)                                                                            \
    X(frame_type) X(traceback_type) X(trace_type) X(traces_type) X(statistic_type)              \
    X(statistic_diff_type) X(base_filter_type) X(filter_type) X(domain_filter_type)             \
    X(label_filter_type) X(snapshot_type) X(handle_type) X(history_type) X(file_error) X(handle_decode) X(recording_type) X(box_type) X(iterable) X(linecache) \
    X(fnmatch_module) X(os_path) X(provide)
/* clang-format on */

int pyctm_types_traverse(pyctm_state *state, visitproc visit, void *arg)
{
#define PYCTM_VISIT_FIELD(field) Py_VISIT(state->field);
    PYCTM_OWNED(PYCTM_VISIT_FIELD)
#undef PYCTM_VISIT_FIELD
    return 0;
}

void pyctm_types_clear(pyctm_state *state)
{
#define PYCTM_CLEAR_FIELD(field) Py_CLEAR(state->field);
    PYCTM_OWNED(PYCTM_CLEAR_FIELD)
#undef PYCTM_CLEAR_FIELD
#define PYCTM_CLEAR_TEXT(field, value) Py_CLEAR(state->text.field);
    PYCTM_TEXTS(PYCTM_CLEAR_TEXT)
#undef PYCTM_CLEAR_TEXT
}
