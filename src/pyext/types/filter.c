/* filter.c: Filter, which filters by file name pattern, line and domain.
 *
 * Model: the methods call one another through the instance, as in tracemalloc.py, so that a subclass may override any
 * of them. If none is overridden, filter_traces converts the filter (pyctm_filter_to_core) and calls no method. */
#include "types/args.h"
#include "types/filters.h"
#include "types/idioms.h"
#include "types/instances.h"

/* super().__init__(inclusive) */
static int call_super_init(pyctm_state *state, PyObject *self, PyObject *inclusive)
{
    PyObject *result = NULL, *init = NULL;
    PyObject *parent =
        PyObject_CallFunctionObjArgs((PyObject *)&PySuper_Type, state->filter_type, self, NULL);
    if (parent != NULL) {
        init = pyctm_get_named(parent, "__init__");
    }
    if (init != NULL) {
        result = PyObject_CallOneArg(init, inclusive);
    }
    Py_XDECREF(parent);
    Py_XDECREF(init);
    Py_XDECREF(result);
    return result != NULL ? 0 : -1;
}

static int set_pattern(pyctm_state *state, PyObject *self, PyObject *filename_pattern)
{
    PyObject *pattern = pyctm_normalize_filename(state, filename_pattern);
    if (pattern == NULL) {
        return -1;
    }
    int result = PyObject_SetAttr(self, state->text.pattern, pattern);
    Py_DECREF(pattern);
    return result;
}

static int filter_init(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static const pyctm_params params = {
        "Filter.__init__",
        {"inclusive", "filename_pattern", "lineno", "all_frames", "domain"},
        5,
        2,
        1};
    pyctm_state *state = pyctm_state_of(self);
    PyObject *given[5];
    if (pyctm_bind_tuple(&params, args, kwargs, given) < 0) {
        return -1;
    }
    PyObject *lineno = given[2] != NULL ? given[2] : Py_None;
    PyObject *all_frames = given[3] != NULL ? given[3] : Py_False;
    PyObject *domain = given[4] != NULL ? given[4] : Py_None;
    if (call_super_init(state, self, given[0]) < 0) {
        return -1;
    }
    if (PyObject_SetAttr(self, state->text.inclusive, given[0]) < 0) {
        return -1;
    }
    if (set_pattern(state, self, given[1]) < 0) {
        return -1;
    }
    if (PyObject_SetAttr(self, state->text.lineno, lineno) < 0) {
        return -1;
    }
    if (PyObject_SetAttr(self, state->text.all_frames, all_frames) < 0) {
        return -1;
    }
    return PyObject_SetAttr(self, state->text.domain, domain);
}

static PyObject *filter_pattern(PyObject *self, void *Py_UNUSED(closure))
{
    return PyObject_GetAttr(self, pyctm_state_of(self)->text.pattern);
}

/* --- matching --- */

/* Truth of self.name, or -1. */
static int attribute_truth(PyObject *self, PyObject *name)
{
    PyObject *value = PyObject_GetAttr(self, name);
    int truth = value != NULL ? PyObject_IsTrue(value) : -1;
    Py_XDECREF(value);
    return truth;
}

/* fnmatch.fnmatch(_normalize_filename(filename), self._filename_pattern), as truth */
static int match_filename(pyctm_state *state, PyObject *self, PyObject *filename)
{
    PyObject *result = NULL, *pattern = NULL;
    PyObject *normal = pyctm_normalize_filename(state, filename);
    if (normal != NULL) {
        pattern = PyObject_GetAttr(self, state->text.pattern);
    }
    if (pattern != NULL) {
        result =
            pyctm_call_method(state->fnmatch_module, state->text.fnmatch, normal, pattern, NULL);
    }
    int truth = result != NULL ? PyObject_IsTrue(result) : -1;
    Py_XDECREF(normal);
    Py_XDECREF(pattern);
    Py_XDECREF(result);
    return truth;
}

static PyObject *match_frame_impl(PyObject *self, PyObject *filename, PyObject *lineno)
{
    pyctm_state *state = pyctm_state_of(self);
    int matches = match_filename(state, self, filename);
    if (matches < 0) {
        return NULL;
    }
    if (!matches) {
        Py_RETURN_FALSE;
    }
    PyObject *own = PyObject_GetAttr(self, state->text.lineno);
    if (own == Py_None) {
        Py_DECREF(own);
        Py_RETURN_TRUE;
    }
    PyObject *result = own != NULL ? PyObject_RichCompare(lineno, own, Py_EQ) : NULL;
    Py_XDECREF(own);
    return result;
}

static PyObject *filter_match_frame_impl(PyObject *self, PyObject *const *args, Py_ssize_t nargs,
                                         PyObject *kwnames)
{
    static const pyctm_params params = {
        "Filter._match_frame_impl", {"filename", "lineno"}, 2, 2, 1};
    PyObject *given[2];
    if (pyctm_bind(&params, args, nargs, kwnames, given) < 0) {
        return NULL;
    }
    return match_frame_impl(self, given[0], given[1]);
}

/* value ^ (not self.inclusive); steals `value`; NULL is a failure that is passed on. */
static PyObject *invert_if_exclusive(pyctm_state *state, PyObject *self, PyObject *value)
{
    int inclusive = value != NULL ? attribute_truth(self, state->text.inclusive) : -1;
    PyObject *result = inclusive < 0 ? NULL : PyNumber_Xor(value, inclusive ? Py_False : Py_True);
    Py_XDECREF(value);
    return result;
}

static PyObject *filter_match_frame(PyObject *self, PyObject *const *args, Py_ssize_t nargs,
                                    PyObject *kwnames)
{
    static const pyctm_params params = {"Filter._match_frame", {"filename", "lineno"}, 2, 2, 1};
    pyctm_state *state = pyctm_state_of(self);
    PyObject *given[2];
    if (pyctm_bind(&params, args, nargs, kwnames, given) < 0) {
        return NULL;
    }
    return invert_if_exclusive(
        state, self,
        pyctm_call_method(self, state->text.match_frame_impl, given[0], given[1], NULL));
}

/* self.name(filename, lineno) for `filename, lineno = frame` */
static PyObject *call_with_frame(PyObject *self, PyObject *name, PyObject *frame)
{
    PyObject *parts[2];
    if (pyctm_unpack(frame, 2, parts) < 0) {
        return NULL;
    }
    PyObject *result = pyctm_call_method(self, name, parts[0], parts[1], NULL);
    Py_DECREF(parts[0]);
    Py_DECREF(parts[1]);
    return result;
}

/* any(self._match_frame_impl(*frame) for frame in traceback), as truth */
static int match_any_frame(pyctm_state *state, PyObject *self, PyObject *traceback)
{
    PyObject *frame, *iterator = PyObject_GetIter(traceback);
    int found = iterator != NULL ? 0 : -1;
    while (found == 0 && (frame = PyIter_Next(iterator)) != NULL) {
        PyObject *match = call_with_frame(self, state->text.match_frame_impl, frame);
        found = match != NULL ? PyObject_IsTrue(match) : -1;
        Py_XDECREF(match);
        Py_DECREF(frame);
    }
    Py_XDECREF(iterator);
    return found == 0 && PyErr_Occurred() ? -1 : found;
}

static PyObject *match_traceback(pyctm_state *state, PyObject *self, PyObject *traceback)
{
    int all_frames = attribute_truth(self, state->text.all_frames);
    if (all_frames < 0) {
        return NULL;
    }
    if (!all_frames) {
        PyObject *frame = pyctm_item(traceback, 0);
        if (frame == NULL) {
            return NULL;
        }
        PyObject *result = call_with_frame(self, state->text.match_frame, frame);
        Py_DECREF(frame);
        return result;
    }
    int found = match_any_frame(state, self, traceback);
    if (found < 0) {
        return NULL;
    }
    if (found) {
        return PyObject_GetAttr(self, state->text.inclusive);
    }
    int inclusive = attribute_truth(self, state->text.inclusive);
    return inclusive < 0 ? NULL : PyBool_FromLong(!inclusive);
}

static PyObject *filter_match_traceback(PyObject *self, PyObject *const *args, Py_ssize_t nargs,
                                        PyObject *kwnames)
{
    static const pyctm_params params = {"Filter._match_traceback", {"traceback"}, 1, 1, 1};
    PyObject *traceback;
    if (pyctm_bind(&params, args, nargs, kwnames, &traceback) < 0) {
        return NULL;
    }
    return match_traceback(pyctm_state_of(self), self, traceback);
}

/* domain == self.domain, or != */
static PyObject *compare_domain(pyctm_state *state, PyObject *self, PyObject *domain, int op)
{
    PyObject *own = PyObject_GetAttr(self, state->text.domain);
    if (own == NULL) {
        return NULL;
    }
    PyObject *result = PyObject_RichCompare(domain, own, op);
    Py_DECREF(own);
    return result;
}

/* inclusive: `result and domain == self.domain`, else `result or domain != self.domain`.
 * Steals result. */
static PyObject *combine_domain(pyctm_state *state, PyObject *self, PyObject *result,
                                PyObject *domain)
{
    int inclusive = attribute_truth(self, state->text.inclusive);
    int truth = inclusive < 0 ? -1 : PyObject_IsTrue(result);
    if (truth >= 0 && (inclusive != 0) != (truth != 0)) {
        return result;
    }
    Py_DECREF(result);
    return truth < 0 ? NULL : compare_domain(state, self, domain, inclusive ? Py_EQ : Py_NE);
}

PyObject *pyctm_filter_match(PyObject *self, PyObject *const *args, Py_ssize_t nargs,
                             PyObject *kwnames)
{
    static const pyctm_params params = {"Filter._match", {"trace"}, 1, 1, 1};
    pyctm_state *state = pyctm_state_of(self);
    PyObject *trace, *parts[4];
    if (pyctm_bind(&params, args, nargs, kwnames, &trace) < 0) {
        return NULL;
    }
    if (pyctm_unpack(trace, 4, parts) < 0) {
        return NULL;
    }
    PyObject *own = NULL;
    PyObject *result = pyctm_call_method(self, state->text.match_traceback, parts[2], NULL, NULL);
    if (result != NULL && (own = PyObject_GetAttr(self, state->text.domain)) == NULL) {
        Py_CLEAR(result);
    }
    if (result != NULL && own != Py_None) {
        result = combine_domain(state, self, result, parts[0]);
    }
    Py_XDECREF(own);
    for (int i = 0; i < 4; i++) {
        Py_DECREF(parts[i]);
    }
    return result;
}

/* --- the same in the core --- */

static int methods_are_ours(pyctm_state *state, PyObject *filter)
{
    const struct {
        PyObject *name;
        PyCFunction function;
    } methods[] = {
        {state->text.match, PYCTM_FASTCALL(pyctm_filter_match)},
        {state->text.match_traceback, PYCTM_FASTCALL(filter_match_traceback)},
        {state->text.match_frame, PYCTM_FASTCALL(filter_match_frame)},
        {state->text.match_frame_impl, PYCTM_FASTCALL(filter_match_frame_impl)},
    };
    int ours = 1;
    for (int i = 0; ours > 0 && i < 4; i++) {
        ours = pyctm_method_is(filter, methods[i].name, methods[i].function);
    }
    return ours;
}

static int pattern_to_core(pyctm_state *state, PyObject *filter, ctm_filter *out)
{
    PyObject *pattern = pyctm_dict_object_get(filter, state->text.pattern);
    if (pattern == NULL || !PyUnicode_CheckExact(pattern)) {
        return 0;
    }
    Py_ssize_t length;
    out->pattern = PyUnicode_AsUTF8AndSize(pattern, &length);
    if (out->pattern == NULL) {
        PyErr_Clear(); /* lone surrogates: the Python methods handle them */
        return 0;
    }
    out->pattern_length = (size_t)length;
    return 1;
}

int pyctm_filter_to_core(pyctm_state *state, PyObject *filter, ctm_filter *out)
{
    out->by_filename = true;
    if (!Py_IS_TYPE(filter, state->filter_type)) {
        return 0;
    }
    int ours = methods_are_ours(state, filter);
    if (ours <= 0) {
        return ours;
    }
    return pyctm_plain_bool(filter, state->text.inclusive, &out->inclusive) &&
           pyctm_plain_bool(filter, state->text.all_frames, &out->all_frames) &&
           pyctm_plain_integer(filter, state->text.lineno, &out->has_lineno, &out->lineno) &&
           pyctm_plain_integer(filter, state->text.domain, &out->has_domain, &out->domain) &&
           pattern_to_core(state, filter, out);
}

/* --- the type --- */

static PyMethodDef filter_methods[] = {
    {"_match", PYCTM_FASTCALL(pyctm_filter_match), METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR("_match($self, trace)\n--\n\nDoes the raw trace pass?")},
    {"_match_traceback", PYCTM_FASTCALL(filter_match_traceback), METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR("_match_traceback($self, traceback)\n--\n\nDo the raw frames pass?")},
    {"_match_frame", PYCTM_FASTCALL(filter_match_frame), METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR("_match_frame($self, filename, lineno)\n--\n\nDoes the frame pass?")},
    {"_match_frame_impl", PYCTM_FASTCALL(filter_match_frame_impl), METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR("_match_frame_impl($self, filename, lineno)\n--\n\n"
               "Does the frame match, whether or not the filter is inclusive?")},
    {0},
};

static PyGetSetDef filter_getset[] = {
    {"filename_pattern", filter_pattern, pyctm_property_set,
     PyDoc_STR("Pattern of the file name (fnmatch)."), "filename_pattern"},
    {0},
};

static PyType_Slot filter_slots[] = {
    {Py_tp_doc,
     (void *)PyDoc_STR("Filter(inclusive, filename_pattern, lineno=None, all_frames=False, "
                       "domain=None)\n--\n\nFilter on traces of memory blocks.")},
    {Py_tp_init, filter_init},
    {Py_tp_traverse, pyctm_dict_object_traverse},
    {Py_tp_clear, pyctm_dict_object_clear},
    {Py_tp_dealloc, pyctm_dict_object_dealloc},
    {Py_tp_methods, filter_methods},
    {Py_tp_getset, filter_getset},
    {0, NULL},
};

static PyType_Spec filter_spec = {
    .name = "ctracemalloc.Filter",
    .basicsize = sizeof(pyctm_dict_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = filter_slots,
};

int pyctm_filter_type_init(PyObject *module, pyctm_state *state)
{
    state->filter_type = pyctm_type_new(module, &filter_spec, state->base_filter_type);
    return state->filter_type != NULL ? 0 : -1;
}
