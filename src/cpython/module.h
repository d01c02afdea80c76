/* module.h: what the files of the extension module share.
 *
 * Model: module.c holds the table of functions and the life of the module; the functions stand in
 * tracing.c, snapshots.c, block.c, doctor.c, recorder.c, black_box.c, last.c, resend.c and ending.c. All need the GIL.
 */
#ifndef CTM_MODULE_H
#define CTM_MODULE_H

#include "types/types.h"

#include "capture/capture.h"

typedef struct ctm_module_state {
    ctm_state types;      /* first: PyModule_GetState() is also a ctm_state */
    PyObject *stdlib;     /* owned: the real _tracemalloc module */
    PyObject *get_traces; /* owned: our _get_traces, to see whether it was replaced */
    /* Owned, interned: the package, and what take_snapshot looks up in it. */
    PyObject *package_name, *is_tracing_name, *get_traces_name, *get_limit_name;
} ctm_module_state;

static inline ctm_module_state *ctm_module_state_of(PyObject *module)
{
    return PyModule_GetState(module);
}

/* The functions of the module, by file; their names and signatures are in module.c's table. */
PyObject *ctm_module_start(PyObject *module, PyObject *const *args, Py_ssize_t n, PyObject *names);
PyObject *ctm_module_stop(PyObject *module, PyObject *ignored);
PyObject *ctm_module_is_tracing(PyObject *module, PyObject *ignored);
PyObject *ctm_module_clear_traces(PyObject *module, PyObject *ignored);
PyObject *ctm_module_get_traceback_limit(PyObject *module, PyObject *ignored);
PyObject *ctm_module_get_sample_interval(PyObject *module, PyObject *ignored);
PyObject *ctm_module_get_traced_memory(PyObject *module, PyObject *const *args, Py_ssize_t n);
PyObject *ctm_module_reset_peak(PyObject *module, PyObject *ignored);
PyObject *ctm_module_get_tracemalloc_memory(PyObject *module, PyObject *ignored);
extern const char ctm_start_doc[];
extern const char ctm_stop_doc[];
extern const char ctm_is_tracing_doc[];
extern const char ctm_clear_traces_doc[];
extern const char ctm_get_traceback_limit_doc[];
extern const char ctm_get_sample_interval_doc[];
extern const char ctm_get_traced_memory_doc[];
extern const char ctm_reset_peak_doc[];
extern const char ctm_get_tracemalloc_memory_doc[];
PyObject *ctm_module_take_snapshot(PyObject *module, PyObject *const *args, Py_ssize_t nargs,
                                   PyObject *kwnames);
PyObject *ctm_module_get_traces(PyObject *module, PyObject *ignored);
/* Are numbers of now true? -1 with an exception, or a warning that became one. */
int ctm_check_capture(bool warns);
PyObject *ctm_module_set_aside(PyObject *module, PyObject *size);
PyObject *ctm_module_give_up(PyObject *module, PyObject *ignored);
PyObject *ctm_module_call_last(PyObject *module, PyObject *function);
/* In the program's thread, but not seen by its trace functions. The last arguments may be NULL. */
PyObject *ctm_call_untraced(PyObject *function, PyObject *a, PyObject *b, PyObject *c);
PyObject *ctm_module_last_snapshot(PyObject *module, PyObject *ignored);
PyObject *ctm_module_report_snapshot(PyObject *module, PyObject *ignored);
extern const char ctm_set_aside_doc[];
extern const char ctm_give_up_doc[];
extern const char ctm_call_last_doc[];
extern const char ctm_last_snapshot_doc[];
extern const char ctm_report_snapshot_doc[];
extern const char ctm_take_snapshot_doc[];
extern const char ctm_get_traces_doc[];
PyObject *ctm_module_get_object_traceback_raw(PyObject *module, PyObject *op);
PyObject *ctm_module_get_object_traceback(PyObject *module, PyObject *args, PyObject *kwargs);
extern const char ctm_get_object_traceback_raw_doc[];
extern const char ctm_get_object_traceback_doc[];
PyObject *ctm_module_doctor(PyObject *module, PyObject *ignored);
PyObject *ctm_module_announced_by(PyObject *module, PyObject *argument);
extern const char ctm_doctor_doc[], ctm_announced_by_doc[];
PyObject *ctm_module_resend_start(PyObject *module, PyObject *number);
PyObject *ctm_module_resend_stop(PyObject *module, PyObject *ignored);
extern const char ctm_resend_start_doc[];
extern const char ctm_resend_stop_doc[];
PyObject *ctm_module_stand_in(PyObject *module, PyObject *on);
extern const char ctm_stand_in_doc[];
PyObject *ctm_module_watch_end(PyObject *module, PyObject *watcher);
PyObject *ctm_module_end_status(PyObject *module, PyObject *ignored);
extern const char ctm_watch_end_doc[];
extern const char ctm_end_status_doc[];
PyObject *ctm_module_box_end(PyObject *module, PyObject *at_exit);
PyObject *ctm_module_box_continue(PyObject *module, PyObject *path);
PyObject *ctm_module_box_state(PyObject *module, PyObject *ignored);
PyObject *ctm_module_set_end(PyObject *module, PyObject *args);
extern const char ctm_set_end_doc[];
PyObject *ctm_module_add_loss(PyObject *module, PyObject *args);
extern const char ctm_add_loss_doc[];
extern const char ctm_box_end_doc[];
extern const char ctm_box_state_doc[];
extern const char ctm_box_continue_doc[];
PyObject *ctm_module_record_start(PyObject *module, PyObject *args);
PyObject *ctm_module_record_tick(PyObject *module, PyObject *capsule);
PyObject *ctm_module_record_stop(PyObject *module, PyObject *args);
PyObject *ctm_module_record_pause(PyObject *module, PyObject *capsule);
PyObject *ctm_module_record_resume(PyObject *module, PyObject *ignored);
PyObject *ctm_module_record_forget(PyObject *module, PyObject *ignored);
PyObject *ctm_module_record_state(PyObject *module, PyObject *capsule);
extern const char ctm_record_start_doc[];
extern const char ctm_record_tick_doc[];
extern const char ctm_record_stop_doc[];
extern const char ctm_record_pause_doc[];
extern const char ctm_record_resume_doc[];
extern const char ctm_record_forget_doc[];
extern const char ctm_record_state_doc[];

#endif
