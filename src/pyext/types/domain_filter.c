/* domain_filter.c: DomainFilter, which filters by the domain of the block alone. */
#include "types/args.h"
#include "types/filters.h"
#include "types/idioms.h"
#include "types/instances.h"

static int domain_filter_init(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static const pyctm_params params = {"DomainFilter.__init__", {"inclusive", "domain"}, 2, 2, 1};
    pyctm_state *state = pyctm_state_of(self);
    PyObject *given[2], *result = NULL, *init = NULL;
    if (pyctm_bind_tuple(&params, args, kwargs, given) < 0) {
        return -1;
    }
    PyObject *parent = PyObject_CallFunctionObjArgs((PyObject *)&PySuper_Type,
                                                    state->domain_filter_type, self, NULL);
    if (parent != NULL) {
        init = pyctm_get_named(parent, "__init__");
    }
    if (init != NULL) {
        result = PyObject_CallOneArg(init, given[0]);
    }
    Py_XDECREF(parent);
    Py_XDECREF(init);
    Py_XDECREF(result);
    return result != NULL ? PyObject_SetAttr(self, state->text.private_domain, given[1]) : -1;
}

static PyObject *domain_filter_domain(PyObject *self, void *Py_UNUSED(closure))
{
    return PyObject_GetAttr(self, pyctm_state_of(self)->text.private_domain);
}

/* (domain == self.domain) ^ (not self.inclusive) */
static PyObject *match_domain(pyctm_state *state, PyObject *self, PyObject *domain)
{
    PyObject *same = NULL, *inclusive = NULL, *result = NULL;
    PyObject *own = PyObject_GetAttr(self, state->text.domain);
    if (own != NULL) {
        same = PyObject_RichCompare(domain, own, Py_EQ);
    }
    if (same != NULL) {
        inclusive = PyObject_GetAttr(self, state->text.inclusive);
    }
    int excluded = inclusive != NULL ? PyObject_Not(inclusive) : -1;
    if (excluded >= 0) {
        result = PyNumber_Xor(same, excluded ? Py_True : Py_False);
    }
    Py_XDECREF(own);
    Py_XDECREF(same);
    Py_XDECREF(inclusive);
    return result;
}

PyObject *pyctm_domain_filter_match(PyObject *self, PyObject *const *args, Py_ssize_t nargs,
                                    PyObject *kwnames)
{
    static const pyctm_params params = {"DomainFilter._match", {"trace"}, 1, 1, 1};
    PyObject *trace, *parts[4];
    if (pyctm_bind(&params, args, nargs, kwnames, &trace) < 0) {
        return NULL;
    }
    if (pyctm_unpack(trace, 4, parts) < 0) {
        return NULL;
    }
    PyObject *result = match_domain(pyctm_state_of(self), self, parts[0]);
    for (int i = 0; i < 4; i++) {
        Py_DECREF(parts[i]);
    }
    return result;
}

int pyctm_domain_filter_to_core(pyctm_state *state, PyObject *filter, ctm_filter *out)
{
    if (!Py_IS_TYPE(filter, state->domain_filter_type)) {
        return 0;
    }
    int ours =
        pyctm_method_is(filter, state->text.match, PYCTM_FASTCALL(pyctm_domain_filter_match));
    if (ours <= 0) {
        return ours;
    }
    /* Without a domain it would match none; the core's DomainFilter always has one. */
    return pyctm_plain_bool(filter, state->text.inclusive, &out->inclusive) &&
           pyctm_plain_integer(filter, state->text.private_domain, &out->has_domain,
                               &out->domain) &&
           out->has_domain;
}

static PyMethodDef domain_filter_methods[] = {
    {"_match", PYCTM_FASTCALL(pyctm_domain_filter_match), METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR("_match($self, trace)\n--\n\nDoes the raw trace pass?")},
    {0},
};

static PyGetSetDef domain_filter_getset[] = {
    {"domain", domain_filter_domain, pyctm_property_set, PyDoc_STR("Address space of the blocks."),
     "domain"},
    {0},
};

static PyType_Slot domain_filter_slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("DomainFilter(inclusive, domain)\n--\n\n"
                                  "Filter traces of memory blocks by their domain.")},
    {Py_tp_init, domain_filter_init},
    {Py_tp_traverse, pyctm_dict_object_traverse},
    {Py_tp_clear, pyctm_dict_object_clear},
    {Py_tp_dealloc, pyctm_dict_object_dealloc},
    {Py_tp_methods, domain_filter_methods},
    {Py_tp_getset, domain_filter_getset},
    {0, NULL},
};

static PyType_Spec domain_filter_spec = {
    .name = "ctracemalloc.DomainFilter",
    .basicsize = sizeof(pyctm_dict_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = domain_filter_slots,
};

int pyctm_domain_filter_type_init(PyObject *module, pyctm_state *state)
{
    state->domain_filter_type =
        pyctm_type_new(module, &domain_filter_spec, state->base_filter_type);
    return state->domain_filter_type != NULL ? 0 : -1;
}
