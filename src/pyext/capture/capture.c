/* capture.c: starts and stops tracing, in an order in which no hook finds half a state.
 *
 * Start: the tracer, then the hooks, then `mode`, then what needs events (self-tests). A self-test checks its own block
 * and nothing that other threads change meanwhile.
 * Stop: the reverse order. Nothing that a hook may still be reading is freed.
 */
#include "capture/capture.h"
#include "capture/frames/frames.h"
#include "capture/labels.h"
#include "capture/stdlib_view.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#if !defined(Py_GIL_DISABLED) /* free-threaded builds: module.c refuses the import */

static void fork_before(void)
{
    ctm_tracer_fork_before(pyctm_the_capture.tracer);
}

static void fork_after_parent(void)
{
    ctm_tracer_fork_after_parent(pyctm_the_capture.tracer);
}

static void fork_after_child(void)
{
    ctm_tracer_fork_after_child(pyctm_the_capture.tracer);
}

/* Compares our own walk with CPython's functions, for the innermost Python frame. */
static const char *check_walk(void)
{
    PyThreadState *thread_state = PyThreadState_Get();
    pyctm_position position;
    uint32_t total;
    const uint32_t kept = pyctm_frames_walk(thread_state, &position, 1, &total);
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

int pyctm_capture_init(pyctm_capture *capture)
{
    PYCTM_ASSERT_MAIN();
    const char *failure = pyctm_frames_check_layout();
    if (failure == NULL) {
        failure = check_walk();
    }
    if (failure != NULL) {
        PyErr_Format(PyExc_ImportError, "ctracemalloc does not know this build of Python %s: %s",
                     Py_GetVersion(), failure);
        return -1;
    }
    capture->main_interpreter = PyInterpreterState_Main();
    capture->main_holder = pyctm_frames_main_holder();
    if (capture->tracer == NULL) {
        if (ctm_tracer_new(&capture->tracer) != CTM_OK) {
            PyErr_NoMemory();
            return -1;
        }
        capture->exclusive = ctm_tracer_exclusive(capture->tracer);
        pyctm_code_cache_init(&capture->codes, capture->tracer);
        pyctm_stack_cache_init(&capture->stacks, capture->tracer, &capture->codes);
        capture->attribution.own_filename = "<ctracemalloc>";
        if (pthread_atfork(fork_before, fork_after_parent, fork_after_child) != 0) {
            ctm_tracer_free(capture->tracer);
            capture->tracer = NULL;
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

int pyctm_capture_raise_box(ctm_status status, PyObject *path)
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

static int start_black_box(pyctm_capture *capture, PyObject *path)
{
    return pyctm_capture_raise_box(ctm_black_box_start(capture->tracer, PyBytes_AS_STRING(path)),
                                   path);
}

static int continue_in_black_box(pyctm_capture *capture, PyObject *path)
{
    return pyctm_capture_raise_box(ctm_black_box_continue(capture->tracer, PyBytes_AS_STRING(path)),
                                   path);
}

/* Free lists are followed only if every block is traced: most revived objects would not be in the sample. */
static int start_tracer(pyctm_capture *capture, PyObject *stdlib_tracemalloc, uint32_t nframe,
                        uint64_t sample_interval)
{
    ctm_tracer *tracer = capture->tracer;
    /* If another module has stdlib's name, the later checks of hooks and free lists report the loss. */
    (void)pyctm_stdlib_view_install(stdlib_tracemalloc);
    if (sample_interval == 0 && pyctm_stdlib_flag_raise(capture, stdlib_tracemalloc) < 0) {
        return -1;
    }
    const ctm_status status = sample_interval != 0
                                  ? ctm_tracer_start_sampling(tracer, nframe, sample_interval)
                                  : ctm_tracer_start(tracer, nframe);
    if (status != CTM_OK) {
        pyctm_stdlib_flag_lower(capture, stdlib_tracemalloc);
        PyErr_NoMemory();
        return -1;
    }
    return 0;
}

int pyctm_capture_start(pyctm_capture *capture, PyObject *stdlib_tracemalloc, uint32_t nframe,
                        uint64_t sample_interval, PyObject *black_box)
{
    PYCTM_ASSERT_MAIN();
    if (ctm_tracer_is_tracing(capture->tracer)) {
        return black_box != NULL ? continue_in_black_box(capture, black_box) : 0;
    }
    pyctm_track_prepare(capture);
    if (start_tracer(capture, stdlib_tracemalloc, nframe, sample_interval) < 0) {
        return -1;
    }
    if (black_box != NULL && start_black_box(capture, black_box) < 0) {
        pyctm_stdlib_flag_lower(capture, stdlib_tracemalloc);
        ctm_tracer_stop(capture->tracer);
        return -1;
    }
    pyctm_stack_forget(&capture->stacks);
    atomic_store(&capture->lost_reattributions, 0);
    pyctm_labels_settle(capture);
    pyctm_hooks_install(sample_interval != 0);
    atomic_store(&capture->mode, sample_interval != 0           ? PYCTM_SAMPLING
                                 : pyctm_labels_in_use(capture) ? PYCTM_LABELLED
                                                                : PYCTM_EXACT);
    capture->allocators = (pyctm_fact){true, "all three domains are hooked"};
    (void)pyctm_capture_is_alive(capture);
    pyctm_track_start(capture);
    if (sample_interval == 0) {
        pyctm_freelist_start(capture);
    } else {
        capture->free_lists =
            (pyctm_fact){false, "not followed when sampling: an object from a free list keeps its "
                                "block's traceback"};
    }
    pyctm_capture_clear(capture);
    pyctm_capture_report_losses(capture);
    return 0;
}

static void report_loss(pyctm_capture *capture, const char *kind, pyctm_fact fact)
{
    if (!fact.ok) {
        ctm_tracer_loss(capture->tracer, kind, fact.detail, 0);
    }
}

void pyctm_capture_report_losses(pyctm_capture *capture)
{
    PYCTM_ASSERT_MAIN();
    if (ctm_tracer_is_tracing(capture->tracer)) {
        report_loss(capture, "allocators", capture->allocators);
        report_loss(capture, "free_lists", capture->free_lists);
        report_loss(capture, "tracked_blocks", capture->tracked_blocks);
    }
}

void pyctm_capture_find_losses(pyctm_capture *capture)
{
    PYCTM_ASSERT_MAIN();
    if (!ctm_tracer_is_tracing(capture->tracer)) {
        return;
    }
    if (capture->free_lists.ok && !pyctm_freelist_is_alive()) {
        capture->free_lists =
            (pyctm_fact){false, "another tool took the reference tracer after start()"};
    }
    if (capture->allocators.ok) {
        (void)pyctm_capture_is_alive(capture);
    }
    pyctm_capture_report_losses(capture);
}

/* After this call no more events are recorded. */
static void remove_hooks(pyctm_capture *capture, PyObject *stdlib_tracemalloc)
{
    if (stdlib_tracemalloc != NULL) {
        pyctm_capture_find_losses(capture);
    }
    if (ctm_tracer_sample_interval(capture->tracer) == 0) {
        pyctm_freelist_stop();
    }
    atomic_store(&capture->mode, PYCTM_IDLE);
    if (stdlib_tracemalloc != NULL) {
        pyctm_hooks_remove();
    }
    pyctm_stdlib_flag_lower(capture, stdlib_tracemalloc);
}

void pyctm_capture_stop(pyctm_capture *capture, PyObject *stdlib_tracemalloc)
{
    PYCTM_ASSERT_MAIN();
    PYCTM_ASSERT(!pyctm_hook_tls.inside);
    if (ctm_tracer_is_tracing(capture->tracer)) {
        remove_hooks(capture, stdlib_tracemalloc);
        ctm_tracer_stop(capture->tracer);
        pyctm_stack_release(&capture->stacks);
    }
}

ctm_status pyctm_capture_finish(pyctm_capture *capture, PyObject *stdlib_tracemalloc,
                                struct ctm_snapshot **out)
{
    PYCTM_ASSERT_MAIN();
    if (!ctm_tracer_is_tracing(capture->tracer)) {
        return CTM_ERR_NOT_TRACING;
    }
    remove_hooks(capture, stdlib_tracemalloc);
    pyctm_stack_release(&capture->stacks);
    return ctm_tracer_finish(capture->tracer, out);
}

void pyctm_capture_clear(pyctm_capture *capture)
{
    PYCTM_ASSERT_MAIN();
    ctm_tracer_clear(capture->tracer);
    pyctm_labels_settle(capture);
    atomic_store(&capture->lost_reattributions, 0); /* they were of blocks that are now forgotten */
    pyctm_stack_forget(&capture->stacks);
}

static const char *describe(pyctm_reach reach)
{
    return reach == PYCTM_REACH_NONE ? "another tool replaced the hooks"
           : reach == PYCTM_REACH_SOME
               ? "another tool's hooks above ours keep some blocks to themselves"
               : NULL;
}

/* A loss remains until the next start. */
bool pyctm_capture_is_alive(pyctm_capture *capture)
{
    PYCTM_ASSERT_MAIN();
    PYCTM_ASSERT(!pyctm_hook_tls.inside);
    const pyctm_reach reach = pyctm_hooks_reach();
    const char *loss = describe(reach);
    if (loss != NULL) {
        capture->allocators = (pyctm_fact){false, loss};
    }
    return reach != PYCTM_REACH_NONE;
}
#endif
