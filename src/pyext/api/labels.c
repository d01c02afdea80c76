/* labels.c: label sets, which the package's labelling.py puts on each other: see capture/labels.h. */
#include "api/module.h"

#include "capture/thread_names.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#if !defined(Py_GIL_DISABLED)

/* --- handles --- */

/* The str as UTF-8, which borrows from it or from `*owners`, a list that is made if need be. NULL with an exception. */
static const char *text_of(PyObject *item, PyObject **owners)
{
    const char *text;
    Py_ssize_t length;
    if (PyUnicode_IS_COMPACT_ASCII(item)) {
        text = (const char *)PyUnicode_1BYTE_DATA(item);
        length = PyUnicode_GET_LENGTH(item);
    } else {
        PyObject *bytes = PyUnicode_AsEncodedString(item, "utf-8", "surrogatepass");
        if (*owners == NULL) {
            *owners = PyList_New(0);
        }
        if (bytes == NULL || *owners == NULL || PyList_Append(*owners, bytes) < 0) {
            Py_XDECREF(bytes);
            return NULL;
        }
        text = PyBytes_AS_STRING(bytes);
        length = PyBytes_GET_SIZE(bytes);
        Py_DECREF(bytes);
    }
    if (strlen(text) != (size_t)length) {
        PyErr_SetString(PyExc_ValueError, "a label has a null character");
        return NULL;
    }
    return text;
}

/* The pairs of a dict of str as texts. -1 with an exception. */
static int texts_of(PyObject *pairs, PyObject **owners, ctm_label_text *out)
{
    PyObject *key, *value;
    Py_ssize_t at = 0;
    while (PyDict_Next(pairs, &at, &key, &value)) {
        out->key = text_of(key, owners);
        out->value = out->key != NULL ? text_of(value, owners) : NULL;
        if (out->value == NULL) {
            return -1;
        }
        out++;
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

#define FEW 8 /* pairs whose texts need no memory */

/* The handle of these pairs, NULL: none, in this scope and that of the process. They have the mark, too, if they have no label of
 * that name. -1 with an exception. */
static int handle_of(pyctm_capture *capture, PyObject *pairs, const pyctm_scope *scope,
                     const char *mark, uint32_t *out)
{
    const size_t n = pairs != NULL ? (size_t)PyDict_GET_SIZE(pairs) : 0;
    const pyctm_scope *process = capture->labels.process;
    ctm_label_text few[FEW + 1];
    ctm_label_text *texts = n <= FEW ? few : calloc(n + 1, sizeof *texts);
    PyObject *owners = NULL;
    if (texts == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    /* First, so that a label of that name in the pairs replaces it. */
    const size_t first = mark != NULL ? 1 : 0;
    texts[0] = (ctm_label_text){"mark", mark};
    int result = n != 0 ? texts_of(pairs, &owners, texts + first) : 0;
    if (result == 0) {
        const ctm_status status = ctm_tracer_labels_in(
            capture->tracer, texts, n + first, scope != NULL ? scope->scope : NULL,
            process != NULL ? process->scope : NULL, out);
        result = status == CTM_OK ? 0 : raise_refused(status);
    }
    Py_XDECREF(owners);
    if (texts != few) {
        free(texts);
    }
    return result;
}

/* All sets, and threads without one, get handles for the present mark and scope of the process. Nothing is changed on failure. */
static int renew_all(pyctm_capture *capture, const char *mark)
{
    pyctm_labels *labels = &capture->labels;
    size_t n = 0, done = 0;
    for (const pyctm_label_set *set = labels->sets; set != NULL; set = set->next) {
        n++;
    }
    uint32_t *handles = calloc(n + 1, sizeof *handles);
    if (handles == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    int result = handle_of(capture, NULL, NULL, mark, &handles[n]);
    for (const pyctm_label_set *set = labels->sets; set != NULL && result == 0; set = set->next) {
        result = handle_of(capture, set->pairs, set->scope, mark, &handles[done]);
        done += result == 0;
    }
    if (result == 0) {
        size_t i = 0;
        for (pyctm_label_set *set = labels->sets; set != NULL; set = set->next) {
            handles[i] = atomic_exchange(&set->handle, handles[i]);
            i++;
        }
        pyctm_named_forget_all(capture);
        const uint32_t before = labels->handle_of_none;
        labels->handle_of_none = handles[n];
        handles[n] = before;
        pyctm_labels_changed(capture);
    }
    for (size_t i = 0; i < done; i++) { /* of what was there before, or of what was made in vain */
        ctm_tracer_labels_release(capture->tracer, handles[i]);
    }
    ctm_tracer_labels_release(capture->tracer, handles[n]);
    free(handles);
    return result;
}

/* The same. Sets are not freed while they are walked through: in 3.11 an allocation may collect garbage. */
static int renew_quietly(pyctm_capture *capture, const char *mark)
{
    const int collects = PyGC_Disable();
    const int result = renew_all(capture, mark);
    if (collects) {
        PyGC_Enable();
    }
    return result;
}

int pyctm_labels_renew(pyctm_capture *capture)
{
    return renew_quietly(capture, capture->labels.mark);
}

/* --- the type --- */

static int label_set_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(((pyctm_label_set *)self)->pairs);
    Py_VISIT(((pyctm_label_set *)self)->owner);
    Py_VISIT(((pyctm_label_set *)self)->below);
    Py_VISIT(((pyctm_label_set *)self)->scope);
    Py_VISIT(Py_TYPE(self));
    return 0;
}

static int label_set_clear(PyObject *self)
{
    Py_CLEAR(((pyctm_label_set *)self)->owner);
    Py_CLEAR(((pyctm_label_set *)self)->below);
    return 0;
}

static void take_out(pyctm_label_set *set)
{
    if (set->previous != NULL) {
        set->previous->next = set->next;
    } else if (pyctm_the_capture.labels.sets == set) {
        pyctm_the_capture.labels.sets = set->next;
    }
    if (set->next != NULL) {
        set->next->previous = set->previous;
    }
}

/* Called with the main interpreter's GIL: no other makes such objects. Sets may be on each other in any number. */
static void label_set_dealloc(PyObject *self)
{
    pyctm_label_set *set = (pyctm_label_set *)self;
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    Py_TRASHCAN_BEGIN(self, label_set_dealloc);
    take_out(set);
    pyctm_named_free(&pyctm_the_capture, set);
    ctm_tracer_labels_release(pyctm_the_capture.tracer, atomic_load(&set->handle));
    Py_XDECREF(set->pairs);
    Py_XDECREF(set->owner);
    Py_XDECREF(set->below);
    Py_XDECREF((PyObject *)set->scope);
    type->tp_free(self);
    Py_DECREF((PyObject *)type);
    Py_TRASHCAN_END;
}

static PyObject *label_set_pairs(PyObject *self, void *Py_UNUSED(closure))
{
    return PyDict_Copy(((pyctm_label_set *)self)->pairs);
}

static PyObject *label_set_owner(PyObject *self, void *Py_UNUSED(closure))
{
    PyObject *owner = ((pyctm_label_set *)self)->owner;
    return Py_NewRef(owner != NULL ? owner : Py_None);
}

static PyObject *label_set_below(PyObject *self, void *Py_UNUSED(closure))
{
    PyObject *below = ((pyctm_label_set *)self)->below;
    return Py_NewRef(below != NULL ? below : Py_None);
}

static PyGetSetDef label_set_members[] = {
    {"pairs", label_set_pairs, NULL, PyDoc_STR("The labels, a new dict of str to str."), NULL},
    {"owner", label_set_owner, NULL, PyDoc_STR("Who made it."), NULL},
    {"below", label_set_below, NULL, PyDoc_STR("The LabelSet that it was put on, or None."), NULL},
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

int pyctm_labels_use(PyObject *module)
{
    PyTypeObject *type = label_set_type(module);
    return type != NULL ? pyctm_labels_begin(pyctm_capture_of(module), type) : -1;
}

/* Of these pairs, which nobody changes later; `below`: a LabelSet, or None. */
static PyObject *new_set(PyObject *module, PyObject *pairs, PyObject *owner, PyObject *below,
                         pyctm_scope *scope)
{
    pyctm_capture *const capture = pyctm_capture_of(module);
    PyTypeObject *type = label_set_type(module);
    uint32_t handle = 0;
    if (type == NULL || pyctm_labels_begin(capture, type) < 0 ||
        handle_of(capture, pairs, scope, capture->labels.mark, &handle) < 0) {
        return NULL;
    }
    pyctm_label_set *set = (pyctm_label_set *)type->tp_alloc(type, 0);
    if (set == NULL) {
        ctm_tracer_labels_release(capture->tracer, handle);
        return NULL;
    }
    atomic_store(&set->handle, handle);
    set->pairs = Py_NewRef(pairs);
    set->owner = Py_NewRef(owner);
    set->below = Py_NewRef(below);
    set->scope = scope;
    Py_XINCREF((PyObject *)scope);
    set->next = capture->labels.sets;
    if (set->next != NULL) {
        set->next->previous = set;
    }
    capture->labels.sets = set;
    return (PyObject *)set;
}

/* The LabelSet of the present context, or None: a new reference. */
static PyObject *present_set(const pyctm_capture *capture)
{
    PyObject *set = NULL;
    if (capture->labels.variable.variable != NULL &&
        PyContextVar_Get(capture->labels.variable.variable, Py_None, &set) < 0) {
        return NULL;
    }
    return set != NULL ? set : Py_NewRef(Py_None);
}

#define TOKEN_SIZE 64 /* bytes: of the token of a context variable, with what precedes it */

/* Gives the present context this LabelSet, or None. Without memory for its token PyContextVar_Set (3.11 to 3.15) sets the variable all
 * the same and raises, or crashes if there is none for the variable either. So there is room for a token. */
static int set_present(pyctm_capture *capture, PyObject *set)
{
    if (capture->labels.variable.variable == NULL) {
        return 0;
    }
    void *room = PyObject_Malloc(TOKEN_SIZE);
    if (room == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    PyObject_Free(room);
    PyObject *token = PyContextVar_Set(capture->labels.variable.variable, set);
    pyctm_labels_expected(capture);
    if (token == NULL) {
        PyObject *kind, *value, *traceback;
        PyErr_Fetch(&kind, &value, &traceback);
        PyObject *present = present_set(capture);
        if (present != set) {
            PyErr_Restore(kind, value, traceback);
            Py_XDECREF(present);
            return -1;
        }
        Py_XDECREF(kind);
        Py_XDECREF(value);
        Py_XDECREF(traceback);
        Py_DECREF(present);
    }
    Py_XDECREF(token);
    return 0;
}

/* A new reference to the pairs of a LabelSet with others added. */
static PyObject *merged_pairs(const pyctm_label_set *below, PyObject *pairs)
{
    if (below == NULL || PyDict_GET_SIZE(below->pairs) == 0) {
        return Py_NewRef(pairs);
    }
    if (PyDict_GET_SIZE(pairs) == 0) {
        return Py_NewRef(below->pairs);
    }
    PyObject *merged = PyDict_Copy(below->pairs);
    if (merged != NULL && PyDict_Update(merged, pairs) < 0) {
        Py_CLEAR(merged);
    }
    return merged;
}

const char pyctm_label_set_doc[] =
    "_label_set($module, pairs, owner, below, scope, /)\n--\n\n"
    "A LabelSet on top of another one, or of None: it has these pairs, a dict of\n"
    "str to str that is never changed, and those of the other that they do not\n"
    "replace. It is in this ScopeState, or if None, in that of the other.\n\n"
    "ValueError: they cannot be labels; RuntimeError: this interpreter's contexts\n"
    "are not known.";

PyObject *pyctm_module_label_set(PyObject *module, PyObject *const *args, Py_ssize_t n)
{
    const pyctm_module_state *state = pyctm_module_state_of(module);
    if (n != 4 || !PyDict_Check(args[0]) ||
        (args[2] != Py_None && !Py_IS_TYPE(args[2], state->label_set_type)) ||
        (args[3] != Py_None && !Py_IS_TYPE(args[3], state->scope_type))) {
        PyErr_SetString(PyExc_TypeError, "a dict, an object, a LabelSet and a ScopeState are "
                                         "expected");
        return NULL;
    }
    const pyctm_label_set *below = args[2] != Py_None ? (const pyctm_label_set *)args[2] : NULL;
    pyctm_scope *scope = args[3] != Py_None ? (pyctm_scope *)args[3]
                         : below != NULL    ? below->scope
                                            : NULL;
    PyObject *pairs = merged_pairs(below, args[0]);
    PyObject *set = pairs != NULL ? new_set(module, pairs, args[1], args[2], scope) : NULL;
    Py_XDECREF(pairs);
    if (set != NULL) {
        ((pyctm_label_set *)set)->begins_scope = args[3] != Py_None;
    }
    return set;
}

/* Without scopes that have ended elsewhere, as in another thread, and have no labels. Takes a reference and returns one; NULL
 * stays NULL. */
static PyObject *without_ended(PyObject *object)
{
    while (object != NULL && object != Py_None) {
        const pyctm_label_set *set = (const pyctm_label_set *)object;
        if (!set->begins_scope || !set->scope->has_ended || PyDict_GET_SIZE(set->pairs) != 0) {
            break;
        }
        PyObject *below = Py_NewRef(set->below != NULL ? set->below : Py_None);
        Py_DECREF(object);
        object = below;
    }
    return object;
}

const char pyctm_labels_enter_doc[] =
    "_labels_enter($module, pairs, owner, scope, /)\n--\n\n"
    "Put a LabelSet on the one of the present context: see _label_set.";

PyObject *pyctm_module_labels_enter(PyObject *module, PyObject *const *args, Py_ssize_t n)
{
    pyctm_capture *const capture = pyctm_capture_of(module);
    PyObject *below = without_ended(present_set(capture));
    if (n != 3 || below == NULL) {
        Py_XDECREF(below);
        return below == NULL
                   ? NULL
                   : PyErr_Format(PyExc_TypeError, "3 arguments are expected, not %zd", n);
    }
    PyObject *const all[] = {args[0], args[1], below, args[2]};
    PyObject *set = pyctm_module_label_set(module, all, 4);
    const int result = set != NULL ? set_present(capture, set) : -1;
    Py_XDECREF(set);
    Py_DECREF(below);
    return result == 0 ? Py_NewRef(Py_None) : NULL;
}

const char pyctm_labels_leave_doc[] =
    "_labels_leave($module, owner, /)\n--\n\n"
    "Take the LabelSet of this owner from the present context, if it is the topmost\n"
    "one. Returns whether it is.";

PyObject *pyctm_module_labels_leave(PyObject *module, PyObject *owner)
{
    pyctm_capture *const capture = pyctm_capture_of(module);
    PyObject *present = present_set(capture);
    int result = 0;
    const bool is_its =
        present != NULL && present != Py_None && ((const pyctm_label_set *)present)->owner == owner;
    if (is_its) {
        pyctm_label_set *set = (pyctm_label_set *)present;
        PyObject *below = set->below != NULL ? set->below : Py_None;
        /* What the context itself needs for the change is no more of the set that is left. */
        pyctm_labels_expect(capture, below != Py_None ? (pyctm_label_set *)below : NULL);
        result = set_present(capture, below);
        if (result ==
            0) { /* a copy of this context may have the set for long, but does not leave it */
            Py_CLEAR(set->below);
        }
    }
    Py_XDECREF(present);
    return present != NULL && result == 0 ? PyBool_FromLong(is_its) : NULL;
}

pyctm_scope *pyctm_labels_scope(pyctm_capture *capture)
{
    PyObject *present = present_set(capture);
    pyctm_scope *scope =
        present != NULL && present != Py_None ? ((const pyctm_label_set *)present)->scope : NULL;
    if (present == NULL) {
        PyErr_Clear();
    }
    Py_XINCREF((PyObject *)scope);
    Py_XDECREF(present);
    return scope;
}

const char pyctm_labels_set_doc[] = "_labels_set($module, label_set, /)\n--\n\n"
                                    "Give the present context this LabelSet, or none (None).";

PyObject *pyctm_module_labels_set(PyObject *module, PyObject *set)
{
    if (set != Py_None && !Py_IS_TYPE(set, pyctm_module_state_of(module)->label_set_type)) {
        PyErr_SetString(PyExc_TypeError, "a LabelSet or None is expected");
        return NULL;
    }
    return set_present(pyctm_capture_of(module), set) == 0 ? Py_NewRef(Py_None) : NULL;
}

const char pyctm_labels_get_doc[] = "_labels_get($module, /)\n--\n\n"
                                    "The LabelSet of the present context; None: it has none.";

PyObject *pyctm_module_labels_get(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    return present_set(pyctm_capture_of(module));
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
    if (renew_quietly(capture, own) < 0) {
        free(own);
        return NULL;
    }
    free(labels->mark);
    labels->mark = own;
    Py_RETURN_NONE;
}
#endif
