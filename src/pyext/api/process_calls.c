/* process_calls.c: what the program does with processes: it ends by os._exit, replaces itself by os.exec*, starts
 * others, and learns that one was killed.
 *
 * Model: these are C functions of CPython's modules posix and _posixsubprocess, which subprocess, multiprocessing and
 * all others call in the end. The function's pointer in its method table is exchanged for one of ours, which calls the
 * original. The program sees the same objects; what the functions return and raise is the original's. Other audit hooks
 * see the same events.
 *
 * A watcher, a Python function, is called
 * - before os._exit, with the exit status and whether no other thread could run meanwhile;
 * - before os.exec*, with the path and whether it is Python, and after one that failed, with None;
 * - after os.waitpid and os.wait that returned a process killed by a signal;
 * - after a program was started that is Python, with its process id and arguments.
 *
 * What is started is counted in a page that forks share. A fork is exact. Of programs those count as Python whose
 * file is named python* or pypy*, and scripts whose first line names one. What a shell starts is not known here.
 *
 * All with the GIL held. */
#include "api/module.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#if !defined(Py_GIL_DISABLED)

#define FIRST_LINE 256 /* bytes of a script's first line */

typedef PyObject *(*fast_function)(PyObject *, PyObject *const *, Py_ssize_t);
typedef PyObject *(*keyword_function)(PyObject *, PyObject *const *, Py_ssize_t, PyObject *);

/* Processes that this process and its forks have started; the page is mapped for ever. */
struct started {
    _Atomic uint64_t forks;
    _Atomic uint64_t programs; /* Python started anew: spawned, or in place of a process by exec */
};

/* The process's, because method tables are. GIL. */
static struct {
    PyObject *watcher; /* owned for ever, or NULL: nobody watches */
    PyObject *exit_name, *exec_name, *killed_name, *started_name; /* owned for ever */
    struct started *started;
    PyCFunction exit, execv, execve, fork, forkpty, spawn, spawnp, waitpid, wait, fork_exec;
} calls;

/* --- the watcher --- */

static bool is_watched(void)
{
    return calls.watcher != NULL &&
           PyThreadState_Get()->interp == pyctm_the_capture.main_interpreter;
}

static void tell(PyObject *event, PyObject *first, PyObject *second)
{
    if (!is_watched()) {
        return;
    }
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    Py_XDECREF(pyctm_call_untraced(calls.watcher, event, first, second));
    PyErr_Restore(type, value, traceback); /* an error of the watcher's is not the program's */
}

static bool is_only_thread(void)
{
    PyThreadState *first = PyInterpreterState_ThreadHead(pyctm_the_capture.main_interpreter);
    return first == PyThreadState_Get() && PyThreadState_Next(first) == NULL;
}

static PyObject *on_os_exit(PyObject *module, PyObject *const *args, Py_ssize_t n, PyObject *names)
{
    const Py_ssize_t total = n + (names != NULL ? PyTuple_GET_SIZE(names) : 0);
    if (is_watched() && total == 1 && PyLong_Check(args[0])) {
        tell(calls.exit_name, args[0], is_only_thread() ? Py_True : Py_False);
    }
    return ((keyword_function)(void (*)(void))calls.exit)(module, args, n, names);
}

static PyObject *tell_if_killed(PyObject *result)
{
    if (result != NULL && PyTuple_Check(result) && PyTuple_GET_SIZE(result) == 2) {
        const long status = PyLong_AsLong(PyTuple_GET_ITEM(result, 1));
        if (status == -1 && PyErr_Occurred()) {
            PyErr_Clear();
        } else if (WIFSIGNALED((int)status)) {
            PyObject *number = PyLong_FromLong(WTERMSIG((int)status));
            if (number != NULL) {
                tell(calls.killed_name, PyTuple_GET_ITEM(result, 0), number);
                Py_DECREF(number);
            }
            PyErr_Clear();
        }
    }
    return result;
}

static PyObject *on_waitpid(PyObject *module, PyObject *const *args, Py_ssize_t n)
{
    return tell_if_killed(((fast_function)(void (*)(void))calls.waitpid)(module, args, n));
}

static PyObject *on_wait(PyObject *module, PyObject *ignored)
{
    return tell_if_killed(calls.wait(module, ignored));
}

/* --- which programs are Python --- */

static bool is_python_name(const char *name, size_t length)
{
    return (length >= 6 && memcmp(name, "python", 6) == 0) ||
           (length >= 4 && memcmp(name, "pypy", 4) == 0);
}

/* Is a word of a script's first line, `#!/usr/bin/env python3`, the path of a Python? */
static bool is_python_script(const char *path)
{
    char line[FIRST_LINE + 1];
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    const ssize_t length = fd >= 0 ? read(fd, line, FIRST_LINE) : -1;
    if (fd >= 0) {
        close(fd);
    }
    if (length < 2 || line[0] != '#' || line[1] != '!') {
        return false;
    }
    line[length] = '\0';
    line[strcspn(line, "\n")] = '\0';
    const char *word = line + 2;
    while (*(word += strspn(word, " \t")) != '\0') {
        const size_t width = strcspn(word, " \t");
        const char *slash = memrchr(word, '/', width);
        const char *name = slash != NULL ? slash + 1 : word;
        if (is_python_name(name, width - (size_t)(name - word))) {
            return true;
        }
        word += width;
    }
    return false;
}

static bool is_python(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash != NULL ? slash + 1 : path;
    return is_python_name(name, strlen(name)) || is_python_script(path);
}

/* The path in an argument that is bytes or str; NULL: it is something else. Borrowed from the argument. */
static const char *path_of(PyObject *argument)
{
    if (PyBytes_Check(argument)) {
        return PyBytes_AS_STRING(argument);
    }
    const char *path = PyUnicode_Check(argument) ? PyUnicode_AsUTF8(argument) : NULL;
    PyErr_Clear(); /* surrogates */
    return path;
}

static bool names_python(PyObject *argument)
{
    const char *path = path_of(argument);
    return path != NULL && is_python(path);
}

/* Of the paths that are tried one after another, the first that can be executed. */
static bool list_names_python(PyObject *paths)
{
    if (!PyTuple_Check(paths) && !PyList_Check(paths)) {
        return false;
    }
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(paths); i++) {
        const char *path = path_of(PySequence_Fast_GET_ITEM(paths, i));
        if (path != NULL && access(path, X_OK) == 0) {
            return is_python(path);
        }
    }
    return false;
}

/* --- what starts processes --- */

/* In the parent the result is the child's number, or a tuple that begins with it. */
static bool is_parent(PyObject *result)
{
    if (result == NULL) {
        return false;
    }
    PyObject *number = PyTuple_Check(result) && PyTuple_GET_SIZE(result) > 0
                           ? PyTuple_GET_ITEM(result, 0)
                           : result;
    const long pid = PyLong_AsLong(number);
    PyErr_Clear();
    return pid > 0;
}

static PyObject *count_fork(PyObject *result)
{
    if (is_parent(result)) {
        atomic_fetch_add(&calls.started->forks, 1);
    }
    return result;
}

static PyObject *count_program(PyObject *result, bool python, PyObject *arguments)
{
    if (python && is_parent(result)) {
        atomic_fetch_add(&calls.started->programs, 1);
        tell(calls.started_name, result, arguments);
    }
    return result;
}

static PyObject *on_fork(PyObject *module, PyObject *ignored)
{
    return count_fork(calls.fork(module, ignored));
}

static PyObject *on_forkpty(PyObject *module, PyObject *ignored)
{
    return count_fork(calls.forkpty(module, ignored));
}

static PyObject *on_spawn(PyObject *module, PyObject *const *args, Py_ssize_t n, PyObject *names)
{
    const bool python = n > 0 && names_python(args[0]);
    keyword_function original = (keyword_function)(void (*)(void))calls.spawn;
    return count_program(original(module, args, n, names), python, n > 1 ? args[1] : Py_None);
}

static PyObject *on_spawnp(PyObject *module, PyObject *const *args, Py_ssize_t n, PyObject *names)
{
    const bool python = n > 0 && names_python(args[0]);
    keyword_function original = (keyword_function)(void (*)(void))calls.spawnp;
    return count_program(original(module, args, n, names), python, n > 1 ? args[1] : Py_None);
}

/* The first arguments of fork_exec are the program's arguments and the tuple of paths. */
#if !PYCTM_FORK_EXEC_IS_FAST
static PyObject *on_fork_exec(PyObject *module, PyObject *args)
{
    const bool python = PyTuple_GET_SIZE(args) > 1 && list_names_python(PyTuple_GET_ITEM(args, 1));
    return count_program(calls.fork_exec(module, args), python,
                         python ? PyTuple_GET_ITEM(args, 0) : Py_None);
}
#define FORK_EXEC_FLAGS METH_VARARGS
#else
static PyObject *on_fork_exec(PyObject *module, PyObject *const *args, Py_ssize_t n)
{
    const bool python = n > 1 && list_names_python(args[1]);
    fast_function original = (fast_function)(void (*)(void))calls.fork_exec;
    return count_program(original(module, args, n), python, n > 0 ? args[0] : Py_None);
}
#define FORK_EXEC_FLAGS METH_FASTCALL
#endif

/* exec returns only if it failed, so what it starts is counted before. */
static void before_exec(PyObject *path, bool python)
{
    if (python) {
        atomic_fetch_add(&calls.started->programs, 1);
    }
    tell(calls.exec_name, path, python ? Py_True : Py_False);
}

static PyObject *after_exec(PyObject *result, bool python)
{
    if (python) {
        atomic_fetch_sub(&calls.started->programs, 1);
    }
    tell(calls.exec_name, Py_None, NULL);
    return result;
}

static PyObject *on_execv(PyObject *module, PyObject *const *args, Py_ssize_t n)
{
    fast_function original = (fast_function)(void (*)(void))calls.execv;
    if (n != 2) {
        return original(module, args, n);
    }
    const bool python = names_python(args[0]);
    before_exec(args[0], python);
    return after_exec(original(module, args, n), python);
}

static PyObject *on_execve(PyObject *module, PyObject *const *args, Py_ssize_t n, PyObject *names)
{
    keyword_function original = (keyword_function)(void (*)(void))calls.execve;
    if (n < 1) {
        return original(module, args, n, names);
    }
    const bool python = names_python(args[0]);
    before_exec(args[0], python);
    return after_exec(original(module, args, n, names), python);
}

/* --- exchange --- */

#define POINTER(function) ((PyCFunction)(void (*)(void))(function))

/* A function that another tool has replaced by a Python function, or that has other flags in this version, is left. */
static void exchange(PyObject *module, const char *name, int flags, PyCFunction ours,
                     PyCFunction *original)
{
    PyObject *function = PyObject_GetAttrString(module, name);
    PyErr_Clear();
    if (function != NULL && PyCFunction_CheckExact(function)) {
        PyMethodDef *definition = ((PyCFunctionObject *)function)->m_ml;
        if (definition->ml_flags == flags) {
            *original = definition->ml_meth;
            definition->ml_meth = ours;
        }
    }
    Py_XDECREF(function);
}

static void exchange_in_posix(PyObject *posix)
{
    const int fast = METH_FASTCALL, keywords = METH_FASTCALL | METH_KEYWORDS;
    exchange(posix, "fork", METH_NOARGS, on_fork, &calls.fork);
    exchange(posix, "forkpty", METH_NOARGS, on_forkpty, &calls.forkpty);
    exchange(posix, "posix_spawn", keywords, POINTER(on_spawn), &calls.spawn);
    exchange(posix, "posix_spawnp", keywords, POINTER(on_spawnp), &calls.spawnp);
    exchange(posix, "execv", fast, POINTER(on_execv), &calls.execv);
    exchange(posix, "execve", keywords, POINTER(on_execve), &calls.execve);
    exchange(posix, "waitpid", fast, POINTER(on_waitpid), &calls.waitpid);
    exchange(posix, "wait", METH_NOARGS, on_wait, &calls.wait);
    exchange(posix, "_exit", keywords, POINTER(on_os_exit), &calls.exit);
}

static long exchanged(void)
{
    const PyCFunction originals[] = {calls.exit,    calls.execv,    calls.execve, calls.fork,
                                     calls.forkpty, calls.spawn,    calls.spawnp, calls.waitpid,
                                     calls.wait,    calls.fork_exec};
    long count = 0;
    for (size_t i = 0; i < sizeof originals / sizeof *originals; i++) {
        count += originals[i] != NULL;
    }
    return count;
}

static bool make_names(void)
{
    calls.exit_name = PyUnicode_InternFromString("exit");
    calls.exec_name = PyUnicode_InternFromString("exec");
    calls.killed_name = PyUnicode_InternFromString("killed");
    calls.started_name = PyUnicode_InternFromString("started");
    return calls.exit_name != NULL && calls.exec_name != NULL && calls.killed_name != NULL &&
           calls.started_name != NULL;
}

const char pyctm_watch_processes_doc[] =
    "_watch_processes($module, posix, posixsubprocess, watcher, /)\n--\n\n"
    "From now on, and for ever, count the processes that this one and its forks start;\n"
    "and call watcher, if it is not None: watcher('exit', status, is_only_thread),\n"
    "watcher('exec', path or None, is_python), watcher('killed', pid, signal),\n"
    "watcher('started', pid, arguments). To be called once.\n"
    "Returns how many of the functions are watched.";

PyObject *pyctm_module_watch_processes(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *posix, *posixsubprocess, *watcher;
    if (!PyArg_ParseTuple(args, "OOO:_watch_processes", &posix, &posixsubprocess, &watcher)) {
        return NULL;
    }
    if (calls.started != NULL) {
        PyErr_SetString(PyExc_RuntimeError, "processes are being watched already");
        return NULL;
    }
    void *page = mmap(NULL, sizeof(struct started), PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED || !make_names()) {
        return PyErr_NoMemory(); // NOLINT(clang-analyzer-unix.Malloc): nothing was allocated, or it is for ever
    }
    calls.started = page;
    calls.watcher = watcher != Py_None ? Py_NewRef(watcher) : NULL;
    exchange_in_posix(posix);
    exchange(posixsubprocess, "fork_exec", FORK_EXEC_FLAGS, POINTER(on_fork_exec),
             &calls.fork_exec);
    return PyLong_FromLong(exchanged());
}

const char pyctm_started_processes_doc[] =
    "_started_processes($module, /)\n--\n\n"
    "(forks, programs that are Python) started by this process and its forks since\n"
    "_watch_processes(); forks of its forks included.";

PyObject *pyctm_module_started_processes(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    if (calls.started == NULL) {
        return Py_BuildValue("(ii)", 0, 0);
    }
    return Py_BuildValue("(KK)", (unsigned long long)atomic_load(&calls.started->forks),
                         (unsigned long long)atomic_load(&calls.started->programs));
}
#endif
