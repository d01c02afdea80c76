/* ending.c: finds out how the program ends, before it has ended.
 *
 * Model: the interpreter's last calls of Python code are those of atexit, and the program's end is not known there. Two
 * events are visible to C code before that. Both are used only while the main thread's stack has no Python frame, that
 * is, when the program has returned to the interpreter:
 *
 * - An uncaught exception: the audit event sys.excepthook, just before its traceback is printed.
 * - SystemExit: the interpreter reads the exception's attribute `code` through the type's slot tp_getattro, where a
 *   function of ours replaces the original and calls it. Derived classes have another function in that slot: an
 *   exception of theirs is found when the interpreter drops it, through the base's tp_dealloc.
 *
 * The program can see none of this. All with the GIL held; only for the main thread of the main interpreter.
 */
#include "api/module.h"

#include "capture/frames/frames.h"

#include <string.h>

#if !defined(Py_GIL_DISABLED)

#define OWN_EVENT "ctracemalloc.watch_end"
#define UNKNOWN (-1)

/* The process's, because slots of a type and audit hooks get no data of ours, and are for ever. GIL. */
static struct {
    PyObject *watcher;     /* owned for ever: called with an exception's type, value, traceback */
    getattrofunc original; /* SystemExit's */
    destructor dealloc;    /* SystemExit's */
    PyCFunction exit;      /* sys.exit; 3.11 only */
    PyObject *code_name;   /* owned for ever */
    PyObject *code_member; /* SystemExit's descriptor of it; borrowed from the type */
    unsigned long thread;  /* the main one */
    bool code_is_known;    /* `code` is the status of the SystemExit */
    int code;
    bool hook_is_called; /* other audit hooks may refuse ours, which is not an error */
} the_end;

/* Whether the program has returned to the interpreter. */
static bool has_no_frames(void)
{
    pyctm_position position;
    uint32_t total;
    PyThreadState *thread_state = PyThreadState_Get();
    return thread_state->interp == pyctm_the_capture.main_interpreter &&
           PyThread_get_thread_ident() == the_end.thread &&
           pyctm_frames_walk(thread_state, &position, 1, &total) == 0;
}

/* The exit status by the interpreter's rule, cut to the eight bits that the system keeps. */
static int status_of(PyObject *code)
{
    if (code == Py_None) {
        return 0;
    }
    int overflow;
    return PyLong_Check(code) ? (int)(PyLong_AsLongAndOverflow(code, &overflow) & 255) : 1;
}

static PyObject *on_attribute(PyObject *self, PyObject *name)
{
    PyObject *value = the_end.original(self, name);
    if (value != NULL && PyUnicode_CompareWithASCIIString(name, "code") == 0 && has_no_frames()) {
        the_end.code = status_of(value);
        the_end.code_is_known = true;
    }
    return value;
}

static void on_dealloc(PyObject *self)
{
    if (Py_TYPE(self) != (PyTypeObject *)PyExc_SystemExit && !the_end.code_is_known &&
        has_no_frames()) {
        PyObject *code = ((PySystemExitObject *)self)->code;
        const bool is_plain =
            _PyType_Lookup(Py_TYPE(self), the_end.code_name) == the_end.code_member;
        the_end.code = !is_plain ? UNKNOWN : status_of(code != NULL ? code : Py_None);
        the_end.code_is_known = true;
    }
    the_end.dealloc(self);
}

static int on_audit(const char *event, PyObject *args, void *data)
{
    (void)data;
    if (strcmp(event, OWN_EVENT) == 0) {
        the_end.hook_is_called = true;
    }
    if (strcmp(event, "sys.excepthook") != 0 || the_end.watcher == NULL || !has_no_frames()) {
        return 0;
    }
    PyObject *type, *value, *traceback, *hook;
    if (PyArg_ParseTuple(args, "OOOO", &hook, &type, &value, &traceback)) {
        Py_XDECREF(pyctm_call_untraced(the_end.watcher, type, value, traceback));
    }
    PyErr_Clear(); /* the program continues to end */
    return 0;
}

#if !PYCTM_RAISES_INSTANCES
/* 3.11 makes the exception of sys.exit()'s argument only when it is first needed, so the interpreter may find no
 * attribute to read. Therefore it is made at once, by SystemExit's own constructor, except for values that it would
 * change. */
typedef PyObject *(*fast_function)(PyObject *, PyObject *const *, Py_ssize_t);

static PyObject *on_exit_call(PyObject *module, PyObject *const *args, Py_ssize_t n)
{
    PyObject *type, *value, *traceback;
    PyObject *result = ((fast_function)(void (*)(void))the_end.exit)(module, args, n);
    PyErr_Fetch(&type, &value, &traceback);
    if (type == PyExc_SystemExit && value != NULL) {
        if (PyTuple_Check(value) || PyExceptionInstance_Check(value)) {
            the_end.code = UNKNOWN;
            the_end.code_is_known = true;
        } else {
            PyErr_NormalizeException(&type, &value, &traceback);
        }
    }
    PyErr_Restore(type, value, traceback);
    return result;
}

static void watch_exit(void)
{
    PyObject *function = PySys_GetObject("exit"); /* borrowed */
    if (function != NULL && PyCFunction_CheckExact(function)) {
        PyMethodDef *definition = ((PyCFunctionObject *)function)->m_ml;
        if (definition->ml_flags == METH_FASTCALL) {
            the_end.exit = definition->ml_meth;
            definition->ml_meth = (PyCFunction)(void (*)(void))on_exit_call;
        }
    }
}
#else
static void watch_exit(void)
{
}
#endif

const char pyctm_watch_end_doc[] =
    "_watch_end($module, watcher, /)\n--\n\n"
    "From now on, and for ever, watcher(type, value, traceback) is called\n"
    "when an exception that nobody caught is about to be printed because the\n"
    "program ends with it. To be called once, in the main thread.";

PyObject *pyctm_module_watch_end(PyObject *Py_UNUSED(module), PyObject *watcher)
{
    if (the_end.watcher != NULL) {
        PyErr_SetString(PyExc_RuntimeError, "the end is being watched already");
        return NULL;
    }
    the_end.code_name = PyUnicode_InternFromString("code");
    if (the_end.code_name == NULL) {
        return NULL;
    }
    the_end.thread = PyThread_get_thread_ident();
    if (PySys_AddAuditHook(on_audit, NULL) < 0 || PySys_Audit(OWN_EVENT, NULL) < 0) {
        PyErr_Clear();
    }
    the_end.watcher = Py_NewRef(watcher);
    PyTypeObject *type = (PyTypeObject *)PyExc_SystemExit;
    the_end.code_member = _PyType_Lookup(type, the_end.code_name);
    the_end.original = type->tp_getattro;
    the_end.dealloc = type->tp_dealloc;
    type->tp_getattro = on_attribute;
    type->tp_dealloc = on_dealloc;
    watch_exit();
    return PyBool_FromLong(the_end.hook_is_called);
}

const char pyctm_end_status_doc[] =
    "_end_status($module, /)\n--\n\n"
    "The exit status that SystemExit asks for, if the program ends\n"
    "by it, -1 if it asked for one that is not known, else None.";

PyObject *pyctm_module_end_status(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    return the_end.code_is_known ? PyLong_FromLong(the_end.code) : Py_NewRef(Py_None);
}
#endif
