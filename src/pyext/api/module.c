/* module.c: the extension `ctracemalloc._ctracemalloc`: its table of functions, its start and its end.
 *
 * Model: tracing is per process, so this module is for the main interpreter only and stores what it needs in its state;
 * the tracer itself belongs to capture/. A capsule in the interpreter's dictionary stops tracing when the interpreter
 * is finalized, after all Python code has run.
 */
#include "api/module.h"
#include "capture/labels.h"

#include <stdlib.h>
#include <string.h>

#if defined(Py_GIL_DISABLED)

static int module_exec(PyObject *module)
{
    (void)module;
    PyErr_SetString(PyExc_ImportError,
                    "ctracemalloc does not support free-threaded builds of Python yet");
    return -1;
}

static PyMethodDef module_methods[] = {{NULL, NULL, 0, NULL}};

#else

static PyMethodDef module_methods[] = {
    {"start", (PyCFunction)(void (*)(void))pyctm_module_start, METH_FASTCALL | METH_KEYWORDS,
     pyctm_start_doc},
    {"stop", pyctm_module_stop, METH_NOARGS, pyctm_stop_doc},
    {"is_tracing", pyctm_module_is_tracing, METH_NOARGS, pyctm_is_tracing_doc},
    {"clear_traces", pyctm_module_clear_traces, METH_NOARGS, pyctm_clear_traces_doc},
    {"get_traceback_limit", pyctm_module_get_traceback_limit, METH_NOARGS,
     pyctm_get_traceback_limit_doc},
    {"get_sample_interval", pyctm_module_get_sample_interval, METH_NOARGS,
     pyctm_get_sample_interval_doc},
    {"get_traced_memory", (PyCFunction)(void (*)(void))pyctm_module_get_traced_memory,
     METH_FASTCALL, pyctm_get_traced_memory_doc},
    {"reset_peak", pyctm_module_reset_peak, METH_NOARGS, pyctm_reset_peak_doc},
    {"_starts", pyctm_module_starts, METH_NOARGS, pyctm_starts_doc},
    {"_tables_generation", pyctm_module_tables_generation, METH_NOARGS,
     pyctm_tables_generation_doc},
    {"get_tracemalloc_memory", pyctm_module_get_tracemalloc_memory, METH_NOARGS,
     pyctm_get_tracemalloc_memory_doc},
    {"take_snapshot", (PyCFunction)(void (*)(void))pyctm_module_take_snapshot,
     METH_FASTCALL | METH_KEYWORDS, pyctm_take_snapshot_doc},
    {"_get_traces", pyctm_module_get_traces, METH_NOARGS, pyctm_get_traces_doc},
    {"_get_object_traceback", pyctm_module_get_object_traceback_raw, METH_O,
     pyctm_get_object_traceback_raw_doc},
    {"get_object_traceback", (PyCFunction)(void (*)(void))pyctm_module_get_object_traceback,
     METH_VARARGS | METH_KEYWORDS, pyctm_get_object_traceback_doc},
    {"_get_object_block", pyctm_module_get_object_block, METH_O, pyctm_get_object_block_doc},
    {"_get_block", pyctm_module_get_block, METH_VARARGS, pyctm_get_block_doc},
    {"_doctor", pyctm_module_doctor, METH_NOARGS, pyctm_doctor_doc},
    {"_announced_by", pyctm_module_announced_by, METH_O, pyctm_announced_by_doc},
    {"_record_start", pyctm_module_record_start, METH_VARARGS, pyctm_record_start_doc},
    {"_record_tick", pyctm_module_record_tick, METH_O, pyctm_record_tick_doc},
    {"_record_stop", pyctm_module_record_stop, METH_VARARGS, pyctm_record_stop_doc},
    {"_record_pause", pyctm_module_record_pause, METH_O, pyctm_record_pause_doc},
    {"_record_resume", pyctm_module_record_resume, METH_NOARGS, pyctm_record_resume_doc},
    {"_record_forget", pyctm_module_record_forget, METH_NOARGS, pyctm_record_forget_doc},
    {"_record_state", pyctm_module_record_state, METH_O, pyctm_record_state_doc},
    {"_recording_open", pyctm_recording_object_open, METH_O,
     PyDoc_STR("_recording_open($module, path, /)\n--\n\nOpen a recording to read it.")},
    {"_black_box_open", pyctm_box_object_open, METH_O,
     PyDoc_STR("_black_box_open($module, path, /)\n--\n\nOpen a black box to read it.")},
    {"_black_box_end", pyctm_module_box_end, METH_O, pyctm_box_end_doc},
    {"_black_box_continue", pyctm_module_box_continue, METH_O, pyctm_box_continue_doc},
    {"_black_box_state", pyctm_module_box_state, METH_NOARGS, pyctm_box_state_doc},
    {"_add_loss", pyctm_module_add_loss, METH_VARARGS, pyctm_add_loss_doc},
    {"_set_end", pyctm_module_set_end, METH_VARARGS, pyctm_set_end_doc},
    {"_set_aside", pyctm_module_set_aside, METH_O, pyctm_set_aside_doc},
    {"_give_up", pyctm_module_give_up, METH_NOARGS, pyctm_give_up_doc},
    {"_call_last", pyctm_module_call_last, METH_O, pyctm_call_last_doc},
    {"_last_snapshot", pyctm_module_last_snapshot, METH_NOARGS, pyctm_last_snapshot_doc},
    {"_report_snapshot", pyctm_module_report_snapshot, METH_NOARGS, pyctm_report_snapshot_doc},
    {"_resend_start", pyctm_module_resend_start, METH_O, pyctm_resend_start_doc},
    {"_resend_stop", pyctm_module_resend_stop, METH_NOARGS, pyctm_resend_stop_doc},
    {"_stand_in", pyctm_module_stand_in, METH_O, pyctm_stand_in_doc},
    {"_exempt_start", pyctm_module_exempt_start, METH_NOARGS, pyctm_exempt_start_doc},
    {"_exempt_finish", pyctm_module_exempt_finish, METH_O, pyctm_exempt_finish_doc},
    {"_exempt_release", pyctm_module_exempt_release, METH_VARARGS, pyctm_exempt_release_doc},
    {"_label_set", (PyCFunction)(void (*)(void))pyctm_module_label_set, METH_FASTCALL,
     pyctm_label_set_doc},
    {"_labels_enter", (PyCFunction)(void (*)(void))pyctm_module_labels_enter, METH_FASTCALL,
     pyctm_labels_enter_doc},
    {"_labels_leave", pyctm_module_labels_leave, METH_O, pyctm_labels_leave_doc},
    {"_scope_begin", pyctm_module_scope_begin, METH_O, pyctm_scope_begin_doc},
    {"_labels_set", pyctm_module_labels_set, METH_O, pyctm_labels_set_doc},
    {"_labels_get", pyctm_module_labels_get, METH_NOARGS, pyctm_labels_get_doc},
    {"_labels_mark", pyctm_module_labels_mark, METH_O, pyctm_labels_mark_doc},
    {"_thread_name", (PyCFunction)(void (*)(void))pyctm_module_thread_name, METH_FASTCALL,
     pyctm_thread_name_doc},
    {"_thread_names_forget", pyctm_module_thread_names_forget, METH_NOARGS,
     pyctm_thread_names_forget_doc},
    {"_own_thread_name", pyctm_module_own_thread_name, METH_NOARGS, pyctm_own_thread_name_doc},
    {"_labels_automatic", pyctm_module_labels_automatic, METH_NOARGS, pyctm_labels_automatic_doc},
    {"_own_start", pyctm_module_own_start, METH_NOARGS, pyctm_own_start_doc},
    {"_own_finish", pyctm_module_own_finish, METH_NOARGS, pyctm_own_finish_doc},
    {"_watch_end", pyctm_module_watch_end, METH_O, pyctm_watch_end_doc},
    {"_end_status", pyctm_module_end_status, METH_NOARGS, pyctm_end_status_doc},
    {"_watch_processes", pyctm_module_watch_processes, METH_VARARGS, pyctm_watch_processes_doc},
    {"_started_processes", pyctm_module_started_processes, METH_NOARGS,
     pyctm_started_processes_doc},
    {"_walk_chunks", pyctm_module_walk_chunks, METH_VARARGS, pyctm_walk_chunks_doc},
    {NULL, NULL, 0, NULL},
};

/* --- start and end of the module --- */

#define CAPSULE "ctracemalloc.capture"

/* Called when the interpreter's dictionary is freed: no Python object may be used any more. */
static void stop_at_end(PyObject *capsule)
{
    pyctm_capture *const capture = PyCapsule_GetPointer(capsule, CAPSULE);
    pyctm_capture_stop(capture, NULL);
    pyctm_labels_end(capture);
}

/* Once per interpreter: the module may be deleted and imported again. */
static int watch_end(pyctm_capture *capture)
{
    PyObject *interpreter_dict = PyInterpreterState_GetDict(PyInterpreterState_Get());
    if (interpreter_dict != NULL && PyDict_GetItemString(interpreter_dict, CAPSULE) != NULL) {
        return 0;
    }
    pyctm_code_deaths_listen(capture);
    PyObject *capsule = PyCapsule_New(capture, CAPSULE, stop_at_end);
    int result = -1;
    if (capsule != NULL && interpreter_dict != NULL) {
        result = PyDict_SetItemString(interpreter_dict, CAPSULE, capsule);
    }
    Py_XDECREF(capsule);
    return result;
}

static int check_interpreter(void)
{
    const unsigned long running = Py_Version >> 16, built = PYCTM_BUILT_FOR;
    if (running != built) {
        PyErr_Format(PyExc_ImportError,
                     "ctracemalloc was built for Python %lu.%lu and cannot run in %lu.%lu",
                     built >> 8, built & 255, running >> 8, running & 255);
        return -1;
    }
    if (PyInterpreterState_Get() != PyInterpreterState_Main()) {
        PyErr_SetString(PyExc_ImportError,
                        "ctracemalloc can only be imported in the main interpreter, not in a "
                        "sub-interpreter");
        return -1;
    }
    return 0;
}

/* The package's own file, to which this module's results are attributed (kept for ever). */
static int set_own_file(PyObject *module)
{
    pyctm_capture *const capture = pyctm_capture_of(module);
    PyObject *origin = PyModule_GetFilenameObject(module);
    const char *path = origin != NULL ? PyUnicode_AsUTF8(origin) : NULL;
    if (path == NULL) {
        PyErr_Clear(); /* without a file the pseudo name remains */
        Py_XDECREF(origin);
        return 0;
    }
    const char *slash = strrchr(path, '/');
    const size_t folder = slash != NULL ? (size_t)(slash - path) + 1 : 0;
    char *own = malloc(folder + sizeof("__init__.py"));
    if (own != NULL) {
        memcpy(own, path, folder);
        memcpy(own + folder, "__init__.py", sizeof("__init__.py"));
        pyctm_attribution_own_file(capture, own);
    }
    Py_DECREF(origin);
    if (own == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    return 0; // NOLINT(clang-analyzer-unix.Malloc): pyctm_attribution_own_file() keeps it
}

static int set_self_scope(pyctm_state *types, int on)
{
    if (on) {
        return pyctm_self_scope_begin(((pyctm_module_state *)types)->capture);
    }
    pyctm_self_scope_end(false);
    return 0;
}

static int intern_names(pyctm_module_state *state)
{
    state->package_name = PyUnicode_InternFromString("ctracemalloc");
    state->is_tracing_name = PyUnicode_InternFromString("is_tracing");
    state->get_traces_name = PyUnicode_InternFromString("_get_traces");
    state->get_limit_name = PyUnicode_InternFromString("get_traceback_limit");
    const bool complete = state->package_name != NULL && state->is_tracing_name != NULL &&
                          state->get_traces_name != NULL && state->get_limit_name != NULL;
    return complete ? 0 : -1;
}

#if PYCTM_STDLIB_IS_IMPORTED_ONCE
extern __attribute__((weak)) PyObject *PyInit__tracemalloc(void);
#endif

/* stdlib's module. 3.12 does not let an interpreter with a GIL of its own import it after the main one did. In such an
 * interpreter it is made, with the same functions, without an import. */
static PyObject *stdlib_module(void)
{
#if PYCTM_STDLIB_IS_IMPORTED_ONCE
    if (PyInit__tracemalloc != NULL) {
        return PyInit__tracemalloc();
    }
#endif
    return PyImport_ImportModule("_tracemalloc");
}

static int module_exec(PyObject *module)
{
    pyctm_module_state *state = pyctm_module_state_of(module);
    state->capture = &pyctm_the_capture;
    if (check_interpreter() < 0 || pyctm_capture_init(state->capture) < 0) {
        return -1;
    }
    state->capture->raw_traceback = pyctm_raw_traceback_of_block;
    state->stdlib = stdlib_module();
    if (state->stdlib == NULL || intern_names(state) < 0) {
        return -1;
    }
    state->get_traces = PyObject_GetAttr(module, state->get_traces_name);
    if (state->get_traces == NULL) {
        return -1;
    }
    if (PyModule_AddStringConstant(module, "__version__", CTM_VERSION) < 0 ||
        set_own_file(module) < 0 || watch_end(state->capture) < 0 ||
        pyctm_types_init(module, &state->types) < 0) {
        return -1;
    }
    state->types.self_scope_set = set_self_scope;
    return 0;
}

#endif

static int module_traverse(PyObject *module, visitproc visit, void *arg)
{
    pyctm_module_state *state = pyctm_module_state_of(module);
    Py_VISIT(state->stdlib);
    Py_VISIT(state->get_traces);
    Py_VISIT(state->paused_recorder);
    Py_VISIT(state->label_set_type);
    Py_VISIT(state->scope_type);
    Py_VISIT(state->package_name);
    Py_VISIT(state->is_tracing_name);
    Py_VISIT(state->get_traces_name);
    Py_VISIT(state->get_limit_name);
#if defined(Py_GIL_DISABLED)
    return 0;
#else
    return pyctm_types_traverse(&state->types, visit, arg);
#endif
}

static int module_clear(PyObject *module)
{
    pyctm_module_state *state = pyctm_module_state_of(module);
    Py_CLEAR(state->stdlib);
    Py_CLEAR(state->get_traces);
    Py_CLEAR(state->paused_recorder);
    Py_CLEAR(state->label_set_type);
    Py_CLEAR(state->scope_type);
    Py_CLEAR(state->package_name);
    Py_CLEAR(state->is_tracing_name);
    Py_CLEAR(state->get_traces_name);
    Py_CLEAR(state->get_limit_name);
#if !defined(Py_GIL_DISABLED)
    pyctm_types_clear(&state->types);
#endif
    return 0;
}

static void module_free(void *module)
{
    (void)module_clear(module);
}

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, (void *)module_exec},
#if PYCTM_HAS_OWN_GILS
    {Py_mod_multiple_interpreters, Py_MOD_MULTIPLE_INTERPRETERS_NOT_SUPPORTED},
#endif
#if defined(Py_GIL_DISABLED)
    {Py_mod_gil, Py_MOD_GIL_NOT_USED}, /* a refused import must not switch the GIL on */
#endif
    {0, NULL},
};

/* The definition itself is with the types (state.c), which find their module by it. */
PyMODINIT_FUNC PyInit__ctracemalloc(void)
{
    PyModuleDef *def = &pyctm_module_def;
    def->m_size = sizeof(pyctm_module_state);
    def->m_methods = module_methods;
    def->m_slots = module_slots;
    def->m_traverse = module_traverse;
    def->m_clear = module_clear;
    def->m_free = module_free;
    return PyModuleDef_Init(def);
}
