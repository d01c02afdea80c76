/* group_key.c: the key by which traces are grouped, from its name. */
#include "types/group.h"

/* 1: key_type == text, 0: not, -1: error */
static int is_key(PyObject *key_type, PyObject *text)
{
    return PyObject_RichCompareBool(key_type, text, Py_EQ);
}

static int find_key(pyctm_state *state, PyObject *key_type, ctm_key *out)
{
    const struct {
        PyObject *text;
        ctm_key key;
    } keys[] = {
        {state->text.by_traceback, CTM_BY_TRACEBACK},
        {state->text.by_filename, CTM_BY_FILENAME},
        {state->text.by_lineno, CTM_BY_LINENO},
        {state->text.by_function, CTM_BY_FUNCTION},
    };
    for (int i = 0; i < 4; i++) {
        int same = is_key(key_type, keys[i].text);
        if (same < 0) {
            return -1;
        }
        *out = keys[i].key;
        if (same) {
            return 0;
        }
    }
    PyErr_Format(PyExc_ValueError, "unknown key_type: %R", key_type);
    return -1;
}

int pyctm_key_parse(pyctm_state *state, PyObject *key_type, PyObject *cumulative, ctm_key *out_key,
                    bool *out_cumulative)
{
    if (find_key(state, key_type, out_key) < 0) {
        return -1;
    }
    int truth = PyObject_IsTrue(cumulative);
    if (truth < 0) {
        return -1;
    }
    *out_cumulative = truth != 0;
    if (!truth || *out_key != CTM_BY_TRACEBACK) {
        return 0;
    }
    PyErr_Format(PyExc_ValueError, "cumulative mode cannot by used with key type %R", key_type);
    return -1;
}
