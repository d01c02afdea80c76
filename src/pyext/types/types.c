/* types.c: makes the types and the objects that they share, and adds the types to the module. */
#include "types/types.h"
#include "types/idioms.h"

static int intern_texts(pyctm_state *state)
{
#define PYCTM_TEXT_INTERN(field, value)                    \
    state->text.field = PyUnicode_InternFromString(value); \
    if (state->text.field == NULL) {                       \
        return -1;                                         \
    }
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
#define PYCTM_TYPE_MAKE(name)                          \
    if (pyctm_##name##_type_init(module, state) < 0) { \
        return -1;                                     \
    }
    PYCTM_TYPES(PYCTM_TYPE_MAKE)
#undef PYCTM_TYPE_MAKE
    return pyctm_file_error_init(module, state) < 0 || pyctm_functions_init(module, state) < 0 ? -1
                                                                                               : 0;
}

static int add_types(PyObject *module, const pyctm_state *state)
{
#define PYCTM_TYPE_ADD(name)                                \
    if (PyModule_AddType(module, state->name##_type) < 0) { \
        return -1;                                          \
    }
    PYCTM_PUBLIC_TYPES(PYCTM_TYPE_ADD)
#undef PYCTM_TYPE_ADD
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

int pyctm_types_traverse(pyctm_state *state, visitproc visit, void *arg)
{
#define PYCTM_TYPE_VISIT(name) Py_VISIT(state->name##_type);
    PYCTM_TYPES(PYCTM_TYPE_VISIT)
#undef PYCTM_TYPE_VISIT
#define PYCTM_OBJECT_VISIT(field) Py_VISIT(state->field);
    PYCTM_OBJECTS(PYCTM_OBJECT_VISIT)
#undef PYCTM_OBJECT_VISIT
    return 0;
}

void pyctm_types_clear(pyctm_state *state)
{
#define PYCTM_TYPE_CLEAR(name) Py_CLEAR(state->name##_type);
    PYCTM_TYPES(PYCTM_TYPE_CLEAR)
#undef PYCTM_TYPE_CLEAR
#define PYCTM_OBJECT_CLEAR(field) Py_CLEAR(state->field);
    PYCTM_OBJECTS(PYCTM_OBJECT_CLEAR)
#undef PYCTM_OBJECT_CLEAR
#define PYCTM_CLEAR_TEXT(field, value) Py_CLEAR(state->text.field);
    PYCTM_TEXTS(PYCTM_CLEAR_TEXT)
#undef PYCTM_CLEAR_TEXT
}
