/* row_frames.c: the frames of a row of the core's statistics. */
#include "types/group.h"

/* (filename, lineno) of a string id */
static PyObject *location(pyctm_snapshot_handle *handle, uint32_t filename, long lineno)
{
    PyObject *text = pyctm_handle_string(handle, filename);
    return text != NULL ? Py_BuildValue("Nl", text, lineno) : NULL;
}

/* The one frame of a group, and the string id of its name; 0: it has none. */
static PyObject *single_frame(pyctm_snapshot_handle *handle, ctm_key key, uint32_t row,
                              uint32_t *out_name)
{
    const ctm_function *functions = ctm_snapshot_functions(handle->snapshot);
    uint32_t function = row;
    *out_name = 0;
    if (key == CTM_BY_FILENAME) {
        return location(handle, row, 0);
    }
    if (key == CTM_BY_LINENO) {
        function = ctm_snapshot_frames(handle->snapshot)[row].function;
    }
    *out_name = functions[function].name;
    return key == CTM_BY_LINENO
               ? pyctm_handle_frame(handle, row)
               : location(handle, functions[row].filename, functions[row].first_lineno);
}

/* (value,); steals `value`; NULL is a failure that is passed on. */
static PyObject *tuple_of(PyObject *value)
{
    PyObject *tuple = value != NULL ? PyTuple_Pack(1, value) : NULL;
    Py_XDECREF(value);
    return tuple;
}

int pyctm_row_frames(pyctm_snapshot_handle *handle, ctm_key key, uint32_t row,
                     PyObject **out_frames, PyObject **out_names)
{
    PyObject *frames, *names = NULL;
    if (key == CTM_BY_TRACEBACK) {
        frames = pyctm_handle_frames(handle, row);
        if (frames != NULL) {
            names = pyctm_handle_names(handle, row);
        }
    } else {
        uint32_t name;
        frames = tuple_of(single_frame(handle, key, row, &name));
        if (frames != NULL) {
            names = name != 0 ? tuple_of(pyctm_handle_string(handle, name)) : Py_NewRef(Py_None);
        }
    }
    if (names == NULL) {
        Py_CLEAR(frames);
    }
    *out_frames = frames;
    *out_names = names;
    return frames != NULL ? 0 : -1;
}
