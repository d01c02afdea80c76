/* snapshot_file.c: Snapshot.dump and Snapshot.load.
 *
 * Model: the core writes and reads the file. The other values of the instance dict are in its section of attributes, as
 * plain data (plain_data.h): a dict of names and values. The limit is one of them only if it differs from the
 * snapshot's own nframe. Everything is encoded before the file is opened. Files of stdlib's format are read by the
 * core, which returns their attributes in the same encoding, and written by ctracemalloc.formats.stdlib_pickle. zstd is
 * done by ctracemalloc.formats.compression: bytes in, bytes out. */
#include "types/args.h"
#include "types/convert.h"
#include "types/errors.h"
#include "types/idioms.h"
#include "types/input.h"
#include "types/instances.h"
#include "types/plain_data.h" /* Python.h before the system's headers */
#include "types/snapshot_object.h"
#include "types/traces.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>

/* --- attributes: instance dict <-> bytes --- */

/* Adds the attribute's name in front of the message of the exception that is set. */
static int name_attribute(PyObject *name)
{
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    if (type != PyExc_TypeError && type != PyExc_ValueError) {
        PyErr_Restore(type, value, traceback);
        return -1;
    }
    PyErr_Format(PyExc_TypeError, "cannot dump attribute %R: %S", name, value);
    Py_XDECREF(type);
    Py_XDECREF(value);
    Py_XDECREF(traceback);
    return -1;
}

/* Whether the limit equals the snapshot's nframe. */
static bool limit_is_nframe(PyObject *limit, uint32_t nframe)
{
    if (nframe == 0 || !PyLong_CheckExact(limit)) {
        return false;
    }
    int overflow = 0;
    long long value = PyLong_AsLongLongAndOverflow(limit, &overflow);
    return !overflow && value == (long long)nframe;
}

static int encode_attribute(pyctm_plain *out, PyObject *name, PyObject *value)
{
    if (!PyUnicode_CheckExact(name)) {
        PyErr_Format(PyExc_TypeError, "cannot dump attribute %R: its name is not a str", name);
        return -1;
    }
    if (pyctm_plain_encode(out, name) < 0 || pyctm_plain_encode(out, value) < 0) {
        return name_attribute(name);
    }
    return 0;
}

/* `dict` without `traces`, and without the limit if it equals nframe. */
static PyObject *extra_attributes(pyctm_state *state, PyObject *dict, uint32_t nframe)
{
    PyObject *extra = PyDict_Copy(dict);
    if (extra == NULL) {
        return NULL;
    }
    PyObject *limit = PyDict_GetItemWithError(extra, state->text.traceback_limit);
    int result = limit == NULL && PyErr_Occurred() ? -1 : 0;
    if (limit != NULL && limit_is_nframe(limit, nframe)) {
        result = PyDict_DelItem(extra, state->text.traceback_limit);
    }
    if (result == 0 && PyDict_GetItemWithError(extra, state->text.traces) != NULL) {
        result = PyDict_DelItem(extra, state->text.traces);
    }
    if (result < 0 || PyErr_Occurred()) {
        Py_CLEAR(extra);
    }
    return extra;
}

/* Encodes the attributes; no bytes if there are none. */
static int encode_attributes(pyctm_state *state, PyObject *self, uint32_t nframe, pyctm_plain *out)
{
    PyObject *name, *value, *extra = NULL, *dict = PyObject_GenericGetDict(self, NULL);
    Py_ssize_t position = 0;
    if (dict != NULL) {
        extra = extra_attributes(state, dict, nframe);
    }
    int result = extra != NULL ? 0 : -1;
    if (result == 0 && PyDict_GET_SIZE(extra) > 0) {
        result = pyctm_plain_dict_begin(out, (size_t)PyDict_GET_SIZE(extra));
    }
    while (result == 0 && PyDict_Next(extra, &position, &name, &value)) {
        result = encode_attribute(out, name, value);
    }
    Py_XDECREF(extra);
    Py_XDECREF(dict);
    return result;
}

/* --- dump --- */

/* The file cannot contain attributes that were set on the traces themselves: raises an exception if there are any. */
static int check_traces(pyctm_state *state, PyObject *traces)
{
    if (!Py_IS_TYPE(traces, state->traces_type)) {
        PyErr_Format(PyExc_TypeError,
                     "cannot dump attribute 'traces': objects of type '%.200s' "
                     "are not plain data",
                     Py_TYPE(traces)->tp_name);
        return -1;
    }
    PyObject *name, *value, *dict = ((pyctm_dict_object *)traces)->dict;
    Py_ssize_t position = 0;
    while (dict != NULL && PyDict_Next(dict, &position, &name, &value)) {
        if (PyUnicode_Check(name) && (PyUnicode_Compare(name, state->text.handle) == 0 ||
                                      PyUnicode_Compare(name, state->text.private_traces) == 0)) {
            continue;
        }
        PyErr_Format(PyExc_TypeError, "cannot dump attribute %R of the traces", name);
        return -1;
    }
    return 0;
}

/* The snapshot's tables, if they can be dumped. The caller owns *out. */
static int tables_of(pyctm_state *state, PyObject *self, ctm_snapshot **out)
{
    PyObject *traces = PyObject_GetAttr(self, state->text.traces);
    if (traces == NULL) {
        return -1;
    }
    int result = check_traces(state, traces);
    Py_DECREF(traces);
    return result == 0 ? pyctm_snapshot_tables(state, self, out) : -1;
}

/* Finds the real name of the file to write, if the core can replace it: a regular file or one that does not exist yet;
 * symbolic links are followed, as by open(). False: open() has to write it. `out` has PATH_MAX bytes. */
static bool replaceable(const char *path, char *out)
{
    struct stat target;
    size_t length = strlen(path);
    if (stat(path, &target) == 0) {
        return S_ISREG(target.st_mode) && realpath(path, out) != NULL;
    }
    if (errno != ENOENT || lstat(path, &target) == 0 || length >= PATH_MAX) {
        return false;
    }
    memcpy(out, path, length + 1);
    return true;
}

static bool is_pipe(const char *path)
{
    struct stat target;
    return stat(path, &target) == 0 && S_ISFIFO(target.st_mode);
}

/* The package's name(a, b); b may be NULL */
static PyObject *call_package(pyctm_state *state, const char *name, PyObject *a, PyObject *b)
{
    PyObject *function = pyctm_package_function(state, name);
    PyObject *result = NULL;
    if (function != NULL) {
        result = PyObject_CallFunctionObjArgs(function, a, b, NULL);
    }
    Py_XDECREF(function);
    return result;
}

/* What a dump writes: the tables with the attributes, compressed or not. */
typedef struct content {
    ctm_snapshot *snapshot; /* owned */
    pyctm_plain extra;      /* owned */
    bool zstd;
} content;

/* compress(bytes) or decompress(bytes, filename): bytes. Steals `bytes`; NULL is a failure that is passed on. */
static PyObject *through_zstd(pyctm_state *state, const char *name, PyObject *bytes,
                              PyObject *filename)
{
    if (bytes == NULL) {
        return NULL;
    }
    PyObject *result = call_package(state, name, bytes, filename);
    Py_DECREF(bytes);
    if (result != NULL && !PyBytes_CheckExact(result)) {
        PyErr_Format(PyExc_TypeError, "%s() should return bytes", name);
        Py_CLEAR(result);
    }
    return result;
}

static PyObject *encode_all(pyctm_state *state, const content *what)
{
    void *bytes = NULL;
    size_t length = 0;
    ctm_status status;
    Py_BEGIN_ALLOW_THREADS
        status = ctm_snapshot_encode(what->snapshot, what->extra.bytes, what->extra.length, &bytes,
                                     &length);
    Py_END_ALLOW_THREADS
    if (status != CTM_OK) {
        return pyctm_status_raise(state, status, NULL, NULL);
    }
    PyObject *result = PyBytes_FromStringAndSize(bytes, (Py_ssize_t)length);
    free(bytes);
    return what->zstd ? through_zstd(state, "compress", result, NULL) : result;
}

static PyObject *write_path(pyctm_state *state, const content *what, const char *path,
                            PyObject *filename)
{
    ctm_status status;
    PyObject *bytes = what->zstd ? encode_all(state, what) : NULL;
    if (what->zstd && bytes == NULL) {
        return NULL;
    }
    if (PySys_Audit("open", "Osi", filename, "wb", 0) < 0) {
        Py_XDECREF(bytes);
        return NULL;
    }
    const char *from = bytes != NULL ? PyBytes_AS_STRING(bytes) : NULL;
    const size_t size = bytes != NULL ? (size_t)PyBytes_GET_SIZE(bytes) : 0;
    int error;
    Py_BEGIN_ALLOW_THREADS
        status = from != NULL ? ctm_file_replace(path, from, size)
                              : ctm_snapshot_write(what->snapshot, path, what->extra.bytes,
                                                   what->extra.length);
        error = errno;
    Py_END_ALLOW_THREADS
    Py_XDECREF(bytes);
    errno = error;
    if (status != CTM_OK) {
        return pyctm_status_raise(state, status, filename, NULL);
    }
    Py_RETURN_NONE;
}

/* file.close(), which keeps an exception that is set already. Steals `file`. */
static int close_file(PyObject *file)
{
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyObject *result = pyctm_call_named(file, "close", NULL);
    int failed = result == NULL;
    Py_XDECREF(result);
    Py_DECREF(file);
    if (type != NULL) {
        PyErr_Restore(type, value, traceback);
    }
    return failed || type != NULL ? -1 : 0;
}

/* Writes through open(): file descriptors, devices. */
static PyObject *write_file(pyctm_state *state, const content *what, PyObject *filename)
{
    PyObject *written = NULL, *file = NULL, *bytes = encode_all(state, what);
    if (bytes != NULL) {
        file = pyctm_open_file(filename, "wb");
    }
    if (file != NULL) {
        written = pyctm_call_named(file, "write", bytes);
    }
    if (file != NULL && close_file(file) < 0) {
        Py_CLEAR(written);
    }
    Py_XDECREF(bytes);
    if (written == NULL) {
        return NULL;
    }
    Py_DECREF(written);
    Py_RETURN_NONE;
}

static PyObject *write_to(pyctm_state *state, const content *what, PyObject *filename)
{
    PyObject *path = NULL, *result;
    char real[PATH_MAX];
    if (PyIndex_Check(filename)) {
        return write_file(state, what, filename); /* as open() does */
    }
    if (!PyUnicode_FSConverter(filename, &path)) {
        return NULL;
    }
    if (replaceable(PyBytes_AS_STRING(path), real)) {
        result = write_path(state, what, real, filename);
    } else if (is_pipe(PyBytes_AS_STRING(path))) {
        /* open() would wait for a reader, maybe for ever */
        result = write_path(state, what, PyBytes_AS_STRING(path), filename);
    } else {
        result = write_file(state, what, filename);
    }
    Py_DECREF(path);
    return result;
}

static PyObject *dump_ctm(pyctm_state *state, PyObject *self, PyObject *filename, bool zstd)
{
    content what = {.zstd = zstd};
    ctm_snapshot_info info;
    PyObject *result = NULL;
    if (tables_of(state, self, &what.snapshot) < 0) {
        return NULL;
    }
    ctm_snapshot_info_get(what.snapshot, &info);
    if (encode_attributes(state, self, info.nframe, &what.extra) == 0) {
        result = write_to(state, &what, filename);
    }
    pyctm_plain_free(&what.extra);
    ctm_snapshot_unref(what.snapshot);
    return result;
}

/* Whether `value` is a str equal to `text`. */
static bool is_text(PyObject *value, const char *text)
{
    return PyUnicode_Check(value) && PyUnicode_CompareWithASCIIString(value, text) == 0;
}

/* None or "zstd"; ValueError */
static int parse_compression(PyObject *value, bool *out)
{
    *out = value != NULL && is_text(value, "zstd");
    if (value == NULL || value == Py_None || *out) {
        return 0;
    }
    PyErr_Format(PyExc_ValueError, "unknown compression: %R", value);
    return -1;
}

PyObject *pyctm_snapshot_dump(PyObject *self, PyObject *const *args, Py_ssize_t nargs,
                              PyObject *kwnames)
{
    static const pyctm_params params = {
        "Snapshot.dump", {"filename", "format", "*compression"}, 3, 1, 1};
    PyObject *given[3];
    bool zstd;
    if (pyctm_bind(&params, args, nargs, kwnames, given) < 0) {
        return NULL;
    }
    if (parse_compression(given[2], &zstd) < 0) {
        return NULL;
    }
    PyObject *format = given[1] != NULL ? given[1] : Py_None;
    if (format == Py_None || is_text(format, "ctm")) {
        return dump_ctm(pyctm_state_of(self), self, given[0], zstd);
    }
    if (!is_text(format, "stdlib")) {
        PyErr_Format(PyExc_ValueError, "unknown format: %R", format);
    } else if (zstd) {
        PyErr_SetString(PyExc_ValueError, "the standard module reads no compressed files");
    } else {
        return call_package(pyctm_state_of(self), "dump_stdlib", self, given[0]);
    }
    return NULL;
}

/* --- load --- */

static int check_attributes(pyctm_state *state, PyObject *dict, ctm_file_error *error)
{
    PyObject *name, *value;
    Py_ssize_t position = 0;
    error->reason = NULL;
    error->offset = 0;
    if (!PyDict_CheckExact(dict)) {
        error->reason = "attributes: not a dict";
    }
    while (error->reason == NULL && PyDict_Next(dict, &position, &name, &value)) {
        if (!PyUnicode_CheckExact(name)) {
            error->reason = "attributes: a name is not a string";
        } else if (PyUnicode_Compare(name, state->text.traces) == 0) {
            error->reason = "attributes: 'traces' is not one";
        }
    }
    return error->reason == NULL ? 0 : -1;
}

/* {name: value}, empty if there are none. */
static PyObject *decode_attributes(pyctm_state *state, const void *bytes, size_t length,
                                   PyObject *filename)
{
    ctm_file_error error = {0, NULL};
    if (length == 0) {
        return PyDict_New();
    }
    PyObject *dict = pyctm_plain_decode(bytes, length, &error);
    if (dict != NULL && check_attributes(state, dict, &error) < 0) {
        Py_CLEAR(dict);
    }
    if (dict == NULL && error.reason != NULL) {
        pyctm_status_raise(state, CTM_ERR_FORMAT, filename, &error);
    }
    return dict;
}

/* Steals `snapshot`. The attributes are stored directly in the instance dict: no setter runs. */
static PyObject *make_snapshot(pyctm_state *state, ctm_snapshot *snapshot, PyObject *attributes)
{
    ctm_snapshot_info info;
    ctm_snapshot_info_get(snapshot, &info);
    PyObject *limit = info.nframe != 0 ? PyLong_FromUnsignedLong(info.nframe) : Py_NewRef(Py_None);
    if (limit == NULL) {
        ctm_snapshot_unref(snapshot);
        return NULL;
    }
    PyObject *self = pyctm_snapshot_object_new(state, snapshot, limit);
    Py_DECREF(limit);
    PyObject *dict = self != NULL ? PyObject_GenericGetDict(self, NULL) : NULL;
    if (dict == NULL || PyDict_Update(dict, attributes) < 0) {
        Py_CLEAR(self);
    }
    Py_XDECREF(dict);
    return self;
}

/* Makes the Snapshot that the core has read. Steals the snapshot and the libc memory. */
static PyObject *finish_load(pyctm_state *state, ctm_snapshot *snapshot, void *bytes, size_t length,
                             PyObject *filename)
{
    PyObject *self = NULL, *attributes = decode_attributes(state, bytes, length, filename);
    free(bytes);
    if (attributes == NULL) {
        ctm_snapshot_unref(snapshot);
    } else {
        self = make_snapshot(state, snapshot, attributes);
    }
    Py_XDECREF(attributes);
    return self;
}

static PyObject *load_path(pyctm_state *state, const char *path, PyObject *filename)
{
    ctm_snapshot *snapshot = NULL;
    void *bytes = NULL;
    size_t length = 0;
    ctm_file_error error = {0, NULL};
    ctm_status status;
    Py_BEGIN_ALLOW_THREADS
        status = ctm_snapshot_read(path, &snapshot, &bytes, &length, &error);
    Py_END_ALLOW_THREADS
    if (status != CTM_OK) {
        return pyctm_status_raise(state, status, filename, &error);
    }
    return finish_load(state, snapshot, bytes, length, filename);
}

static PyObject *load_plain(pyctm_state *state, PyObject *data, PyObject *filename)
{
    ctm_snapshot *snapshot = NULL;
    void *bytes = NULL;
    size_t length = 0;
    ctm_file_error error = {0, NULL};
    ctm_status status;
    const char *from = PyBytes_AS_STRING(data);
    const size_t size = (size_t)PyBytes_GET_SIZE(data);
    const bool is_ours = ctm_file_is_snapshot(from, size);
    /* Bytes objects are immutable, so they can be read without the GIL. */
    Py_BEGIN_ALLOW_THREADS
        status = is_ours
                     ? ctm_snapshot_decode(from, size, &snapshot, &bytes, &length, &error)
                     : ctm_snapshot_decode_stdlib(from, size, &snapshot, &bytes, &length, &error);
    Py_END_ALLOW_THREADS
    if (status != CTM_OK) {
        return pyctm_status_raise(state, status, filename, &error);
    }
    return finish_load(state, snapshot, bytes, length, filename);
}

static PyObject *load_bytes(pyctm_state *state, PyObject *data, PyObject *filename)
{
    static const char zstd_magic[4] = {'\x28', '\xb5', '\x2f', '\xfd'};
    if (PyBytes_GET_SIZE(data) < 4 || memcmp(PyBytes_AS_STRING(data), zstd_magic, 4) != 0) {
        return load_plain(state, data, filename);
    }
    PyObject *self = NULL, *plain = through_zstd(state, "decompress", Py_NewRef(data), filename);
    if (plain != NULL) {
        self = load_plain(state, plain, filename);
    }
    Py_XDECREF(plain);
    return self;
}

/* file.read(n) as bytes */
static PyObject *read_file(PyObject *file, Py_ssize_t n)
{
    PyObject *count = PyLong_FromSsize_t(n);
    PyObject *data = count != NULL ? pyctm_call_named(file, "read", count) : NULL;
    Py_XDECREF(count);
    if (data != NULL && !PyBytes_CheckExact(data)) {
        PyErr_SetString(PyExc_TypeError, "read() should return bytes");
        Py_CLEAR(data);
    }
    return data;
}

/* Whether it is a regular file with a name. Then the core reads it, if its format is one of the core's. */
static bool core_can_read(const char *path)
{
    struct stat target;
    return path != NULL && stat(path, &target) == 0 && S_ISREG(target.st_mode);
}

/* Whether the file may be a snapshot. The rest of any other file, which may be endless, is not read. */
static bool may_be_snapshot(const char *bytes, size_t size)
{
    static const char zstd_magic[4] = {'\x28', '\xb5', '\x2f', '\xfd'};
    return ctm_file_is_snapshot(bytes, size) || ctm_file_is_pickle(bytes, size) ||
           (size >= sizeof zstd_magic && memcmp(bytes, zstd_magic, sizeof zstd_magic) == 0);
}

static PyObject *load_rest(pyctm_state *state, PyObject *file, PyObject *head, PyObject *filename)
{
    PyObject *rest = read_file(file, -1), *data, *self = NULL;
    if (rest == NULL) {
        return NULL;
    }
    data = Py_NewRef(head);
    PyBytes_ConcatAndDel(&data, rest);
    if (data != NULL) {
        self = load_bytes(state, data, filename);
    }
    Py_XDECREF(data);
    return self;
}

static PyObject *load_open(pyctm_state *state, PyObject *file, const char *path, PyObject *filename)
{
    PyObject *self, *head = read_file(file, 64);
    if (head == NULL) {
        return NULL;
    }
    const char *bytes = PyBytes_AS_STRING(head);
    const size_t size = (size_t)PyBytes_GET_SIZE(head);
    if (core_can_read(path) && ctm_file_is_snapshot(bytes, size)) {
        self = load_path(state, path, filename);
    } else if (core_can_read(path) && ctm_file_is_black_box(bytes, size)) {
        self = pyctm_box_load(state, path, filename);
    } else if (may_be_snapshot(bytes, size)) {
        self = load_rest(state, file, head, filename);
    } else {
        self = load_plain(state, head, filename); /* raises the exception */
    }
    Py_DECREF(head);
    return self;
}

PyObject *pyctm_snapshot_load(PyObject *module, PyObject *const *args, Py_ssize_t nargs,
                              PyObject *kwnames)
{
    static const pyctm_params params = {"Snapshot.load", {"filename"}, 1, 1, 0};
    PyObject *filename, *path = NULL;
    if (pyctm_bind(&params, args, nargs, kwnames, &filename) < 0) {
        return NULL;
    }
    PyObject *file = pyctm_open_input(pyctm_state_of_module(module), filename);
    if (file == NULL) {
        return NULL;
    }
    if (!PyIndex_Check(filename) && !PyUnicode_FSConverter(filename, &path)) {
        close_file(file);
        return NULL;
    }
    PyObject *self = load_open(pyctm_state_of_module(module), file,
                               path != NULL ? PyBytes_AS_STRING(path) : NULL, filename);
    if (close_file(file) < 0) {
        Py_CLEAR(self);
    }
    Py_XDECREF(path);
    return self;
}
