/* capture.c: starting and stopping, in the order that never shows a hook half a state.
 *
 * Start: the tracer, then the hooks, then `mode`, then what depends on live events (self-tests). A self-test looks at its own
 * block and at nothing that other threads change meanwhile.
 * Stop: the other way round. Nothing that a hook may still be reading is freed.
 */
#include "capture.h"
#include "frames.h"
#include "stack.h"
#include "stdlib_view.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#if !defined(Py_GIL_DISABLED) /* free-threaded builds: module.c refuses the import */

ctm_capture ctm_the_capture;

static void fork_before(void)
{
    ctm_tracer_fork_before(ctm_the_capture.tracer);
}

static void fork_after_parent(void)
{
    ctm_tracer_fork_after_parent(ctm_the_capture.tracer);
}

static void fork_after_child(void)
{
    ctm_tracer_fork_after_child(ctm_the_capture.tracer);
}

/* Our own walk against CPython's account of the innermost Python frame. */
static const char *check_walk(void)
{
    PyThreadState *thread_state = PyThreadState_Get();
    ctm_position position;
    uint32_t total;
    const uint32_t kept = ctm_frames_walk(thread_state, &position, 1, &total);
    PyFrameObject *frame = PyThreadState_GetFrame(thread_state);
    if (frame == NULL) {
        return kept == 0 ? NULL : "a frame was found where there is none";
    }
    PyCodeObject *code = PyFrame_GetCode(frame);
    const int lasti = PyFrame_GetLasti(frame);
    const bool agrees = kept == 1 && position.code == code && position.unit * 2 == lasti;
    Py_DECREF(code);
    Py_DECREF(frame);
    return agrees ? NULL : "the stack is laid out differently";
}

int ctm_capture_init(void)
{
    const char *failure = ctm_frames_check_layout();
    if (failure == NULL) {
        failure = check_walk();
    }
    if (failure != NULL) {
        PyErr_Format(PyExc_ImportError, "ctracemalloc does not know this build of Python %s: %s",
                     Py_GetVersion(), failure);
        return -1;
    }
    ctm_the_capture.main_interpreter = PyInterpreterState_Main();
    ctm_the_capture.main_holder = ctm_frames_main_holder();
    if (ctm_the_capture.tracer == NULL) {
        if (ctm_tracer_new(&ctm_the_capture.tracer) != CTM_OK) {
            PyErr_NoMemory();
            return -1;
        }
        ctm_the_capture.exclusive = ctm_tracer_exclusive(ctm_the_capture.tracer);
        if (pthread_atfork(fork_before, fork_after_parent, fork_after_child) != 0) {
            ctm_tracer_free(ctm_the_capture.tracer);
            ctm_the_capture.tracer = NULL;
            PyErr_NoMemory();
            return -1;
        }
    }
    return 0;
}

static PyObject *raise_black_box(int error, PyObject *path)
{
    const char *reason = error == EWOULDBLOCK ? "another process writes this black box"
                         : error == EEXIST    ? "there is something else than a black box"
                         : error == ELOOP     ? "a symbolic link, which is not followed"
                                              : strerror(error);
    PyObject *text = PyUnicode_DecodeFSDefault(PyBytes_AS_STRING(path));
    PyObject *exception =
        text != NULL ? PyObject_CallFunction(PyExc_OSError, "isO", error, reason, text) : NULL;
    if (exception != NULL) {
        PyErr_SetObject((PyObject *)Py_TYPE(exception), exception);
    }
    Py_XDECREF(exception);
    Py_XDECREF(text);
    return NULL;
}

int ctm_capture_raise_box(ctm_status status, PyObject *path)
{
    if (status == CTM_ERR_NOMEM) {
        PyErr_NoMemory();
    } else if (status == CTM_ERR_IO) {
        (void)raise_black_box(errno, path);
    } else if (status != CTM_OK) {
        PyErr_SetString(PyExc_RuntimeError, ctm_status_text(status));
    }
    return status == CTM_OK ? 0 : -1;
}

static int start_black_box(PyObject *path)
{
    return ctm_capture_raise_box(
        ctm_black_box_start(ctm_the_capture.tracer, PyBytes_AS_STRING(path)), path);
}

static int continue_in_black_box(PyObject *path)
{
    return ctm_capture_raise_box(
        ctm_black_box_continue(ctm_the_capture.tracer, PyBytes_AS_STRING(path)), path);
}

/* Free lists are followed only if every block is: most revived objects would not be in the sample. */
static int start_tracer(PyObject *stdlib_tracemalloc, uint32_t nframe, uint64_t sample_interval)
{
    ctm_tracer *tracer = ctm_the_capture.tracer;
    /* If something else has the module's name, later looks at hooks and free lists say what is lost. */
    (void)ctm_stdlib_view_install(stdlib_tracemalloc);
    if (sample_interval == 0 && ctm_ride_mount(stdlib_tracemalloc) < 0) {
        return -1;
    }
    const ctm_status status = sample_interval != 0
                                  ? ctm_tracer_start_sampling(tracer, nframe, sample_interval)
                                  : ctm_tracer_start(tracer, nframe);
    if (status != CTM_OK) {
        ctm_ride_dismount(stdlib_tracemalloc);
        PyErr_NoMemory();
        return -1;
    }
    return 0;
}

int ctm_capture_start(PyObject *stdlib_tracemalloc, uint32_t nframe, uint64_t sample_interval,
                      PyObject *black_box)
{
    if (ctm_tracer_is_tracing(ctm_the_capture.tracer)) {
        return black_box != NULL ? continue_in_black_box(black_box) : 0;
    }
    ctm_track_prepare();
    if (start_tracer(stdlib_tracemalloc, nframe, sample_interval) < 0) {
        return -1;
    }
    if (black_box != NULL && start_black_box(black_box) < 0) {
        ctm_ride_dismount(stdlib_tracemalloc);
        ctm_tracer_stop(ctm_the_capture.tracer);
        return -1;
    }
    ctm_stack_forget();
    atomic_store(&ctm_the_capture.lost_reattributions, 0);
    ctm_hooks_install(sample_interval != 0);
    atomic_store(&ctm_the_capture.mode, sample_interval != 0 ? CTM_SAMPLING : CTM_EXACT);
    ctm_the_capture.allocators = (ctm_fact){true, "all three domains are hooked"};
    (void)ctm_capture_is_alive();
    ctm_track_start();
    if (sample_interval == 0) {
        ctm_freelist_start();
    } else {
        ctm_the_capture.free_lists =
            (ctm_fact){false, "not followed when sampling: an object from a free list keeps its "
                              "block's traceback"};
    }
    ctm_capture_clear();
    ctm_capture_tell_losses();
    return 0;
}

static void tell_loss(const char *kind, ctm_fact fact)
{
    if (!fact.ok) {
        ctm_tracer_loss(ctm_the_capture.tracer, kind, fact.detail, 0);
    }
}

void ctm_capture_tell_losses(void)
{
    if (ctm_tracer_is_tracing(ctm_the_capture.tracer)) {
        tell_loss("allocators", ctm_the_capture.allocators);
        tell_loss("free_lists", ctm_the_capture.free_lists);
        tell_loss("tracked_blocks", ctm_the_capture.tracked_blocks);
    }
}

void ctm_capture_find_losses(void)
{
    if (!ctm_tracer_is_tracing(ctm_the_capture.tracer)) {
        return;
    }
    if (ctm_the_capture.free_lists.ok && !ctm_freelist_is_alive()) {
        ctm_the_capture.free_lists =
            (ctm_fact){false, "somebody else took the reference tracer after start()"};
    }
    if (ctm_the_capture.allocators.ok) {
        (void)ctm_capture_is_alive();
    }
    ctm_capture_tell_losses();
}

/* From here on no event comes. */
static void remove_hooks(PyObject *stdlib_tracemalloc)
{
    if (stdlib_tracemalloc != NULL) {
        ctm_capture_find_losses();
    }
    if (ctm_tracer_sample_interval(ctm_the_capture.tracer) == 0) {
        ctm_freelist_stop();
    }
    atomic_store(&ctm_the_capture.mode, CTM_IDLE);
    if (stdlib_tracemalloc != NULL) {
        ctm_hooks_remove();
    }
    ctm_ride_dismount(stdlib_tracemalloc);
}

void ctm_capture_stop(PyObject *stdlib_tracemalloc)
{
    if (ctm_tracer_is_tracing(ctm_the_capture.tracer)) {
        remove_hooks(stdlib_tracemalloc);
        ctm_tracer_stop(ctm_the_capture.tracer);
        ctm_stack_release();
    }
}

ctm_status ctm_capture_finish(PyObject *stdlib_tracemalloc, struct ctm_snapshot **out)
{
    if (!ctm_tracer_is_tracing(ctm_the_capture.tracer)) {
        return CTM_ERR_NOT_TRACING;
    }
    remove_hooks(stdlib_tracemalloc);
    ctm_stack_release();
    return ctm_tracer_finish(ctm_the_capture.tracer, out);
}

void ctm_capture_clear(void)
{
    ctm_tracer_clear(ctm_the_capture.tracer);
    atomic_store(&ctm_the_capture.lost_reattributions, 0); /* of blocks that are forgotten */
    ctm_stack_forget();
}

static const char *describe(ctm_reach reach)
{
    return reach == CTM_REACH_NONE ? "somebody else replaced the hooks"
           : reach == CTM_REACH_SOME
               ? "another tool's hooks above ours keep some blocks to themselves"
               : NULL;
}

/* What is lost stays lost until the next start. */
bool ctm_capture_is_alive(void)
{
    const ctm_reach reach = ctm_hooks_reach();
    const char *loss = describe(reach);
    if (loss != NULL) {
        ctm_the_capture.allocators = (ctm_fact){false, loss};
    }
    return reach != CTM_REACH_NONE;
}
#endif
