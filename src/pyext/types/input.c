/* input.c: see input.h.
 *
 * Model: a pipe is opened without waiting; then a writer has some time to open it. Whether a pipe has a writer can only
 * be found out if it has had one, so this side opens it for writing for a moment. From then on poll() distinguishes a
 * pipe without a writer (POLLHUP) from one whose writer has not written yet. */
#include "types/input.h" /* Python.h before the system's headers */
#include "types/errors.h"
#include "types/idioms.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATIENCE_MS = 2000 };

PyObject *pyctm_open_file(PyObject *filename, const char *mode)
{
    PyObject *file = NULL, *io = PyImport_ImportModule("io");
    PyObject *open = io != NULL ? pyctm_get_named(io, "open") : NULL;
    if (open != NULL) {
        file = PyObject_CallFunction(open, "Os", filename, mode);
    }
    Py_XDECREF(open);
    Py_XDECREF(io);
    return file;
}

/* Waits for a writer. False with errno: there is none. */
static bool has_writer(int fd, const char *path)
{
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    if (poll(&wait, 1, PATIENCE_MS) > 0) {
        return true; /* there is data, or its end */
    }
    int other = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (other < 0) {
        return true; /* not known: assumes a writer */
    }
    close(other);
    if (poll(&wait, 1, 0) > 0 && (wait.revents & POLLHUP) != 0 && (wait.revents & POLLIN) == 0) {
        errno = ENXIO;
        return false;
    }
    return true;
}

/* Returns a descriptor that blocks; -1 with errno. */
static int open_pipe(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) {
        return -1;
    }
    if (!has_writer(fd, path) || fcntl(fd, F_SETFL, O_RDONLY) != 0) {
        int error = errno;
        close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

static PyObject *raise_pipe(int error, PyObject *filename)
{
    errno = error;
    if (error != ENXIO) {
        return PyErr_SetFromErrnoWithFilenameObject(PyExc_OSError, filename);
    }
    PyObject *exception =
        PyObject_CallFunction(PyExc_OSError, "isO", error, "nobody writes to this pipe", filename);
    if (exception != NULL) {
        PyErr_SetObject((PyObject *)Py_TYPE(exception), exception);
    }
    Py_XDECREF(exception);
    return NULL;
}

static PyObject *open_pipe_file(const char *path, PyObject *filename)
{
    int fd;
    if (PySys_Audit("open", "Osi", filename, "rb", O_RDONLY) < 0) {
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS
        fd = open_pipe(path);
    Py_END_ALLOW_THREADS
    if (fd < 0) {
        return raise_pipe(errno, filename);
    }
    PyObject *number = PyLong_FromLong(fd);
    PyObject *file = number != NULL ? pyctm_open_file(number, "rb") : NULL;
    Py_XDECREF(number);
    if (file == NULL) {
        close(fd);
    }
    return file;
}

PyObject *pyctm_open_input(pyctm_state *state, PyObject *filename)
{
    static const ctm_file_error not_regular = {0, "not a regular file"};
    struct stat target;
    PyObject *path = NULL, *file;
    if (PyIndex_Check(filename)) {
        return pyctm_open_file(filename, "rb"); /* a descriptor: as open() does */
    }
    if (!PyUnicode_FSConverter(filename, &path)) {
        return NULL;
    }
    const char *name = PyBytes_AS_STRING(path);
    const bool known = stat(name, &target) == 0;
    if (known && S_ISFIFO(target.st_mode)) {
        file = open_pipe_file(name, filename);
    } else if (known && !S_ISREG(target.st_mode) && !S_ISDIR(target.st_mode)) {
        file = pyctm_status_raise(state, CTM_ERR_FORMAT, filename, &not_regular);
    } else {
        file = pyctm_open_file(filename, "rb");
    }
    Py_DECREF(path);
    return file;
}
