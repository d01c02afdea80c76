/* labels.c: label sets, which the package's labelling.py puts on each other: see capture/labels.h. */
#include "capture/labels.h"

#include "api/module.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#if !defined(Py_GIL_DISABLED)

/* --- handles --- */

/* The pairs of a dict of str as texts, which borrow from `owners`, a list. -1 with an exception. */
static int texts_of(PyObject *pairs, PyObject *owners, ctm_label_text *out)
{
    PyObject *items[2];
    Py_ssize_t at = 0;
    while (PyDict_Next(pairs, &at, &items[0], &items[1])) {
        const char *texts[2];
        for (int i = 0; i < 2; i++) {
            PyObject *bytes = PyUnicode_AsEncodedString(items[i], "utf-8", "surrogatepass");
            if (bytes == NULL || PyList_Append(owners, bytes) < 0) {
                Py_XDECREF(bytes);
                return -1;
            }
            texts[i] = PyBytes_AS_STRING(bytes);
            const bool has_null = strlen(texts[i]) != (size_t)PyBytes_GET_SIZE(bytes);
            Py_DECREF(bytes);
            if (has_null) {
                PyErr_SetString(PyExc_ValueError, "a label has a null character");
                return -1;
            }
        }
        *out++ = (ctm_label_text){texts[0], texts[1]};
    }
    return 0;
}

static int raise_refused(ctm_status status)
{
    if (status == CTM_ERR_NOMEM) {
        PyErr_NoMemory();
    } else {
        PyErr_Format(PyExc_ValueError,
                     "a label has a key of 1 to %u bytes and a value of up to %u bytes, and there "
                     "are at most %u at a time",
                     CTM_MAX_LABEL_KEY, CTM_MAX_LABEL_VALUE, CTM_MAX_LABELS);
    }
    return -1;
}

/* The handle of these pairs, and of the mark if they have none. -1 with an exception. */
static int handle_of(pyctm_capture *capture, PyObject *pairs, const char *mark, uint32_t *out)
{
    const size_t n = (size_t)PyDict_GET_SIZE(pairs);
    ctm_label_text *texts = calloc(n + 1, sizeof *texts);
    PyObject *owners = PyList_New(0);
    int result = texts != NULL && owners != NULL ? 0 : -1;
    if (texts == NULL) {
        PyErr_NoMemory();
    }
    /* First, so that a label of that name in the pairs replaces it. */
    const size_t first = mark != NULL ? 1 : 0;
    if (result == 0) {
        texts[0] = (ctm_label_text){"mark", mark};
        result = texts_of(pairs, owners, texts + first);
    }
    if (result == 0) {
        const ctm_status status = ctm_tracer_labels(capture->tracer, texts, n + first, out);
        result = status == CTM_OK ? 0 : raise_refused(status);
    }
    Py_XDECREF(owners);
    free(texts);
    return result;
}

/* --- the type --- */

static int label_set_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(((pyctm_label_set *)self)->pairs);
    Py_VISIT(((pyctm_label_set *)self)->link);
    Py_VISIT(Py_TYPE(self));
    return 0;
}

static int label_set_clear(PyObject *self)
{
    Py_CLEAR(((pyctm_label_set *)self)->link);
    return 0;
}

/* Called with the main interpreter's GIL: no other makes such objects. */
static void label_set_dealloc(PyObject *self)
{
    pyctm_label_set *set = (pyctm_label_set *)self;
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    if (set->previous != NULL) {
        set->previous->next = set->next;
    } else if (pyctm_the_capture.labels.sets == set) {
        pyctm_the_capture.labels.sets = set->next;
    }
    if (set->next != NULL) {
        set->next->previous = set->previous;
    }
    ctm_tracer_labels_release(pyctm_the_capture.tracer, atomic_load(&set->handle));
    Py_XDECREF(set->pairs);
    Py_XDECREF(set->link);
    type->tp_free(self);
    Py_DECREF((PyObject *)type);
}

static PyObject *label_set_pairs(PyObject *self, void *Py_UNUSED(closure))
{
    return PyDict_Copy(((pyctm_label_set *)self)->pairs);
}

static PyObject *label_set_link(PyObject *self, void *Py_UNUSED(closure))
{
    PyObject *link = ((pyctm_label_set *)self)->link;
    return Py_NewRef(link != NULL ? link : Py_None);
}

static PyGetSetDef label_set_members[] = {
    {"pairs", label_set_pairs, NULL, PyDoc_STR("The labels, a new dict of str to str."), NULL},
    {"link", label_set_link, NULL, PyDoc_STR("What _label_set() was given."), NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot label_set_slots[] = {
    {Py_tp_doc,
     (void *)PyDoc_STR("The labels of what is allocated while a context has this object.")},
    {Py_tp_traverse, (void *)label_set_traverse},
    {Py_tp_clear, (void *)label_set_clear},
    {Py_tp_dealloc, (void *)label_set_dealloc},
    {Py_tp_getset, label_set_members},
    {0, NULL},
};

static PyType_Spec label_set_spec = {
    .name = "ctracemalloc._ctracemalloc.LabelSet",
    .basicsize = sizeof(pyctm_label_set),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE |
             Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = label_set_slots,
};

/* Borrowed; made when it is first asked for. The process has one, also if the module is imported again. */
static PyTypeObject *label_set_type(PyObject *module)
{
    pyctm_module_state *state = pyctm_module_state_of(module);
    PyTypeObject *known = state->capture->labels.set_type;
    if (state->label_set_type == NULL && known != NULL) {
        state->label_set_type = (PyTypeObject *)Py_NewRef((PyObject *)known);
    } else if (state->label_set_type == NULL) {
        state->label_set_type =
            (PyTypeObject *)PyType_FromModuleAndSpec(module, &label_set_spec, NULL);
    }
    return state->label_set_type;
}

/* --- functions --- */

const char pyctm_label_set_doc[] =
    "_label_set($module, pairs, link, /)\n--\n\n"
    "A LabelSet of these pairs, a dict of str to str, and of any object.\n\n"
    "ValueError: they cannot be labels; RuntimeError: this interpreter's contexts\n"
    "are not known.";

PyObject *pyctm_module_label_set(PyObject *module, PyObject *args)
{
    pyctm_capture *const capture = pyctm_capture_of(module);
    PyObject *pairs, *link;
    uint32_t handle = 0;
    PyTypeObject *type = label_set_type(module);
    if (type == NULL || !PyArg_ParseTuple(args, "O!O", &PyDict_Type, &pairs, &link) ||
        pyctm_labels_begin(capture, type) < 0 ||
        handle_of(capture, pairs, capture->labels.mark, &handle) < 0) {
        return NULL;
    }
    pyctm_label_set *set = (pyctm_label_set *)type->tp_alloc(type, 0);
    if (set == NULL || (set->pairs = PyDict_Copy(pairs)) == NULL) {
        ctm_tracer_labels_release(capture->tracer, handle);
        Py_XDECREF((PyObject *)set);
        return NULL;
    }
    atomic_store(&set->handle, handle);
    set->link = Py_NewRef(link);
    set->next = capture->labels.sets;
    if (set->next != NULL) {
        set->next->previous = set;
    }
    capture->labels.sets = set;
    return (PyObject *)set;
}

const char pyctm_labels_set_doc[] = "_labels_set($module, label_set, /)\n--\n\n"
                                    "Give the present context this LabelSet, or none (None).";

PyObject *pyctm_module_labels_set(PyObject *module, PyObject *set)
{
    pyctm_labels *labels = &pyctm_capture_of(module)->labels;
    if (set != Py_None && !Py_IS_TYPE(set, pyctm_module_state_of(module)->label_set_type)) {
        PyErr_SetString(PyExc_TypeError, "a LabelSet or None is expected");
        return NULL;
    }
    if (labels->variable.variable == NULL) {
        Py_RETURN_NONE;
    }
    PyObject *token = PyContextVar_Set(labels->variable.variable, set);
    pyctm_labels_changed();
    if (token == NULL) {
        return NULL;
    }
    Py_DECREF(token);
    Py_RETURN_NONE;
}

const char pyctm_labels_get_doc[] = "_labels_get($module, /)\n--\n\n"
                                    "The LabelSet of the present context; None: it has none.";

PyObject *pyctm_module_labels_get(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    const pyctm_labels *labels = &pyctm_capture_of(module)->labels;
    PyObject *set = NULL;
    if (labels->variable.variable != NULL &&
        PyContextVar_Get(labels->variable.variable, Py_None, &set) < 0) {
        return NULL;
    }
    return set != NULL ? set : Py_NewRef(Py_None);
}

/* Gives each set that exists, and threads without one, the handle with the mark. Nothing is changed on failure. */
static int mark_all(pyctm_capture *capture, const char *mark)
{
    pyctm_labels *labels = &capture->labels;
    uint32_t handle, none = 0;
    /* Sets are not freed while they are walked through: in 3.11 an allocation may collect garbage. */
    const int collects = PyGC_Disable();
    PyObject *empty = PyDict_New();
    int result = empty != NULL ? handle_of(capture, empty, mark, &none) : -1;
    Py_XDECREF(empty);
    for (pyctm_label_set *set = labels->sets; set != NULL && result == 0; set = set->next) {
        result = handle_of(capture, set->pairs, mark, &handle);
        if (result == 0) {
            const uint32_t before = atomic_exchange(&set->handle, handle);
            ctm_tracer_labels_release(capture->tracer, before);
        }
    }
    if (result == 0) {
        ctm_tracer_labels_release(capture->tracer, labels->handle_of_none);
        labels->handle_of_none = none;
    } else {
        ctm_tracer_labels_release(capture->tracer, none);
    }
    if (collects) {
        PyGC_Enable();
    }
    return result;
}

const char pyctm_labels_mark_doc[] =
    "_labels_mark($module, mark, /)\n--\n\n"
    "From now on blocks have the label \"mark\" with this text; None: no such label.";

PyObject *pyctm_module_labels_mark(PyObject *module, PyObject *mark)
{
    pyctm_capture *const capture = pyctm_capture_of(module);
    pyctm_labels *labels = &capture->labels;
    PyTypeObject *type = label_set_type(module);
    Py_ssize_t size = 0;
    const char *text = NULL;
    if (type == NULL || pyctm_labels_begin(capture, type) < 0 ||
        (mark != Py_None && (text = PyUnicode_AsUTF8AndSize(mark, &size)) == NULL)) {
        return NULL;
    }
    if (text != NULL && strlen(text) != (size_t)size) {
        PyErr_SetString(PyExc_ValueError, "a mark has a null character");
        return NULL;
    }
    char *own = text != NULL ? strdup(text) : NULL;
    if (text != NULL && own == NULL) {
        return PyErr_NoMemory();
    }
    char *before = labels->mark;
    labels->mark = own;
    if (mark_all(capture, own) < 0) {
        PyObject *kind, *value, *traceback;
        PyErr_Fetch(&kind, &value, &traceback);
        labels->mark = before;
        if (mark_all(capture, before) < 0) {
            PyErr_Clear(); /* what has the new mark keeps it */
        }
        PyErr_Restore(kind, value, traceback);
        free(own);
        return NULL;
    }
    free(before);
    atomic_fetch_add(&labels->serial, 1);
    Py_RETURN_NONE;
}
#endif
