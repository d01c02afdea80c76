/* snapshots.c: take_snapshot and _get_traces.
 *
 * Like tracemalloc.py, take_snapshot looks its helpers up in the package at each call, because tests and users replace
 * them there. */
#include "api/module.h"
#include "types/args.h"

#if !defined(Py_GIL_DISABLED)

/* The package's attribute `name` if it is not ours any more (tests patch it), else NULL. */
static PyObject *replaced(PyObject *package, PyObject *name, PyObject *ours)
{
    PyObject *value = package != NULL ? PyObject_GetAttr(package, name) : NULL;
    if (value == NULL) {
        PyErr_Clear();
        return NULL;
    }
    if (value == ours) {
        Py_DECREF(value);
        return NULL;
    }
    return value;
}

/* Calls the package's `name` (or the module's own, if the package has none). */
static PyObject *call_public(PyObject *module, PyObject *package, PyObject *name)
{
    PyObject *target = package != NULL && PyObject_HasAttr(package, name) ? package : module;
    return PyObject_CallMethodNoArgs(target, name);
}

static int require_tracing(PyObject *module, PyObject *package)
{
    PyObject *tracing =
        call_public(module, package, pyctm_module_state_of(module)->is_tracing_name);
    const int is_true = tracing != NULL ? PyObject_IsTrue(tracing) : -1;
    Py_XDECREF(tracing);
    if (is_true == 0) {
        PyErr_SetString(PyExc_RuntimeError, "the tracemalloc module must be tracing memory "
                                            "allocations to take a snapshot");
    }
    return is_true == 1 ? 0 : -1;
}

/* Refuses if the numbers cannot be true, because the hooks are gone; warns of losses, if `warns`. */
int pyctm_check_capture(pyctm_capture *capture, bool warns)
{
    if (ctm_black_box_is_broken(capture->tracer)) {
        PyErr_SetString(PyExc_RuntimeError,
                        "another program truncated the file of the black box, and with it counters "
                        "were lost: call clear_traces(), or stop() and start(), to restart");
        return -1;
    }
    if (!pyctm_capture_is_alive(capture)) {
        PyErr_SetString(PyExc_RuntimeError,
                        "another tool replaced Python's memory allocators while ctracemalloc was "
                        "tracing: the traces are incomplete; call stop() and start() to "
                        "restart");
        return -1;
    }
    if (capture->free_lists.ok && !pyctm_freelist_is_alive()) {
        capture->free_lists =
            (pyctm_fact){false, "another tool took the reference tracer after start()"};
        return !warns ? 0
                      : PyErr_WarnEx(PyExc_RuntimeWarning,
                                     "ctracemalloc no longer follows free lists, because another "
                                     "tool took Python's reference "
                                     "tracer: some objects keep the traceback of an earlier one",
                                     2);
    }
    return 0;
}

/* The snapshot of take_snapshot(at_peak=True). Releases `snapshot`, from which it is made. */
static ctm_snapshot *at_peak_of(pyctm_module_state *state, ctm_snapshot *snapshot)
{
    ctm_snapshot *peak = NULL;
    const ctm_status status = ctm_snapshot_at_peak(snapshot, &peak);
    ctm_snapshot_unref(snapshot);
    if (status == CTM_ERR_NOT_FOUND) {
        PyErr_SetString(PyExc_RuntimeError, "what was live at the peak is not known");
    } else if (status != CTM_OK) {
        pyctm_status_raise(&state->types, status, NULL, NULL);
    }
    return peak;
}

static ctm_snapshot *copy_of_tracer(pyctm_module_state *state)
{
    ctm_snapshot *snapshot = NULL;
    pyctm_capture_report_losses(state->capture);
    const ctm_status status = ctm_tracer_snapshot(state->capture->tracer, &snapshot);
    if (status != CTM_OK) {
        pyctm_status_raise(&state->types, status, NULL, NULL);
        return NULL;
    }
    return snapshot;
}

static PyObject *snapshot_of_tracer(PyObject *module, PyObject *limit, bool at_peak, bool warns)
{
    pyctm_module_state *state = pyctm_module_state_of(module);
    if (pyctm_check_capture(pyctm_capture_of(module), warns) < 0) {
        return NULL;
    }
    ctm_snapshot *snapshot = copy_of_tracer(state);
    if (snapshot != NULL && at_peak) {
        snapshot = at_peak_of(state, snapshot);
    }
    return snapshot != NULL ? pyctm_snapshot_object_new(&state->types, snapshot, limit) : NULL;
}

static PyObject *snapshot_of_list(pyctm_module_state *state, PyObject *get_traces, PyObject *limit,
                                  bool at_peak)
{
    if (at_peak) {
        PyErr_SetString(PyExc_RuntimeError, "what was live at the peak is not known, because "
                                            "ctracemalloc._get_traces was replaced");
        return NULL;
    }
    PyObject *traces = PyObject_CallNoArgs(get_traces);
    PyObject *snapshot = NULL;
    if (traces != NULL) {
        snapshot = PyObject_CallFunctionObjArgs((PyObject *)state->types.snapshot_type, traces,
                                                limit, NULL);
    }
    Py_XDECREF(traces);
    return snapshot;
}

const char pyctm_take_snapshot_doc[] =
    "take_snapshot($module, /, *, at_peak=False)\n--\n\n"
    "Take a snapshot of traces of memory blocks allocated by Python.\n\n"
    "Returns a Snapshot; at_peak=True: of the blocks that were live at the moment of\n"
    "the peak, when their total was greatest since start, clear_traces or\n"
    "reset_peak. Its cost depends on the number of places that allocate, not on the\n"
    "number of blocks. Raises RuntimeError if not tracing.";

static int parse_at_peak(PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames, bool *out)
{
    static const pyctm_params params = {"take_snapshot", {"*at_peak"}, 1, 0, 0};
    PyObject *given;
    if (pyctm_bind(&params, args, nargs, kwnames, &given) < 0) {
        return -1;
    }
    const int truth = given != NULL ? PyObject_IsTrue(given) : 0;
    *out = truth > 0;
    return truth < 0 ? -1 : 0;
}

PyObject *pyctm_module_take_snapshot(PyObject *module, PyObject *const *args, Py_ssize_t nargs,
                                     PyObject *kwnames)
{
    bool at_peak;
    if (parse_at_peak(args, nargs, kwnames, &at_peak) < 0) {
        return NULL;
    }
    pyctm_module_state *state = pyctm_module_state_of(module);
    PyObject *package = PyImport_GetModule(state->package_name);
    PyObject *snapshot = NULL, *get_traces = NULL;
    pyctm_track_search_again();
    if (require_tracing(module, package) == 0) {
        get_traces = replaced(package, state->get_traces_name, state->get_traces);
        PyObject *limit = call_public(module, package, state->get_limit_name);
        if (limit != NULL) {
            const bool own = pyctm_self_scope_begin(pyctm_capture_of(module));
            snapshot = get_traces != NULL ? snapshot_of_list(state, get_traces, limit, at_peak)
                                          : snapshot_of_tracer(module, limit, at_peak, true);
            pyctm_self_scope_end(own);
        }
        Py_XDECREF(limit);
    }
    Py_XDECREF(get_traces);
    Py_XDECREF(package);
    return snapshot;
}

const char pyctm_report_snapshot_doc[] =
    "_report_snapshot($module, /)\n--\n\n"
    "take_snapshot() for a report that nobody's code has asked for: of what is\n"
    "traced, whatever the program has put in the place of this module's functions,\n"
    "and without warnings, which are the program's. What they say is a loss.";

PyObject *pyctm_module_report_snapshot(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    pyctm_capture *const capture = pyctm_capture_of(module);
    if (!ctm_tracer_is_tracing(capture->tracer)) {
        return pyctm_status_raise(&pyctm_module_state_of(module)->types, CTM_ERR_NOT_TRACING, NULL,
                                  NULL);
    }
    pyctm_track_search_again();
    PyObject *snapshot = NULL;
    PyObject *limit = PyLong_FromUnsignedLong(ctm_tracer_nframe(capture->tracer));
    if (limit != NULL) {
        const bool own = pyctm_self_scope_begin(capture);
        snapshot = snapshot_of_tracer(module, limit, false, false);
        pyctm_self_scope_end(own);
        Py_DECREF(limit);
    }
    return snapshot;
}

const char pyctm_get_traces_doc[] =
    "_get_traces($module, /)\n--\n\n"
    "Get traces of all memory blocks allocated by Python.\n\n"
    "Return a list of (domain, size: int, traceback: tuple, total_nframe: int)\n"
    "tuples, an empty list if not tracing.";

PyObject *pyctm_module_get_traces(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    pyctm_capture *const capture = pyctm_capture_of(module);
    pyctm_module_state *state = pyctm_module_state_of(module);
    if (!ctm_tracer_is_tracing(capture->tracer)) {
        return PyList_New(0);
    }
    ctm_snapshot *snapshot = copy_of_tracer(state);
    if (snapshot == NULL) {
        return NULL;
    }
    const bool own = pyctm_self_scope_begin(capture);
    PyObject *traces = pyctm_raw_traces(&state->types, snapshot);
    pyctm_self_scope_end(own);
    return traces;
}
#endif
