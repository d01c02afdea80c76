/* block.c: the traceback and the size of one block.
 *
 * Rows are copied inside the shard; Python objects are made after leaving it. */
#include "api/module.h"
#include "types/args.h"

#include <stdlib.h>
#include <string.h>

#if !defined(Py_GIL_DISABLED)

typedef struct text_frame {
    char *filename; /* owned */
    size_t length;  /* bytes of the file name */
    char *name;     /* owned: the function's name; empty: not known */
    size_t name_length;
    int32_t lineno;
} text_frame;

static void free_frames(text_frame *frames, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        free(frames[i].filename);
        free(frames[i].name);
    }
    free(frames);
}

static char *copy_string(const ctm_shard *shard, uint32_t id, size_t *out_length)
{
    const char *text = ctm_shard_string_row(shard, id, out_length);
    char *copy = malloc(*out_length + 1);
    if (copy != NULL) {
        memcpy(copy, text, *out_length);
    }
    return copy;
}

static bool copy_frame(const ctm_shard *shard, uint32_t id, text_frame *out)
{
    const ctm_frame *frame = ctm_shard_frame_row(shard, id);
    const ctm_function *function = ctm_shard_function_row(shard, frame->function);
    out->lineno = frame->lineno;
    out->filename = copy_string(shard, function->filename, &out->length);
    out->name = copy_string(shard, function->name, &out->name_length);
    return out->filename != NULL && out->name != NULL;
}

/* Copies a traceback inside its shard, where no Python object may be made. */
static ctm_status copy_traceback(const ctm_shard *shard, uint32_t traceback, text_frame **out,
                                 uint32_t *out_n)
{
    uint32_t n = 0;
    for (uint32_t id = traceback; id != 0; id = ctm_shard_traceback_row(shard, id)->parent) {
        n++;
    }
    text_frame *frames = calloc(n > 0 ? n : 1, sizeof(text_frame));
    if (frames == NULL) {
        return CTM_ERR_NOMEM;
    }
    uint32_t id = traceback;
    for (uint32_t i = 0; i < n; i++) {
        const ctm_traceback *row = ctm_shard_traceback_row(shard, id);
        if (!copy_frame(shard, row->frame, &frames[i])) {
            free_frames(frames, n);
            return CTM_ERR_NOMEM;
        }
        id = row->parent;
    }
    *out = frames;
    *out_n = n;
    return CTM_OK;
}

/* The block may move to another shard's tables between two lookups: repeats until it has not moved. */
static ctm_status find_traceback(pyctm_capture *capture, uint32_t domain, uintptr_t address,
                                 text_frame **out, uint32_t *out_n, uint64_t *out_size)
{
    uint32_t home = 0;
    for (;;) {
        ctm_shard *shard = ctm_shard_enter(capture->tracer, home);
        if (shard == NULL) {
            return CTM_ERR_NOT_FOUND;
        }
        ctm_block block;
        ctm_status status = ctm_shard_find(shard, domain, address, &block);
        if (status == CTM_OK && block.shard == home) {
            status = copy_traceback(shard, block.traceback, out, out_n);
            *out_size = block.size;
        }
        ctm_shard_leave(shard);
        if (status != CTM_OK || block.shard == home) {
            return status;
        }
        home = block.shard;
    }
}

static PyObject *decode(const char *text, size_t length)
{
    return PyUnicode_DecodeUTF8(text, (Py_ssize_t)length, "surrogatepass");
}

static PyObject *make_frame(const text_frame *frame)
{
    PyObject *filename = decode(frame->filename, frame->length);
    return filename != NULL ? Py_BuildValue("Ni", filename, frame->lineno) : NULL;
}

static PyObject *make_name(const text_frame *frame)
{
    return frame->name_length != 0 ? decode(frame->name, frame->name_length) : Py_NewRef(Py_None);
}

static PyObject *make_tuple(const text_frame *frames, uint32_t n,
                            PyObject *(*make)(const text_frame *))
{
    PyObject *tuple = PyTuple_New((Py_ssize_t)n);
    for (uint32_t i = 0; tuple != NULL && i < n; i++) {
        PyObject *item = make(&frames[i]);
        if (item == NULL) {
            Py_CLEAR(tuple);
        } else {
            PyTuple_SET_ITEM(tuple, (Py_ssize_t)i, item);
        }
    }
    return tuple;
}

/* Returns raw frames (and, if requested, function names) of a live block, or None for both; and its size in bytes. */
static int describe_block(pyctm_capture *capture, uint32_t domain, uintptr_t address,
                          PyObject **out_frames, PyObject **out_names, uint64_t *out_size)
{
    text_frame *frames = NULL;
    uint32_t n = 0;
    const ctm_status status = find_traceback(capture, domain, address, &frames, &n, out_size);
    if (status == CTM_ERR_NOT_FOUND || status == CTM_ERR_NOT_TRACING) {
        *out_frames = Py_NewRef(Py_None);
        return 0;
    }
    if (status != CTM_OK) {
        PyErr_NoMemory();
        return -1;
    }
    const bool own = pyctm_self_scope_begin(capture);
    *out_frames = make_tuple(frames, n, make_frame);
    if (*out_frames != NULL && out_names != NULL) {
        *out_names = make_tuple(frames, n, make_name);
        if (*out_names == NULL) {
            Py_CLEAR(*out_frames);
        }
    }
    pyctm_self_scope_end(own);
    free_frames(frames, n);
    return *out_frames != NULL ? 0 : -1;
}

PyObject *pyctm_raw_traceback_of_block(pyctm_capture *capture, uint32_t domain, uintptr_t address)
{
    PyObject *frames = NULL;
    uint64_t size = 0;
    return describe_block(capture, domain, address, &frames, NULL, &size) == 0 ? frames : NULL;
}

const char pyctm_get_object_traceback_raw_doc[] =
    "_get_object_traceback($module, obj, /)\n--\n\n"
    "Get the traceback where the Python object obj was allocated.\n\n"
    "Return a tuple of (filename: str, lineno: int) tuples.\n"
    "Return None if the module is not tracing or did not trace the object.";

static uintptr_t block_of(PyObject *op)
{
    return (uintptr_t)op - pyctm_object_header_size(Py_TYPE(op));
}

PyObject *pyctm_module_get_object_traceback_raw(PyObject *module, PyObject *op)
{
    return pyctm_raw_traceback_of_block(pyctm_capture_of(module), 0, block_of(op));
}

const char pyctm_get_object_traceback_doc[] =
    "get_object_traceback($module, /, obj)\n--\n\n"
    "Get the traceback where the Python object *obj* was allocated.\n\n"
    "Return a Traceback instance.\n\n"
    "Return None if the module is not tracing memory allocations or\n"
    "did not trace the allocation of the object.";

/* The Traceback of a live block and its size, or None. */
static PyObject *traceback_of(PyObject *module, uint32_t domain, uintptr_t address,
                              uint64_t *out_size)
{
    PyObject *frames = NULL, *known = NULL;
    if (describe_block(pyctm_capture_of(module), domain, address, &frames, &known, out_size) < 0 ||
        frames == Py_None) {
        return frames;
    }
    const bool own = pyctm_self_scope_begin(pyctm_capture_of(module));
    PyObject *traceback =
        pyctm_traceback_object_new(&pyctm_module_state_of(module)->types, frames, known, NULL);
    pyctm_self_scope_end(own);
    Py_DECREF(frames);
    Py_DECREF(known);
    return traceback;
}

PyObject *pyctm_module_get_object_traceback(PyObject *module, PyObject *args, PyObject *kwargs)
{
    static const pyctm_params params = {"get_object_traceback", {"obj"}, 1, 1, 0};
    PyObject *op;
    if (pyctm_bind_tuple(&params, args, kwargs, &op) < 0) {
        return NULL;
    }
    uint64_t size = 0;
    return traceback_of(module, 0, block_of(op), &size);
}

static PyObject *size_and_traceback(PyObject *module, uint32_t domain, uintptr_t address)
{
    uint64_t size = 0;
    PyObject *traceback = traceback_of(module, domain, address, &size);
    if (traceback == NULL || traceback == Py_None) {
        return traceback;
    }
    return Py_BuildValue("KN", (unsigned long long)size, traceback);
}

const char pyctm_get_object_block_doc[] =
    "_get_object_block($module, obj, /)\n--\n\n"
    "(size in bytes, Traceback) of the block that the Python object obj begins in.\n\n"
    "None: the module is not tracing or did not trace the block.";

PyObject *pyctm_module_get_object_block(PyObject *module, PyObject *op)
{
    return size_and_traceback(module, 0, block_of(op));
}

const char pyctm_get_block_doc[] =
    "_get_block($module, domain, address, /)\n--\n\n"
    "(size in bytes, Traceback) of the block of a domain that begins at an address.\n\n"
    "None: the module is not tracing or did not trace the block.";

PyObject *pyctm_module_get_block(PyObject *module, PyObject *args)
{
    unsigned int domain;
    unsigned long long address;
    if (!PyArg_ParseTuple(args, "IK:_get_block", &domain, &address)) {
        return NULL;
    }
    return size_and_traceback(module, domain, (uintptr_t)address);
}
#endif
