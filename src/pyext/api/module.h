/* module.h: shared by the files of the extension module.
 *
 * Model: module.c has the table of functions, and initializes and ends the module; the functions are in tracing.c,
 * snapshots.c, block.c, labels.c, automatic_labels.c, scopes.c, doctor.c, recorder.c, black_box.c, last.c, resend.c, ending.c and chunk_walk.c. All need the GIL.
 */
#ifndef PYCTM_API_MODULE_H
#define PYCTM_API_MODULE_H

#include "types/errors.h"
#include "types/types.h"

#include "capture/capture.h"

typedef struct pyctm_module_state {
    pyctm_state types;            /* first: PyModule_GetState() is also a pyctm_state */
    pyctm_capture *capture;       /* borrowed: the process's */
    PyObject *stdlib;             /* owned: the real _tracemalloc module */
    PyObject *get_traces;         /* owned: our _get_traces, to find out whether it was replaced */
    PyObject *paused_recorder;    /* owned: recorder.c; NULL: none */
    PyTypeObject *label_set_type; /* owned: labels.c; NULL: not needed yet */
    PyTypeObject *scope_type;     /* owned: scopes.c; NULL: not needed yet */
    void *reserve;                /* owned mapping, or NULL: last.c */
    size_t reserve_size;          /* bytes of it */
    /* Owned, interned: the name of the package, and the names that take_snapshot looks up in it. */
    PyObject *package_name, *is_tracing_name, *get_traces_name, *get_limit_name;
} pyctm_module_state;

static inline pyctm_module_state *pyctm_module_state_of(PyObject *module)
{
    PYCTM_ASSERT_GIL();
    return PyModule_GetState(module);
}

static inline pyctm_capture *pyctm_capture_of(PyObject *module)
{
    return pyctm_module_state_of(module)->capture;
}

/* The functions of the module, by file; their names and signatures are in module.c's table. */
PyObject *pyctm_module_start(PyObject *module, PyObject *const *args, Py_ssize_t n,
                             PyObject *names);
PyObject *pyctm_module_stop(PyObject *module, PyObject *ignored);
PyObject *pyctm_module_is_tracing(PyObject *module, PyObject *ignored);
PyObject *pyctm_module_clear_traces(PyObject *module, PyObject *ignored);
PyObject *pyctm_module_get_traceback_limit(PyObject *module, PyObject *ignored);
PyObject *pyctm_module_get_sample_interval(PyObject *module, PyObject *ignored);
PyObject *pyctm_module_get_traced_memory(PyObject *module, PyObject *const *args, Py_ssize_t n);
PyObject *pyctm_module_reset_peak(PyObject *module, PyObject *ignored);
PyObject *pyctm_module_starts(PyObject *module, PyObject *ignored);
PyObject *pyctm_module_tables_generation(PyObject *module, PyObject *ignored);
PyObject *pyctm_module_get_tracemalloc_memory(PyObject *module, PyObject *ignored);
extern const char pyctm_start_doc[];
extern const char pyctm_stop_doc[];
extern const char pyctm_is_tracing_doc[];
extern const char pyctm_clear_traces_doc[];
extern const char pyctm_get_traceback_limit_doc[];
extern const char pyctm_get_sample_interval_doc[];
extern const char pyctm_get_traced_memory_doc[];
extern const char pyctm_reset_peak_doc[];
extern const char pyctm_starts_doc[], pyctm_tables_generation_doc[];
extern const char pyctm_get_tracemalloc_memory_doc[];
PyObject *pyctm_module_take_snapshot(PyObject *module, PyObject *const *args, Py_ssize_t nargs,
                                     PyObject *kwnames);
PyObject *pyctm_module_get_traces(PyObject *module, PyObject *ignored);
/* Whether the present numbers are true: 0, or -1 with an exception (maybe a warning that became one). */
int pyctm_check_capture(pyctm_capture *capture, bool warns);
PyObject *pyctm_module_set_aside(PyObject *module, PyObject *size);
PyObject *pyctm_module_give_up(PyObject *module, PyObject *ignored);
PyObject *pyctm_module_call_last(PyObject *module, PyObject *function);
/* Calls `function` in the program's thread, without the program's trace functions. The last arguments may be NULL. */
PyObject *pyctm_call_untraced(PyObject *function, PyObject *a, PyObject *b, PyObject *c);
PyObject *pyctm_module_last_snapshot(PyObject *module, PyObject *ignored);
PyObject *pyctm_module_report_snapshot(PyObject *module, PyObject *ignored);
extern const char pyctm_set_aside_doc[];
extern const char pyctm_give_up_doc[];
extern const char pyctm_call_last_doc[];
extern const char pyctm_last_snapshot_doc[];
extern const char pyctm_report_snapshot_doc[];
extern const char pyctm_take_snapshot_doc[];
extern const char pyctm_get_traces_doc[];
/* The frames of a live block as stdlib returns them: pyctm_capture.raw_traceback. */
PyObject *pyctm_raw_traceback_of_block(pyctm_capture *capture, uint32_t domain, uintptr_t address);
PyObject *pyctm_module_get_object_traceback_raw(PyObject *module, PyObject *op);
PyObject *pyctm_module_get_object_traceback(PyObject *module, PyObject *args, PyObject *kwargs);
extern const char pyctm_get_object_traceback_raw_doc[];
extern const char pyctm_get_object_traceback_doc[];
PyObject *pyctm_module_get_object_block(PyObject *module, PyObject *op);
PyObject *pyctm_module_get_block(PyObject *module, PyObject *args);
extern const char pyctm_get_object_block_doc[], pyctm_get_block_doc[];
PyObject *pyctm_module_doctor(PyObject *module, PyObject *ignored);
PyObject *pyctm_module_announced_by(PyObject *module, PyObject *argument);
extern const char pyctm_doctor_doc[], pyctm_announced_by_doc[];
PyObject *pyctm_module_resend_start(PyObject *module, PyObject *number);
PyObject *pyctm_module_resend_stop(PyObject *module, PyObject *ignored);
extern const char pyctm_resend_start_doc[];
extern const char pyctm_resend_stop_doc[];
PyObject *pyctm_module_stand_in(PyObject *module, PyObject *on);
extern const char pyctm_stand_in_doc[];
PyObject *pyctm_module_exempt_start(PyObject *module, PyObject *ignored);
PyObject *pyctm_module_exempt_finish(PyObject *module, PyObject *keep);
PyObject *pyctm_module_exempt_release(PyObject *module, PyObject *args);
extern const char pyctm_exempt_start_doc[];
PyObject *pyctm_module_own_start(PyObject *module, PyObject *ignored);
PyObject *pyctm_module_own_finish(PyObject *module, PyObject *ignored);
extern const char pyctm_own_start_doc[], pyctm_own_finish_doc[];
extern const char pyctm_exempt_finish_doc[];
extern const char pyctm_exempt_release_doc[];
PyObject *pyctm_module_label_set(PyObject *module, PyObject *const *args, Py_ssize_t n);
PyObject *pyctm_module_labels_enter(PyObject *module, PyObject *const *args, Py_ssize_t n);
PyObject *pyctm_module_labels_leave(PyObject *module, PyObject *owner);
PyObject *pyctm_module_scope_begin(PyObject *module, PyObject *is_process);
extern const char pyctm_labels_enter_doc[], pyctm_labels_leave_doc[], pyctm_scope_begin_doc[];
/* Events have labels from now on. -1 with an exception. */
int pyctm_labels_use(PyObject *module);
/* All label sets, and threads without one, are in the present scope of the process. -1 with an exception: nothing is changed. */
int pyctm_labels_renew(pyctm_capture *capture);
/* The scope of the present context, a new reference; NULL: none. */
struct pyctm_scope *pyctm_labels_scope(pyctm_capture *capture);
PyObject *pyctm_module_labels_set(PyObject *module, PyObject *set);
PyObject *pyctm_module_labels_get(PyObject *module, PyObject *ignored);
PyObject *pyctm_module_labels_mark(PyObject *module, PyObject *mark);
extern const char pyctm_label_set_doc[], pyctm_labels_set_doc[], pyctm_labels_get_doc[];
extern const char pyctm_labels_mark_doc[];
/* Before start(): it was asked for these automatic labels, NULL: for none, in addition to those of before. -1 with an exception. */
int pyctm_automatic_labels_start(PyObject *module, uint32_t before, PyObject *names);
PyObject *pyctm_module_thread_names_forget(PyObject *module, PyObject *ignored);
extern const char pyctm_thread_names_forget_doc[];
PyObject *pyctm_module_thread_name(PyObject *module, PyObject *const *args, Py_ssize_t n);
PyObject *pyctm_module_own_thread_name(PyObject *module, PyObject *ignored);
PyObject *pyctm_module_labels_automatic(PyObject *module, PyObject *ignored);
extern const char pyctm_thread_name_doc[], pyctm_own_thread_name_doc[];
extern const char pyctm_labels_automatic_doc[];
PyObject *pyctm_module_watch_end(PyObject *module, PyObject *watcher);
PyObject *pyctm_module_end_status(PyObject *module, PyObject *ignored);
extern const char pyctm_watch_end_doc[];
extern const char pyctm_end_status_doc[];
PyObject *pyctm_module_watch_processes(PyObject *module, PyObject *args);
PyObject *pyctm_module_started_processes(PyObject *module, PyObject *ignored);
extern const char pyctm_watch_processes_doc[];
extern const char pyctm_started_processes_doc[];
PyObject *pyctm_module_box_end(PyObject *module, PyObject *at_exit);
PyObject *pyctm_module_box_continue(PyObject *module, PyObject *path);
PyObject *pyctm_module_box_state(PyObject *module, PyObject *ignored);
PyObject *pyctm_module_set_end(PyObject *module, PyObject *args);
extern const char pyctm_set_end_doc[];
PyObject *pyctm_module_add_loss(PyObject *module, PyObject *args);
extern const char pyctm_add_loss_doc[];
extern const char pyctm_box_end_doc[];
extern const char pyctm_box_state_doc[];
extern const char pyctm_box_continue_doc[];
PyObject *pyctm_module_record_start(PyObject *module, PyObject *args);
PyObject *pyctm_module_record_tick(PyObject *module, PyObject *capsule);
PyObject *pyctm_module_record_stop(PyObject *module, PyObject *args);
PyObject *pyctm_module_record_pause(PyObject *module, PyObject *capsule);
PyObject *pyctm_module_record_resume(PyObject *module, PyObject *ignored);
PyObject *pyctm_module_record_forget(PyObject *module, PyObject *ignored);
PyObject *pyctm_module_record_state(PyObject *module, PyObject *capsule);
extern const char pyctm_record_start_doc[];
extern const char pyctm_record_tick_doc[];
extern const char pyctm_record_stop_doc[];
extern const char pyctm_record_pause_doc[];
extern const char pyctm_record_resume_doc[];
extern const char pyctm_record_forget_doc[];
extern const char pyctm_record_state_doc[];
PyObject *pyctm_module_walk_chunks(PyObject *module, PyObject *args);
extern const char pyctm_walk_chunks_doc[];

#endif
