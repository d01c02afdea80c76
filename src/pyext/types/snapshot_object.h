/* snapshot_object.h: the parts of Snapshot, which are in several files: the type (snapshot.c), its contents
 * (snapshot_object.c), filter_traces (filter_traces.c), dump and load (snapshot_file.c), merge (snapshot_merge.c),
 * labels (label.c), Arrow (arrow.c), call_tree (call_tree.c), _filenames (filenames.c). */
#ifndef PYCTM_TYPES_SNAPSHOT_OBJECT_H
#define PYCTM_TYPES_SNAPSHOT_OBJECT_H

#include "types/snapshot_handle.h"

/* self.traces = traces, self.traceback_limit = limit. Steals `traces`; NULL is a failure that is passed on. */
int pyctm_snapshot_set_contents(pyctm_state *state, PyObject *self, PyObject *traces,
                                PyObject *limit);
/* self.traces: the handle if it is core-backed (new reference), else NULL without an
 * exception and *out_traces is self.traces (new reference); NULL and NULL is failure. */
pyctm_snapshot_handle *pyctm_handle_of_snapshot(pyctm_state *state, PyObject *self,
                                                PyObject **out_traces);
/* A Snapshot of the handle. Steals `handle`. */
PyObject *pyctm_snapshot_of_handle(pyctm_state *state, pyctm_snapshot_handle *handle,
                                   PyObject *traceback_limit);

PyObject *pyctm_snapshot_filter_traces(PyObject *self, PyObject *const *args, Py_ssize_t nargs,
                                       PyObject *kwnames);
PyObject *pyctm_snapshot_filter_trace(PyObject *self, PyObject *const *args, Py_ssize_t nargs,
                                      PyObject *kwnames);
PyObject *pyctm_snapshot_dump(PyObject *self, PyObject *const *args, Py_ssize_t nargs,
                              PyObject *kwnames);
PyObject *pyctm_snapshot_arrow_c_stream(PyObject *self, PyObject *const *args, Py_ssize_t nargs,
                                        PyObject *kwnames);
PyObject *pyctm_snapshot_filenames(PyObject *self, PyObject *ignored);
/* A function of the module, which the type has as a static method. */
PyObject *pyctm_snapshot_load(PyObject *module, PyObject *const *args, Py_ssize_t nargs,
                              PyObject *kwnames);

PyObject *pyctm_snapshot_merge_files(PyObject *module, PyObject *const *args, Py_ssize_t nargs,
                                     PyObject *kwnames);

/* The snapshot to group instead of `self`, a new reference: for the key "label:NAME" a snapshot with the values of the
 * label in place of the files, and *key_type becomes (borrowed) "filename"; else `self`. */
PyObject *pyctm_label_view(pyctm_state *state, PyObject *self, PyObject **key_type,
                           PyObject *cumulative);
/* Getter of Snapshot.label_keys. */
PyObject *pyctm_snapshot_label_keys(PyObject *self, void *closure);

#endif
