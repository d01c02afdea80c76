/* doctor.c: reports how well this interpreter can be followed. */
#include "api/module.h"

#if !defined(Py_GIL_DISABLED)

static int add_fact(PyObject *facts, const char *name, bool ok, const char *detail)
{
    PyObject *fact = Py_BuildValue("{s:O,s:s}", "ok", ok ? Py_True : Py_False, "detail", detail);
    const int result = fact != NULL ? PyDict_SetItemString(facts, name, fact) : -1;
    Py_XDECREF(fact);
    return result;
}

static int add_facts(pyctm_capture *capture, PyObject *facts)
{
    const uint64_t lost = atomic_load(&capture->lost_reattributions);
    if (add_fact(facts, "allocators", capture->allocators.ok, capture->allocators.detail) < 0 ||
        add_fact(facts, "free_lists", capture->free_lists.ok, capture->free_lists.detail) < 0 ||
        add_fact(facts, "tracked_blocks", capture->tracked_blocks.ok,
                 capture->tracked_blocks.detail) < 0 ||
        add_fact(facts, "frames", true, "read from the interpreter's own structs; layout checked") <
            0) {
        return -1;
    }
    const uint64_t unplaced = ctm_tracer_unplaced(capture->tracer);
    return add_fact(facts, "memory", lost == 0 && unplaced == 0,
                    lost != 0 ? "some objects revived from free lists kept their old traceback"
                    : unplaced != 0
                        ? "some blocks are counted in one row, because a table could not grow"
                        : "no event was lost for want of memory");
}

/* Restores the sample interval of the last start(), which a short tracing by doctor() has changed. */
static void restore_interval(pyctm_capture *capture, uint32_t nframe, uint64_t interval)
{
    ctm_tracer *tracer = capture->tracer;
    if (interval != 0 && ctm_tracer_start_sampling(tracer, nframe, interval) == CTM_OK) {
        ctm_tracer_stop(tracer);
    }
}

const char pyctm_doctor_doc[] =
    "_doctor($module, /)\n--\n\n"
    "How this interpreter is followed: a dict of facts, each with 'ok' and\n"
    "'detail'. Traces for a moment if tracing is off.";

PyObject *pyctm_module_doctor(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    pyctm_capture *const capture = pyctm_capture_of(module);
    PyObject *stdlib = pyctm_module_state_of(module)->stdlib;
    const bool was_tracing = ctm_tracer_is_tracing(capture->tracer);
    const uint32_t limit = ctm_tracer_nframe(capture->tracer);
    const uint64_t interval = ctm_tracer_sample_interval(capture->tracer);
    PyObject *facts = PyDict_New();
    if (facts == NULL || pyctm_capture_start(capture, stdlib, limit, 0, NULL) < 0) {
        Py_XDECREF(facts);
        return NULL;
    }
    if (was_tracing) {
        pyctm_capture_find_losses(capture);
    } else {
        pyctm_capture_stop(capture, stdlib);
        restore_interval(capture, limit, interval);
    }
    if (add_facts(capture, facts) < 0) {
        Py_CLEAR(facts);
    }
    return facts;
}

const char pyctm_announced_by_doc[] =
    "_announced_by($module, way, /)\n--\n\n"
    "For tests, before the first start: announced blocks are to be followed by the\n"
    "jump (1) or by the callers' tables (2) only; 0: by whatever works.";

PyObject *pyctm_module_announced_by(PyObject *Py_UNUSED(module), PyObject *argument)
{
    const long way = PyLong_AsLong(argument);
    if (way == -1 && PyErr_Occurred()) {
        return NULL;
    }
    if (way < PYCTM_ANNOUNCED_LOST || way > PYCTM_ANNOUNCED_BY_TABLE) {
        PyErr_SetString(PyExc_ValueError, "way must be 0, 1 or 2");
        return NULL;
    }
    if (!pyctm_track_requested((pyctm_announced)way)) {
        PyErr_SetString(PyExc_RuntimeError, "announced blocks are followed in another way already");
        return NULL;
    }
    Py_RETURN_NONE;
}
#endif
