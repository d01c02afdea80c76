/* filenames.c: Snapshot._filenames, the files of all frames.
 *
 * Model: one pass over the functions, which are few beside tracebacks and blocks; a byte for each string says whether its
 * name is in the list already. Nothing of the size of the tracebacks is allocated: `run` asks at the end of a program
 * that may have no memory left. */
#include "types/convert.h"
#include "types/instances.h"
#include "types/self_scope.h"
#include "types/snapshot_object.h"

#include <stdlib.h>

static int append_string(PyObject *list, const ctm_snapshot *snapshot, uint32_t id)
{
    size_t length;
    const char *bytes = ctm_snapshot_string(snapshot, id, &length);
    PyObject *name = PyUnicode_DecodeUTF8(bytes, (Py_ssize_t)length, "surrogatepass");
    const int status = name != NULL ? PyList_Append(list, name) : -1;
    Py_XDECREF(name);
    return status;
}

static PyObject *list_of_filenames(const ctm_snapshot *snapshot)
{
    ctm_snapshot_info info;
    ctm_snapshot_info_get(snapshot, &info);
    const ctm_function *functions = ctm_snapshot_functions(snapshot);
    unsigned char *seen = calloc((size_t)info.strings + 1, 1);
    if (seen == NULL) {
        return PyErr_NoMemory();
    }
    PyObject *list = PyList_New(0);
    for (uint32_t id = 1; list != NULL && id <= info.functions; id++) {
        const uint32_t string = functions[id].filename;
        if (!seen[string] && append_string(list, snapshot, string) < 0) {
            Py_CLEAR(list);
        }
        seen[string] = 1;
    }
    free(seen);
    return list;
}

PyObject *pyctm_snapshot_filenames(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    pyctm_state *state = pyctm_state_of(self);
    ctm_snapshot *snapshot = NULL;
    if (pyctm_snapshot_tables(state, self, &snapshot) < 0) {
        return NULL;
    }
    const int before = pyctm_state_self_scope_begin(state);
    PyObject *list = list_of_filenames(snapshot);
    pyctm_state_self_scope_end(state, before);
    ctm_snapshot_unref(snapshot);
    return list;
}
