/* label_filter.c: LabelFilter, which filters by the value of one label.
 *
 * Model: the core reads the sites' labels. Raw traces have none, so the filter cannot be combined with filters that
 * need raw traces. */
#include "types/args.h"
#include "types/filters.h"
#include "types/instances.h"

#include <string.h>

static int label_filter_init(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static const pyctm_params params = {
        "LabelFilter.__init__", {"inclusive", "label", "value_pattern"}, 3, 3, 1};
    pyctm_state *state = pyctm_state_of(self);
    PyObject *given[3];
    if (pyctm_bind_tuple(&params, args, kwargs, given) < 0) {
        return -1;
    }
    for (int i = 1; i < 3; i++) {
        if (PyUnicode_Check(given[i])) {
            continue;
        }
        PyErr_Format(PyExc_TypeError, "%s must be a str, not %.200s", params.names[i],
                     Py_TYPE(given[i])->tp_name);
        return -1;
    }
    if (PyObject_SetAttr(self, state->text.inclusive, given[0]) < 0) {
        return -1;
    }
    if (PyObject_SetAttr(self, state->text.private_label, given[1]) < 0) {
        return -1;
    }
    return PyObject_SetAttr(self, state->text.private_pattern, given[2]);
}

static PyObject *label_filter_label(PyObject *self, void *Py_UNUSED(closure))
{
    return PyObject_GetAttr(self, pyctm_state_of(self)->text.private_label);
}

static PyObject *label_filter_pattern(PyObject *self, void *Py_UNUSED(closure))
{
    return PyObject_GetAttr(self, pyctm_state_of(self)->text.private_pattern);
}

static PyObject *label_filter_match(PyObject *Py_UNUSED(self), PyObject *const *args,
                                    Py_ssize_t nargs, PyObject *kwnames)
{
    static const pyctm_params params = {"LabelFilter._match", {"trace"}, 1, 1, 1};
    PyObject *trace;
    if (pyctm_bind(&params, args, nargs, kwnames, &trace) < 0) {
        return NULL;
    }
    PyErr_SetString(PyExc_TypeError,
                    "a LabelFilter cannot look at raw traces, which have no labels: "
                    "do not mix it with filters of other classes of one's own");
    return NULL;
}

/* A str of the instance dict as UTF-8; NULL without an exception: not a plain str, or it cannot be encoded. */
static const char *plain_text(PyObject *filter, PyObject *name, Py_ssize_t *out_length)
{
    PyObject *value = pyctm_dict_object_get(filter, name);
    if (value == NULL || !PyUnicode_CheckExact(value)) {
        return NULL;
    }
    const char *text = PyUnicode_AsUTF8AndSize(value, out_length);
    if (text == NULL) {
        PyErr_Clear();
    }
    return text;
}

int pyctm_label_filter_to_core(pyctm_state *state, PyObject *filter, ctm_filter *out)
{
    Py_ssize_t label_length, length;
    if (!Py_IS_TYPE(filter, state->label_filter_type)) {
        return 0;
    }
    int ours = pyctm_method_is(filter, state->text.match, PYCTM_FASTCALL(label_filter_match));
    if (ours <= 0) {
        return ours;
    }
    out->label = plain_text(filter, state->text.private_label, &label_length);
    out->pattern = plain_text(filter, state->text.private_pattern, &length);
    if (out->label == NULL || out->pattern == NULL) {
        return 0;
    }
    if (strlen(out->label) != (size_t)label_length) {
        return 0;
    }
    out->pattern_length = (size_t)length;
    return pyctm_plain_bool(filter, state->text.inclusive, &out->inclusive);
}

static PyMethodDef label_filter_methods[] = {
    {"_match", PYCTM_FASTCALL(label_filter_match), METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR("_match($self, trace)\n--\n\nA TypeError: raw traces have no labels.")},
    {0},
};

static PyGetSetDef label_filter_getset[] = {
    {"label", label_filter_label, pyctm_property_set, PyDoc_STR("Name of the label."), "label"},
    {"value_pattern", label_filter_pattern, pyctm_property_set,
     PyDoc_STR("What the label's value has to be, as in fnmatch."), "value_pattern"},
    {0},
};

static PyType_Slot label_filter_slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("LabelFilter(inclusive, label, value_pattern)\n--\n\n"
                                  "Filter traces of memory blocks by the value of a label.")},
    {Py_tp_init, label_filter_init},
    {Py_tp_traverse, pyctm_dict_object_traverse},
    {Py_tp_clear, pyctm_dict_object_clear},
    {Py_tp_dealloc, pyctm_dict_object_dealloc},
    {Py_tp_methods, label_filter_methods},
    {Py_tp_getset, label_filter_getset},
    {0, NULL},
};

static PyType_Spec label_filter_spec = {
    .name = "ctracemalloc.LabelFilter",
    .basicsize = sizeof(pyctm_dict_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = label_filter_slots,
};

int pyctm_label_filter_type_init(PyObject *module, pyctm_state *state)
{
    state->label_filter_type = pyctm_type_new(module, &label_filter_spec, state->base_filter_type);
    return state->label_filter_type != NULL ? 0 : -1;
}
