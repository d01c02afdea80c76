/* ending.c: how the program ends, seen before it has ended.
 *
 * Model: the interpreter's last calls of Python code are atexit's, and nothing there tells what the program ended
 * with. Two things are seen from C before that, both while no frame of Python's is on the main thread's stack, as is
 * the case only when the program has come back to the interpreter:
 *
 * - an exception that nobody caught: the audit event sys.excepthook, just before its traceback is printed;
 * - SystemExit: the interpreter reads the exception's attribute `code`, through the slot tp_getattro of the
 *   type, where a function of ours stands before the original. Classes derived from it have another function in
 *   their slots; one of their exceptions is seen when the interpreter lets go of it, through the base's tp_dealloc.
 *
 * Nothing of this is visible to the program. All with the GIL held; only the main interpreter's main thread is looked at.
 */
#include "api/module.h"

#include "capture/frames/frames.h"

#include <string.h>

#if !defined(Py_GIL_DISABLED)

#define OWN_EVENT "ctracemalloc.watch_end"
#define UNKNOWN (-1)

static PyObject
    *the_watcher; /* owned, for ever: called with an exception's type, value, traceback */
static getattrofunc the_original; /* SystemExit's */
static destructor the_dealloc;    /* the same */
static PyObject *the_code_name;   /* owned, for ever */
static PyObject *the_code_member; /* SystemExit's descriptor of it; borrowed from the type */
static unsigned long the_thread;  /* the main one */
static bool the_code_is_known;    /* the_code is the status that SystemExit asks for */
static int the_code;
static bool the_hook_is_called; /* other audit hooks may forbid ours, which is not an error */

/* Has the program come back to the interpreter? */
static bool is_at_the_bottom(void)
{
    pyctm_position position;
    uint32_t total;
    PyThreadState *thread_state = PyThreadState_Get();
    return thread_state->interp == pyctm_the_capture.main_interpreter &&
           PyThread_get_thread_ident() == the_thread &&
           pyctm_frames_walk(thread_state, &position, 1, &total) == 0;
}

/* The interpreter's own rule, and the system keeps eight bits. */
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
    PyObject *value = the_original(self, name);
    if (value != NULL && PyUnicode_CompareWithASCIIString(name, "code") == 0 &&
        is_at_the_bottom()) {
        the_code = status_of(value);
        the_code_is_known = true;
    }
    return value;
}

static void on_dealloc(PyObject *self)
{
    if (Py_TYPE(self) != (PyTypeObject *)PyExc_SystemExit && !the_code_is_known &&
        is_at_the_bottom()) {
        PyObject *code = ((PySystemExitObject *)self)->code;
        const bool is_plain = _PyType_Lookup(Py_TYPE(self), the_code_name) == the_code_member;
        the_code = !is_plain ? UNKNOWN : status_of(code != NULL ? code : Py_None);
        the_code_is_known = true;
    }
    the_dealloc(self);
}

static int on_audit(const char *event, PyObject *args, void *data)
{
    (void)data;
    if (strcmp(event, OWN_EVENT) == 0) {
        the_hook_is_called = true;
    }
    if (strcmp(event, "sys.excepthook") != 0 || the_watcher == NULL || !is_at_the_bottom()) {
        return 0;
    }
    PyObject *type, *value, *traceback, *hook;
    if (PyArg_ParseTuple(args, "OOOO", &hook, &type, &value, &traceback)) {
        Py_XDECREF(pyctm_call_untraced(the_watcher, type, value, traceback));
    }
    PyErr_Clear(); /* the program's end goes on */
    return 0;
}

#if !PYCTM_RAISES_INSTANCES
/* 3.11 makes an exception of what sys.exit() was given only when somebody looks at it, so the interpreter may find no
 * attribute to read. Therefore it is made at once: SystemExit's own constructor, not for values that would change it. */
typedef PyObject *(*fast_function)(PyObject *, PyObject *const *, Py_ssize_t);
static PyCFunction the_exit; /* sys.exit */

static PyObject *on_exit_call(PyObject *module, PyObject *const *args, Py_ssize_t n)
{
    PyObject *type, *value, *traceback;
    PyObject *result = ((fast_function)(void (*)(void))the_exit)(module, args, n);
    PyErr_Fetch(&type, &value, &traceback);
    if (type == PyExc_SystemExit && value != NULL) {
        if (PyTuple_Check(value) || PyExceptionInstance_Check(value)) {
            the_code = UNKNOWN;
            the_code_is_known = true;
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
            the_exit = definition->ml_meth;
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
    if (the_watcher != NULL) {
        PyErr_SetString(PyExc_RuntimeError, "the end is being watched already");
        return NULL;
    }
    the_code_name = PyUnicode_InternFromString("code");
    if (the_code_name == NULL) {
        return NULL;
    }
    the_thread = PyThread_get_thread_ident();
    if (PySys_AddAuditHook(on_audit, NULL) < 0 || PySys_Audit(OWN_EVENT, NULL) < 0) {
        PyErr_Clear();
    }
    the_watcher = Py_NewRef(watcher);
    PyTypeObject *type = (PyTypeObject *)PyExc_SystemExit;
    the_code_member = _PyType_Lookup(type, the_code_name);
    the_original = type->tp_getattro;
    the_dealloc = type->tp_dealloc;
    type->tp_getattro = on_attribute;
    type->tp_dealloc = on_dealloc;
    watch_exit();
    return PyBool_FromLong(the_hook_is_called);
}

const char pyctm_end_status_doc[] =
    "_end_status($module, /)\n--\n\n"
    "The exit status that SystemExit asks for, if the program ends\n"
    "by it, -1 if it asked for one that is not known, else None.";

PyObject *pyctm_module_end_status(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    return the_code_is_known ? PyLong_FromLong(the_code) : Py_NewRef(Py_None);
}
#endif
