/* recorder.c: recording, for the package's Recorder (recording/writing.py).
 *
 * A recorder is a capsule that owns a ctm_recorder; its destructor ends the recording. All need the GIL, and so are
 * inside shard 0; the recorder's own thread never takes it.
 */
#include "api/module.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if !defined(Py_GIL_DISABLED)

#define CAPSULE_NAME "ctracemalloc.recorder"

static void free_recorder(PyObject *capsule)
{
    ctm_recorder_free(PyCapsule_GetPointer(capsule, CAPSULE_NAME));
}

static ctm_recorder *recorder_of(PyObject *capsule)
{
    return PyCapsule_GetPointer(capsule, CAPSULE_NAME);
}

static PyObject *raise_status(PyObject *module, ctm_status status, PyObject *path)
{
    if (status == CTM_ERR_NOT_TRACING) {
        PyErr_SetString(PyExc_RuntimeError, "not tracing: start() first, then record()");
        return NULL;
    }
    if (status == CTM_ERR_INVALID) {
        PyErr_SetString(PyExc_RuntimeError, "this process is being recorded already");
        return NULL;
    }
    return pyctm_status_raise(&pyctm_module_state_of(module)->types, status, path, NULL);
}

const char pyctm_record_start_doc[] =
    "_record_start($module, path, interval, command, /)\n--\n\n"
    "Begin a recording: path as bytes, interval in nanoseconds. Gives a recorder.";

PyObject *pyctm_module_record_start(PyObject *module, PyObject *args)
{
    PyObject *path;
    unsigned long long interval;
    const char *command;
    ctm_recorder *recorder = NULL;
    if (!PyArg_ParseTuple(args, "SKs:_record_start", &path, &interval, &command)) {
        return NULL;
    }
    const ctm_status status = ctm_recorder_start(
        pyctm_capture_of(module)->tracer, PyBytes_AS_STRING(path), interval, command, &recorder);
    if (status != CTM_OK) {
        PyObject *text = PyUnicode_DecodeFSDefault(PyBytes_AS_STRING(path));
        PyObject *result = text != NULL ? raise_status(module, status, text) : NULL;
        Py_XDECREF(text);
        return result;
    }
    PyObject *capsule = PyCapsule_New(recorder, CAPSULE_NAME, free_recorder);
    if (capsule == NULL) {
        ctm_recorder_free(recorder);
    }
    return capsule;
}

const char pyctm_record_tick_doc[] = "_record_tick($module, recorder, /)\n--\n\nA tick now.";

PyObject *pyctm_module_record_tick(PyObject *module, PyObject *capsule)
{
    pyctm_capture *const capture = pyctm_capture_of(module);
    ctm_recorder *recorder = recorder_of(capsule);
    if (recorder == NULL) {
        return NULL;
    }
    pyctm_capture_find_losses(capture);
    const ctm_status status = ctm_recorder_tick(recorder);
    if (status == CTM_ERR_IO && ctm_black_box_is_broken(capture->tracer)) {
        return PyErr_Format(PyExc_RuntimeError, "the recording has ended: %s",
                            ctm_recording_lack_text(CTM_RECORDING_TABLES_LOST));
    }
    if (status != CTM_OK) {
        return raise_status(module, status, NULL);
    }
    Py_RETURN_NONE;
}

const char pyctm_record_stop_doc[] =
    "_record_stop($module, recorder, at_exit, /)\n--\n\nA last tick, and the end.";

PyObject *pyctm_module_record_stop(PyObject *module, PyObject *args)
{
    PyObject *capsule;
    int at_exit;
    if (!PyArg_ParseTuple(args, "Op:_record_stop", &capsule, &at_exit)) {
        return NULL;
    }
    ctm_recorder *recorder = recorder_of(capsule);
    if (recorder == NULL) {
        return NULL;
    }
    pyctm_capture_find_losses(pyctm_capture_of(module));
    (void)ctm_recorder_stop(recorder, at_exit != 0); /* the state reports failures */
    Py_RETURN_NONE;
}

/* --- forks ---
 * CPython 3.12 and newer warns if a process with several threads forks, and counts those of the system. A program with
 * one thread must not get a warning for our thread. So the recording pauses for a fork, if there is no other thread,
 * and resumes as soon as the interpreter runs Python code again, which is after the counting. */

/* Returns the number of threads of this process; 0: not known. */
static long count_threads(void)
{
    char text[1024];
    FILE *file = fopen("/proc/self/stat", "re");
    const size_t n = file != NULL ? fread(text, 1, sizeof text - 1, file) : 0;
    if (file != NULL) {
        fclose(file);
    }
    text[n] = '\0';
    const char *at = strrchr(text, ')'); /* the name may contain anything */
    for (int field = 2; at != NULL && field < 20; field++) {
        at = strchr(at + 1, ' ');
    }
    return at != NULL ? strtol(at, NULL, 10) : 0;
}

static void resume_paused(pyctm_module_state *state)
{
    PyObject *capsule = state->paused_recorder;
    state->paused_recorder = NULL;
    if (capsule != NULL) {
        ctm_recorder_resume(recorder_of(capsule));
        Py_DECREF(capsule);
    }
}

/* A pending call; owns a reference to the module. */
static int resume_now(void *module)
{
    resume_paused(pyctm_module_state_of(module));
    Py_DECREF((PyObject *)module);
    return 0;
}

const char pyctm_record_pause_doc[] = "_record_pause($module, recorder, /)\n--\n\nBefore a fork.";

PyObject *pyctm_module_record_pause(PyObject *module, PyObject *capsule)
{
    pyctm_module_state *state = pyctm_module_state_of(module);
    ctm_recorder *recorder = recorder_of(capsule);
    if (recorder == NULL) {
        return NULL;
    }
    if (state->paused_recorder == NULL && count_threads() == 2 && ctm_recorder_pause(recorder)) {
        state->paused_recorder = Py_NewRef(capsule);
        /* The system counts a joined thread for some microseconds more. */
        for (int i = 0; i < 1000 && count_threads() > 1; i++) {
            sched_yield();
        }
    }
    Py_RETURN_NONE;
}

const char pyctm_record_resume_doc[] =
    "_record_resume($module, /)\n--\n\nAfter a fork, in the parent: soon.";

PyObject *pyctm_module_record_resume(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    pyctm_module_state *state = pyctm_module_state_of(module);
    if (state->paused_recorder != NULL && Py_AddPendingCall(resume_now, Py_NewRef(module)) < 0) {
        (void)resume_now(module);
    }
    Py_RETURN_NONE;
}

const char pyctm_record_forget_doc[] =
    "_record_forget($module, /)\n--\n\nAfter a fork, in the child: nothing is paused here.";

PyObject *pyctm_module_record_forget(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    Py_CLEAR(pyctm_module_state_of(module)->paused_recorder);
    Py_RETURN_NONE;
}

const char pyctm_record_state_doc[] = "_record_state($module, recorder, /)\n--\n\n"
                                      "(recording, errno, reason or None, ticks, bytes)";

PyObject *pyctm_module_record_state(PyObject *Py_UNUSED(module), PyObject *capsule)
{
    ctm_recorder_state state;
    ctm_recorder *recorder = recorder_of(capsule);
    if (recorder == NULL) {
        return NULL;
    }
    ctm_recorder_state_get(recorder, &state);
    return Py_BuildValue("(OizKK)", state.recording ? Py_True : Py_False, state.error, state.reason,
                         (unsigned long long)state.ticks, (unsigned long long)state.bytes);
}
#endif
