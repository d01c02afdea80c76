/* base_filter.c: BaseFilter, whose only attribute is `inclusive`. */
#include "types/args.h"
#include "types/filters.h"
#include "types/instances.h"

static int base_filter_init(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static const pyctm_params params = {"BaseFilter.__init__", {"inclusive"}, 1, 1, 1};
    PyObject *inclusive;
    if (pyctm_bind_tuple(&params, args, kwargs, &inclusive) < 0) {
        return -1;
    }
    return PyObject_SetAttr(self, pyctm_state_of(self)->text.inclusive, inclusive);
}

static PyObject *base_filter_match(PyObject *Py_UNUSED(self), PyObject *const *args,
                                   Py_ssize_t nargs, PyObject *kwnames)
{
    static const pyctm_params params = {"BaseFilter._match", {"trace"}, 1, 1, 1};
    PyObject *trace;
    if (pyctm_bind(&params, args, nargs, kwnames, &trace) < 0) {
        return NULL;
    }
    PyErr_SetNone(PyExc_NotImplementedError);
    return NULL;
}

int pyctm_plain_bool(PyObject *filter, PyObject *name, bool *out)
{
    PyObject *value = pyctm_dict_object_get(filter, name);
    if (value == NULL || !(PyBool_Check(value) || PyLong_CheckExact(value))) {
        return 0;
    }
    *out = PyObject_IsTrue(value) > 0;
    return 1;
}

int pyctm_plain_integer(PyObject *filter, PyObject *name, bool *out_has, int64_t *out)
{
    PyObject *value = pyctm_dict_object_get(filter, name);
    int overflow = 0;
    *out_has = value != Py_None;
    if (value == Py_None) {
        return 1;
    }
    if (value == NULL || !PyLong_CheckExact(value)) {
        return 0;
    }
    *out = PyLong_AsLongLongAndOverflow(value, &overflow);
    return overflow == 0;
}

static PyMethodDef base_filter_methods[] = {
    {"_match", PYCTM_FASTCALL(base_filter_match), METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR("_match($self, trace)\n--\n\n"
               "Does the raw trace pass? For subclasses to define.")},
    {0},
};

static PyGetSetDef base_filter_getset[] = {
    PYCTM_DICT_GETSET,
    {0},
};

static PyType_Slot base_filter_slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("BaseFilter(inclusive)\n--\n\nBase of all filters.")},
    {Py_tp_init, base_filter_init},
    {Py_tp_traverse, pyctm_dict_object_traverse},
    {Py_tp_clear, pyctm_dict_object_clear},
    {Py_tp_dealloc, pyctm_dict_object_dealloc},
    {Py_tp_methods, base_filter_methods},
    {Py_tp_members, pyctm_dict_object_members},
    {Py_tp_getset, base_filter_getset},
    {0, NULL},
};

static PyType_Spec base_filter_spec = {
    .name = "ctracemalloc.BaseFilter",
    .basicsize = sizeof(pyctm_dict_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = base_filter_slots,
};

int pyctm_base_filter_type_init(PyObject *module, pyctm_state *state)
{
    state->base_filter_type = pyctm_type_new(module, &base_filter_spec, NULL);
    return state->base_filter_type != NULL ? 0 : -1;
}
