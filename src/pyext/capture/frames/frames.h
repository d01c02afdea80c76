/* frames.h: reading a thread's Python stack from inside an allocator.
 *
 * Model: the interpreter's frames are plain structs linked from the innermost to the oldest.
 * A thread reads its own (no other thread changes them, and the code objects they name live as
 * long as they run), with borrowed references: nothing is counted, created or raised. How a frame is
 * read differs between families of CPython: family_3xx.h, behind family.h. The rest of this directory
 * is the same for all of them, by properties of the version (versions.h).
 */
#ifndef PYCTM_CAPTURE_FRAMES_FRAMES_H
#define PYCTM_CAPTURE_FRAMES_FRAMES_H

#include <Python.h>
#include <stdbool.h>
#include <stdint.h>

/* Where one frame stands. */
typedef struct pyctm_position {
    PyCodeObject *code; /* borrowed from the running frame */
    int unit;           /* code unit of the instruction; -1: before the first */
} pyctm_position;

/* The state of this thread if it is attached to an interpreter (holds the GIL), else NULL.
 * `gil_held`: the caller knows that the GIL is held (3.11 cannot tell by itself). */
PyThreadState *pyctm_frames_attached(bool gil_held);

/* Where the main interpreter notes which thread state took its GIL last; NULL: it need not be known. */
PyThreadState **pyctm_frames_main_holder(void);

/* The same, of a caller that holds the GIL, if that is cheap to tell and the interpreter is the main one; else NULL. */
struct pyctm_capture;
PyThreadState *pyctm_frames_attached_to_main(const struct pyctm_capture *capture);

/* Copies up to `limit` of `thread_state`'s complete frames, the innermost first; returns how
 * many, and in *out_total how many there are in all. `thread_state` is this thread's own. */
uint32_t pyctm_frames_walk(PyThreadState *thread_state, pyctm_position *positions, uint32_t limit,
                           uint32_t *out_total);

/* What tells this thread's innermost frame, complete or not, from its others. */
const void *pyctm_frames_innermost(PyThreadState *thread_state);

/* The innermost of its complete ones; NULL: there is none. */
const void *pyctm_frames_first_complete(PyThreadState *thread_state);

/* Does the interpreter that runs lay its structs out as this build expects? NULL, or why not. */
const char *pyctm_frames_check_layout(void);

#endif
