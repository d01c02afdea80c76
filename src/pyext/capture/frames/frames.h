/* frames.h: reads a thread's Python stack from inside an allocator.
 *
 * Model: the interpreter's frames are plain structs linked from the innermost to the oldest. A thread reads its own: no
 * other thread changes them, and their code objects live as long as they run. All references are borrowed: nothing is
 * counted, created or raised. How a frame is read differs between families of CPython: family_3xx.h, behind family.h.
 * The rest of this directory is the same for all of them and depends on properties of the version (versions.h).
 */
#ifndef PYCTM_CAPTURE_FRAMES_FRAMES_H
#define PYCTM_CAPTURE_FRAMES_FRAMES_H

#include <Python.h>
#include <stdbool.h>
#include <stdint.h>

/* The code position of one frame. */
typedef struct pyctm_position {
    PyCodeObject *code; /* borrowed from the running frame */
    int unit;           /* code unit of the instruction; -1: before the first */
} pyctm_position;

/* The state of this thread if it is attached to an interpreter (holds the GIL), else NULL.
 * `gil_held`: the caller is certain that the GIL is held (3.11 cannot find out by itself). */
PyThreadState *pyctm_frames_attached(bool gil_held);

/* The variable in which the main interpreter stores the last holder of its GIL; NULL: it is not needed. */
PyThreadState **pyctm_frames_main_holder(void);

/* The same, for a caller that holds the GIL. NULL: not the main interpreter, or not cheap to find out. */
struct pyctm_capture;
PyThreadState *pyctm_frames_attached_to_main(const struct pyctm_capture *capture);

/* Copies up to `limit` of `thread_state`'s complete frames, the innermost first. Returns how many; *out_total is the
 * number of all of them. `thread_state` is this thread's own. */
uint32_t pyctm_frames_walk(PyThreadState *thread_state, pyctm_position *positions, uint32_t limit,
                           uint32_t *out_total);

/* The address of this thread's innermost frame, complete or not, as its identity. */
const void *pyctm_frames_innermost(PyThreadState *thread_state);

/* The same of its innermost complete frame; NULL: there is none. */
const void *pyctm_frames_first_complete(PyThreadState *thread_state);

/* Checks that the running interpreter's structs have the layout that this build expects. NULL, or why not. */
const char *pyctm_frames_check_layout(void);

#endif
