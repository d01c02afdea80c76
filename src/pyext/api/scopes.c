/* scopes.c: the scopes of a tracer (ctm/scopes.h) as objects, on which the package builds its own: see scopes.py there.
 *
 * Model: a ScopeState holds one scope. A scope of a thread or task is that of the LabelSets that are made for it (labels.c). A scope
 * of the process is that of all threads: when one begins or ends, all LabelSets, and threads without one, get other handles. The
 * innermost one that is open is the capture's.
 */
#include "api/module.h"
#include "capture/labels.h"

#if !defined(Py_GIL_DISABLED)

static void scope_dealloc(PyObject *self)
{
    pyctm_scope *scope = (pyctm_scope *)self;
    PyTypeObject *type = Py_TYPE(self);
    if (scope->scope != NULL) {
        ctm_scope_release(scope->scope);
    }
    Py_XDECREF((PyObject *)scope->outer);
    type->tp_free(self);
    Py_DECREF((PyObject *)type);
}

/* A scope of the process that has ended is around no other one any more: a chain of them would grow, if each ends while the
 * next one is open. */
static void take_out(const pyctm_labels *labels, pyctm_scope *ended)
{
    for (pyctm_scope *scope = labels->process; scope != NULL; scope = scope->outer) {
        if (scope->outer == ended) {
            scope->outer = ended->outer;
            Py_XINCREF((PyObject *)scope->outer);
            Py_DECREF((PyObject *)ended);
            return;
        }
    }
}

/* Threads are in the scope around from now on. If there is no memory for that they stay in this one, which is in that one, too. */
static void leave_process(pyctm_capture *capture, pyctm_scope *scope)
{
    pyctm_scope *next = scope->outer;
    while (next != NULL && next->has_ended) {
        next = next->outer;
    }
    capture->labels.process = next;
    if (pyctm_labels_renew(capture) < 0) {
        PyErr_Clear();
        capture->labels.process = scope;
        return;
    }
    Py_XINCREF((PyObject *)next);
    Py_DECREF((PyObject *)scope);
}

static PyObject *scope_end(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    pyctm_scope *scope = (pyctm_scope *)self;
    ctm_scope_end(scope->scope);
    scope->has_ended = true;
    if (pyctm_the_capture.labels.process == scope) {
        leave_process(&pyctm_the_capture, scope);
    } else if (scope->is_process) {
        take_out(&pyctm_the_capture.labels, scope);
    }
    Py_RETURN_NONE;
}

static PyObject *scope_figures(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    ctm_scope_figures f;
    ctm_scope_read(((pyctm_scope *)self)->scope, &f);
    return Py_BuildValue("KKKKKKKNN", f.live_bytes, f.live_blocks, f.grown_bytes, f.grown_blocks,
                         f.allocated_bytes, f.allocated_blocks, f.peak_bytes,
                         PyBool_FromLong(f.has_ended), PyBool_FromLong(f.is_known));
}

static ctm_status snapshot_of(pyctm_capture *capture, ctm_scope *scope, bool at_end, bool at_peak,
                              ctm_snapshot **out)
{
    ctm_snapshot *snapshot;
    pyctm_capture_report_losses(capture);
    ctm_status status = ctm_scope_snapshot(scope, at_end, &snapshot);
    if (status == CTM_OK && at_peak) {
        status = ctm_snapshot_at_peak(snapshot, out);
        ctm_snapshot_unref(snapshot);
    } else if (status == CTM_OK) {
        *out = snapshot;
    }
    return status;
}

static PyObject *scope_snapshot(PyObject *self, PyObject *args)
{
    pyctm_module_state *state = PyType_GetModuleState(Py_TYPE(self));
    int at_end, at_peak;
    ctm_snapshot *snapshot;
    if (state == NULL || !PyArg_ParseTuple(args, "pp", &at_end, &at_peak) ||
        pyctm_check_capture(state->capture, false) < 0) {
        return NULL;
    }
    PyObject *result = NULL;
    PyObject *limit = PyLong_FromUnsignedLong(ctm_tracer_nframe(state->capture->tracer));
    const bool own = pyctm_self_scope_begin(state->capture);
    const ctm_status status = snapshot_of(state->capture, ((pyctm_scope *)self)->scope, at_end != 0,
                                          at_peak != 0, &snapshot);
    if (status == CTM_OK && limit != NULL) {
        result = pyctm_snapshot_object_new(&state->types, snapshot, limit);
    } else if (status == CTM_OK) {
        ctm_snapshot_unref(snapshot);
    } else {
        pyctm_status_raise(&state->types, status, NULL, NULL);
    }
    pyctm_self_scope_end(own);
    Py_XDECREF(limit);
    return result;
}

static PyMethodDef scope_methods[] = {
    {"end", scope_end, METH_NOARGS,
     PyDoc_STR("end($self, /)\n--\n\nFrom now on its figures are fixed, but for what is live.")},
    {"figures", scope_figures, METH_NOARGS,
     PyDoc_STR("figures($self, /)\n--\n\n"
               "The live bytes and blocks, the same at its end, the allocated bytes and blocks,\n"
               "the peak in bytes, whether it has ended, and whether all this is known.")},
    {"snapshot", scope_snapshot, METH_VARARGS,
     PyDoc_STR("snapshot($self, at_end, at_peak, /)\n--\n\n"
               "A Snapshot of its blocks that are live now, or were at its end or its peak.")},
    {NULL, NULL, 0, NULL},
};

static PyObject *scope_is_lost(PyObject *self, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(ctm_scope_is_lost(((pyctm_scope *)self)->scope));
}

static PyGetSetDef scope_members[] = {
    {"is_lost", scope_is_lost, NULL,
     PyDoc_STR("Whether tracing was stopped, or traces were cleared, since its beginning."), NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot scope_slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("What is allocated between two moments by one thread or task, "
                                  "or by all.")},
    {Py_tp_dealloc, (void *)scope_dealloc},
    {Py_tp_methods, scope_methods},
    {Py_tp_getset, scope_members},
    {0, NULL},
};

static PyType_Spec scope_spec = {
    .name = "ctracemalloc._ctracemalloc.ScopeState",
    .basicsize = sizeof(pyctm_scope),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = scope_slots,
};

/* All threads are in this scope from now on. -1 with an exception. */
static int enter_process(PyObject *module, pyctm_capture *capture, pyctm_scope *scope)
{
    pyctm_labels *labels = &capture->labels;
    scope->is_process = true;
    scope->outer = labels->process;
    labels->process = scope;
    if (pyctm_labels_use(module) < 0 || pyctm_labels_renew(capture) < 0) {
        labels->process = scope->outer;
        scope->outer = NULL;
        return -1;
    }
    Py_INCREF((PyObject *)scope); /* the capture's; the one that it had is `outer` now */
    return 0;
}

const char pyctm_scope_begin_doc[] =
    "_scope_begin($module, is_process, /)\n--\n\n"
    "Begin a scope within that of the present context, or one of the process within\n"
    "its present one. Returns a ScopeState; what is in it is up to _label_set.";

PyObject *pyctm_module_scope_begin(PyObject *module, PyObject *is_process)
{
    pyctm_module_state *state = pyctm_module_state_of(module);
    pyctm_capture *const capture = state->capture;
    if (state->scope_type == NULL) {
        state->scope_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &scope_spec, NULL);
    }
    pyctm_scope *scope = state->scope_type != NULL
                             ? (pyctm_scope *)state->scope_type->tp_alloc(state->scope_type, 0)
                             : NULL;
    if (scope == NULL) {
        return NULL;
    }
    pyctm_scope *around =
        is_process == Py_True ? capture->labels.process : pyctm_labels_scope(capture);
    const ctm_status status = ctm_tracer_scope_begin(
        capture->tracer, around != NULL ? around->scope : NULL, &scope->scope);
    if (is_process != Py_True) {
        Py_XDECREF((PyObject *)around);
    }
    if (status != CTM_OK) {
        PyErr_NoMemory();
    }
    if (status != CTM_OK || (is_process == Py_True && enter_process(module, capture, scope) < 0)) {
        Py_DECREF((PyObject *)scope);
        return NULL;
    }
    return (PyObject *)scope;
}
#endif
