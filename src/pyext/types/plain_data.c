/* plain_data.c: encoder and decoder of plain values; the encoding is described in plain_data.h. */
#include "types/plain_data.h"
#include "types/idioms.h"

#include <stdlib.h>
#include <string.h>

enum tag {
    TAG_NONE,
    TAG_TRUE,
    TAG_FALSE,
    TAG_INT,
    TAG_FLOAT,
    TAG_COMPLEX,
    TAG_STR,
    TAG_BYTES,
    TAG_BYTEARRAY,
    TAG_TUPLE,
    TAG_LIST,
    TAG_DICT,
    TAG_SET,
    TAG_FROZENSET,
};

/* --- encoder --- */

/* The containers around the present value, innermost first; they are on the C stack. */
typedef struct nest {
    PyObject *container; /* borrowed */
    const struct nest *outer;
    int depth;
} nest;

static int append(pyctm_plain *out, const void *bytes, size_t length)
{
    if (length > out->room - out->length) {
        size_t room = out->room * 2 + length + 64;
        unsigned char *grown = realloc(out->bytes, room);
        if (grown == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        out->bytes = grown;
        out->room = room;
    }
    if (length > 0) {
        memcpy(out->bytes + out->length, bytes, length);
    }
    out->length += length;
    return 0;
}

static int append_head(pyctm_plain *out, enum tag tag, uint64_t count)
{
    unsigned char head[11] = {(unsigned char)tag};
    size_t used = 1;
    for (; count >= 0x80; count >>= 7) {
        head[used++] = (unsigned char)(count | 0x80);
    }
    head[used++] = (unsigned char)count;
    return append(out, head, used);
}

static int append_tag(pyctm_plain *out, enum tag tag)
{
    unsigned char byte = (unsigned char)tag;
    return append(out, &byte, 1);
}

static int append_blob(pyctm_plain *out, enum tag tag, const char *bytes, Py_ssize_t length)
{
    if (append_head(out, tag, (uint64_t)length) < 0) {
        return -1;
    }
    return append(out, bytes, (size_t)length);
}

/* Appends a bytes object. Steals `bytes`; NULL is a failure that is passed on. */
static int append_bytes_object(pyctm_plain *out, enum tag tag, PyObject *bytes)
{
    if (bytes == NULL) {
        return -1;
    }
    int result = append_blob(out, tag, PyBytes_AS_STRING(bytes), PyBytes_GET_SIZE(bytes));
    Py_DECREF(bytes);
    return result;
}

static int append_double(pyctm_plain *out, double value)
{
    unsigned char bytes[8];
    uint64_t bits;
    memcpy(&bits, &value, 8);
    for (int i = 0; i < 8; i++) {
        bytes[i] = (unsigned char)(bits >> (8 * i));
    }
    return append(out, bytes, 8);
}

/* value.to_bytes(enough, "little", signed=True), or NULL */
static PyObject *int_to_bytes(PyObject *value)
{
    PyObject *result = NULL, *method = NULL, *args = NULL, *kwargs = NULL;
    PyObject *bits = pyctm_call_named(value, "bit_length", NULL);
    Py_ssize_t n = bits != NULL ? PyLong_AsSsize_t(bits) : -1;
    if (n >= 0) {
        method = pyctm_get_named(value, "to_bytes");
    }
    if (method != NULL) {
        args = Py_BuildValue("(ns)", n / 8 + 1, "little");
    }
    if (args != NULL) {
        kwargs = Py_BuildValue("{sO}", "signed", Py_True);
    }
    if (kwargs != NULL) {
        result = PyObject_Call(method, args, kwargs);
    }
    Py_XDECREF(bits);
    Py_XDECREF(method);
    Py_XDECREF(args);
    Py_XDECREF(kwargs);
    return result;
}

static int encode_value(pyctm_plain *out, PyObject *value, const nest *outer);

static int enter(nest *here, PyObject *container, const nest *outer)
{
    *here = (nest){container, outer, outer != NULL ? outer->depth + 1 : 1};
    if (here->depth > PYCTM_PLAIN_DEPTH) {
        PyErr_Format(PyExc_ValueError, "it is nested more than %d deep", PYCTM_PLAIN_DEPTH);
        return -1;
    }
    for (; outer != NULL; outer = outer->outer) {
        if (outer->container != container) {
            continue;
        }
        PyErr_Format(PyExc_ValueError, "a %.200s contains itself", Py_TYPE(container)->tp_name);
        return -1;
    }
    return 0;
}

static int encode_sequence(pyctm_plain *out, enum tag tag, PyObject *value, const nest *outer)
{
    nest here;
    if (enter(&here, value, outer) < 0) {
        return -1;
    }
    Py_ssize_t n = PySequence_Fast_GET_SIZE(value);
    if (append_head(out, tag, (uint64_t)n) < 0) {
        return -1;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        if (encode_value(out, PySequence_Fast_GET_ITEM(value, i), &here) < 0) {
            return -1;
        }
    }
    return 0;
}

static int encode_dict(pyctm_plain *out, PyObject *value, const nest *outer)
{
    nest here;
    PyObject *key, *item;
    Py_ssize_t position = 0;
    if (enter(&here, value, outer) < 0) {
        return -1;
    }
    if (append_head(out, TAG_DICT, (uint64_t)PyDict_GET_SIZE(value)) < 0) {
        return -1;
    }
    while (PyDict_Next(value, &position, &key, &item)) {
        if (encode_value(out, key, &here) < 0 || encode_value(out, item, &here) < 0) {
            return -1;
        }
    }
    return 0;
}

static int encode_set(pyctm_plain *out, enum tag tag, PyObject *value, const nest *outer)
{
    nest here;
    if (enter(&here, value, outer) < 0) {
        return -1;
    }
    PyObject *items = PySequence_List(value);
    if (items == NULL) {
        return -1;
    }
    Py_ssize_t n = PyList_GET_SIZE(items);
    int result = append_head(out, tag, (uint64_t)n);
    for (Py_ssize_t i = 0; result == 0 && i < n; i++) {
        result = encode_value(out, PyList_GET_ITEM(items, i), &here);
    }
    Py_DECREF(items);
    return result;
}

static int encode_container(pyctm_plain *out, PyObject *value, const nest *outer)
{
    if (PyTuple_CheckExact(value)) {
        return encode_sequence(out, TAG_TUPLE, value, outer);
    }
    if (PyList_CheckExact(value)) {
        return encode_sequence(out, TAG_LIST, value, outer);
    }
    if (PyDict_CheckExact(value)) {
        return encode_dict(out, value, outer);
    }
    if (Py_IS_TYPE(value, &PySet_Type)) {
        return encode_set(out, TAG_SET, value, outer);
    }
    if (PyFrozenSet_CheckExact(value)) {
        return encode_set(out, TAG_FROZENSET, value, outer);
    }
    PyErr_Format(PyExc_TypeError, "objects of type '%.200s' are not plain data",
                 Py_TYPE(value)->tp_name);
    return -1;
}

static int encode_number(pyctm_plain *out, PyObject *value)
{
    if (PyLong_CheckExact(value)) {
        return append_bytes_object(out, TAG_INT, int_to_bytes(value));
    }
    if (PyFloat_CheckExact(value)) {
        if (append_tag(out, TAG_FLOAT) < 0) {
            return -1;
        }
        return append_double(out, PyFloat_AS_DOUBLE(value));
    }
    if (append_tag(out, TAG_COMPLEX) < 0) {
        return -1;
    }
    if (append_double(out, PyComplex_RealAsDouble(value)) < 0) {
        return -1;
    }
    return append_double(out, PyComplex_ImagAsDouble(value));
}

static int encode_value(pyctm_plain *out, PyObject *value, const nest *outer)
{
    if (value == Py_None) {
        return append_tag(out, TAG_NONE);
    }
    if (value == Py_True) {
        return append_tag(out, TAG_TRUE);
    }
    if (value == Py_False) {
        return append_tag(out, TAG_FALSE);
    }
    if (PyLong_CheckExact(value) || PyFloat_CheckExact(value) || PyComplex_CheckExact(value)) {
        return encode_number(out, value);
    }
    if (PyUnicode_CheckExact(value)) {
        return append_bytes_object(out, TAG_STR,
                                   PyUnicode_AsEncodedString(value, "utf-8", "surrogatepass"));
    }
    if (PyBytes_CheckExact(value)) {
        return append_blob(out, TAG_BYTES, PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value));
    }
    if (PyByteArray_CheckExact(value)) {
        return append_blob(out, TAG_BYTEARRAY, PyByteArray_AS_STRING(value),
                           PyByteArray_GET_SIZE(value));
    }
    return encode_container(out, value, outer);
}

int pyctm_plain_dict_begin(pyctm_plain *out, size_t count)
{
    return append_head(out, TAG_DICT, count);
}

int pyctm_plain_encode(pyctm_plain *out, PyObject *value)
{
    return encode_value(out, value, NULL);
}

void pyctm_plain_free(pyctm_plain *out)
{
    free(out->bytes);
    *out = (pyctm_plain){NULL, 0, 0};
}

/* --- decoder --- */

typedef struct reader {
    const unsigned char *bytes; /* borrowed */
    size_t length, at;
    ctm_file_error *error;
} reader;

/* Returns NULL. Stores the fault if there is none yet and no exception. */
static void *fault(reader *in, const char *reason)
{
    if (in->error->reason == NULL) {
        in->error->offset = in->at;
        in->error->reason = reason;
    }
    return NULL;
}

/* Reads the next `n` bytes; NULL: there are fewer. */
static const unsigned char *take(reader *in, uint64_t n)
{
    if (n > in->length - in->at) {
        return fault(in, "attributes: the data ends too early");
    }
    const unsigned char *bytes = in->bytes + in->at;
    in->at += (size_t)n;
    return bytes;
}

/* Reads a length or count; each counted item has at least `least` bytes. */
static int read_count(reader *in, uint64_t least, uint64_t *out)
{
    uint64_t value = 0;
    for (int shift = 0;; shift += 7) {
        const unsigned char *byte = take(in, 1);
        if (byte == NULL) {
            return -1;
        }
        if (shift == 63 && *byte > 1) {
            break;
        }
        value |= (uint64_t)(*byte & 0x7f) << shift;
        if (*byte & 0x80) {
            continue;
        }
        if (value > (in->length - in->at) / least) {
            break;
        }
        *out = value;
        return 0;
    }
    fault(in, "attributes: a length is too large");
    return -1;
}

static const unsigned char *read_blob(reader *in, uint64_t *length)
{
    return read_count(in, 1, length) < 0 ? NULL : take(in, *length);
}

/* int.from_bytes(bytes, "little", signed=True) */
static PyObject *int_from_bytes(const unsigned char *bytes, Py_ssize_t length)
{
    PyObject *result = NULL, *args = NULL, *kwargs = NULL;
    PyObject *method = pyctm_get_named((PyObject *)&PyLong_Type, "from_bytes");
    if (method != NULL) {
        args = Py_BuildValue("(y#s)", (const char *)bytes, length, "little");
    }
    if (args != NULL) {
        kwargs = Py_BuildValue("{sO}", "signed", Py_True);
    }
    if (kwargs != NULL) {
        result = PyObject_Call(method, args, kwargs);
    }
    Py_XDECREF(method);
    Py_XDECREF(args);
    Py_XDECREF(kwargs);
    return result;
}

static PyObject *decode_text(reader *in, const unsigned char *bytes, Py_ssize_t length)
{
    PyObject *text = PyUnicode_DecodeUTF8((const char *)bytes, length, "surrogatepass");
    if (text != NULL || !PyErr_ExceptionMatches(PyExc_UnicodeDecodeError)) {
        return text;
    }
    PyErr_Clear();
    return fault(in, "attributes: a string is not UTF-8");
}

static PyObject *decode_blob(reader *in, enum tag tag)
{
    uint64_t length;
    const unsigned char *bytes = read_blob(in, &length);
    if (bytes == NULL) {
        return NULL;
    }
    Py_ssize_t size = (Py_ssize_t)length;
    if (tag == TAG_INT) {
        return int_from_bytes(bytes, size);
    }
    if (tag == TAG_STR) {
        return decode_text(in, bytes, size);
    }
    if (tag == TAG_BYTES) {
        return PyBytes_FromStringAndSize((const char *)bytes, size);
    }
    return PyByteArray_FromStringAndSize((const char *)bytes, size);
}

static int read_double(reader *in, double *out)
{
    const unsigned char *bytes = take(in, 8);
    uint64_t bits = 0;
    if (bytes == NULL) {
        return -1;
    }
    for (int i = 0; i < 8; i++) {
        bits |= (uint64_t)bytes[i] << (8 * i);
    }
    memcpy(out, &bits, 8);
    return 0;
}

static PyObject *decode_float(reader *in, enum tag tag)
{
    double real, imaginary;
    if (read_double(in, &real) < 0) {
        return NULL;
    }
    if (tag == TAG_FLOAT) {
        return PyFloat_FromDouble(real);
    }
    if (read_double(in, &imaginary) < 0) {
        return NULL;
    }
    return PyComplex_FromDoubles(real, imaginary);
}

static PyObject *decode_value(reader *in, int depth);

/* Decodes a list of `count` values. */
static PyObject *decode_items(reader *in, int depth)
{
    uint64_t count;
    if (read_count(in, 1, &count) < 0) {
        return NULL;
    }
    PyObject *list = PyList_New(0);
    for (; list != NULL && count > 0; count--) {
        PyObject *item = decode_value(in, depth);
        if (item == NULL || PyList_Append(list, item) < 0) {
            Py_CLEAR(list);
        }
        Py_XDECREF(item);
    }
    return list;
}

static int decode_pair(reader *in, int depth, PyObject *dict)
{
    PyObject *key = decode_value(in, depth);
    PyObject *value = key != NULL ? decode_value(in, depth) : NULL;
    int result = value != NULL ? PyDict_SetItem(dict, key, value) : -1;
    Py_XDECREF(key);
    Py_XDECREF(value);
    return result;
}

static PyObject *decode_dict(reader *in, int depth)
{
    uint64_t count;
    if (read_count(in, 2, &count) < 0) {
        return NULL;
    }
    PyObject *dict = PyDict_New();
    for (; dict != NULL && count > 0; count--) {
        if (decode_pair(in, depth, dict) < 0) {
            Py_CLEAR(dict);
        }
    }
    return dict;
}

static PyObject *decode_container(reader *in, enum tag tag, int depth)
{
    if (depth > PYCTM_PLAIN_DEPTH) {
        return fault(in, "attributes: values are nested too deep");
    }
    PyObject *result = NULL, *items;
    if (tag == TAG_DICT) {
        result = decode_dict(in, depth);
    } else {
        items = decode_items(in, depth);
        if (items == NULL || tag == TAG_LIST) {
            return items;
        }
        result = tag == TAG_TUPLE ? PyList_AsTuple(items)
                 : tag == TAG_SET ? PySet_New(items)
                                  : PyFrozenSet_New(items);
        Py_DECREF(items);
    }
    /* All values are plain, so the cause can only be an unhashable key, such as a list. */
    if (result == NULL && PyErr_ExceptionMatches(PyExc_TypeError)) {
        PyErr_Clear();
        return fault(in, "attributes: a key cannot be hashed");
    }
    return result;
}

static PyObject *decode_value(reader *in, int depth)
{
    const unsigned char *tag = take(in, 1);
    if (tag == NULL) {
        return NULL;
    }
    switch (*tag) {
    case TAG_NONE: return Py_NewRef(Py_None);
    case TAG_TRUE: return Py_NewRef(Py_True);
    case TAG_FALSE: return Py_NewRef(Py_False);
    case TAG_FLOAT:
    case TAG_COMPLEX: return decode_float(in, (enum tag) * tag);
    case TAG_INT:
    case TAG_STR:
    case TAG_BYTES:
    case TAG_BYTEARRAY: return decode_blob(in, (enum tag) * tag);
    case TAG_TUPLE:
    case TAG_LIST:
    case TAG_DICT:
    case TAG_SET:
    case TAG_FROZENSET: return decode_container(in, (enum tag) * tag, depth + 1);
    default: in->at--; return fault(in, "attributes: unknown kind of value");
    }
}

PyObject *pyctm_plain_decode(const void *bytes, size_t length, ctm_file_error *error)
{
    *error = (ctm_file_error){0, NULL};
    reader in = {bytes, length, 0, error};
    PyObject *value = decode_value(&in, 0);
    if (value != NULL && in.at != length) {
        fault(&in, "attributes: data after the end");
        Py_CLEAR(value);
    }
    return value;
}
