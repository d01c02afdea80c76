/* capture.h: the way in, from CPython to the tracer.
 *
 * Model: one capture per process, because CPython's allocators are per process.
 *
 *   hooks.c      the three allocator domains        ─┐ (layers.c: above and below other tools' hooks)
 *   freelist_*.c objects revived without a call      ├→ who (event_owner.c) → traceback (attribution.c) → tracer
 *   track.c      blocks other extensions announce   ─┘
 *
 * An event is recorded in shard 0 if its thread is attached to the main interpreter (the GIL
 * makes it the only one), else in a locked shard of the thread's. `pyctm_hook_state.inside` is set
 * while a hook runs an original function, so that what that function allocates is not an event.
 *
 * Functions marked HOOK may run inside an allocator, without the GIL, and after finalization began:
 * they call nothing of CPython's that allocates, raises, collects or switches threads.
 */
#ifndef PYCTM_CAPTURE_CAPTURE_H
#define PYCTM_CAPTURE_CAPTURE_H

#include <Python.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "capture/frames/versions.h"
#include "capture/hot.h"
#include "capture/state.h"
#include "ctm/ctm.h"

/* --- capture.c: called with the GIL held, by the main interpreter --- */

/* At each import. -1 with an exception. */
int pyctm_capture_init(pyctm_capture *capture);
/* stdlib_tracemalloc: the real _tracemalloc module. -1 with an exception. sample_interval 0: every
 * block. */
/* `black_box`: bytes, where the tables are to be as well; NULL: nowhere. If tracing is on already, they move there. */
int pyctm_capture_start(pyctm_capture *capture, PyObject *stdlib_tracemalloc, uint32_t nframe,
                        uint64_t sample_interval, PyObject *black_box);
/* Of what ctm_black_box_start or _continue gave for `path`, bytes: 0, or -1 with an exception. */
int pyctm_capture_raise_box(ctm_status status, PyObject *path);
/* stdlib_tracemalloc NULL: the interpreter is going away, leave stdlib alone. */
void pyctm_capture_stop(pyctm_capture *capture, PyObject *stdlib_tracemalloc);
/* Stops, and gives the snapshot of the moment, which is taken when memory that only events need is returned. The caller
 * owns *out. CTM_ERR_NOMEM, CTM_ERR_IO: it is lost, tracing has stopped. */
ctm_status pyctm_capture_finish(pyctm_capture *capture, PyObject *stdlib_tracemalloc,
                                struct ctm_snapshot **out);
/* Forgets every block; tracing goes on. */
void pyctm_capture_clear(pyctm_capture *capture);
/* The tracer, and with it snapshots, black box and recording, learn of each fact that does not hold. */
void pyctm_capture_report_losses(pyctm_capture *capture);
/* The same, after a look at what may have changed since the start: somebody else took the hooks or the reference tracer. */
void pyctm_capture_find_losses(pyctm_capture *capture);
/* False if no allocation of some domain reaches the tracer any more (somebody replaced the hooks). If some do not, only the
 * fact about allocators says so. */
bool pyctm_capture_is_alive(pyctm_capture *capture);

/* --- event_owner.c --- */

/* The locked shard that keeps room for blocks whose place there is no memory for. */
#define PYCTM_RESORT_SHARD 1u

typedef struct pyctm_event_owner {
    PyThreadState *thread_state; /* this thread's own; NULL: it has none, or must not be read */
    uint32_t shard;
} pyctm_event_owner;
pyctm_event_owner pyctm_event_owner_get(const pyctm_capture *capture, bool gil_held); /* HOOK */

/* --- attribution.c --- */

/* The traceback of this thread's stack, in `shard`, which the caller is inside. HOOK */
ctm_status pyctm_attribution_traceback(pyctm_capture *capture, ctm_shard *shard,
                                       const pyctm_event_owner *owner, uint32_t *out);
/* The site of a block allocated now. HOOK */
ctm_status pyctm_attribution_site(pyctm_capture *capture, ctm_shard *shard,
                                  const pyctm_event_owner *owner, uint32_t domain, uint64_t size,
                                  uint32_t *out);
/* Between begin and end (GIL), this thread's tracebacks have one more frame on top, of the file given here (borrowed
 * for ever): memory that this module's results take is told from the program's, as it is with stdlib's
 * tracemalloc.py. What a finalizer allocates meanwhile, in a frame of its own, is not touched. Inside such a section
 * another one does nothing. */
void pyctm_attribution_own_file(pyctm_capture *capture, const char *utf8_filename);
bool pyctm_self_scope_begin(pyctm_capture *capture); /* returns what end is to be given */
void pyctm_self_scope_end(bool before);
/* Bytes kept for it outside the tracer. */
size_t pyctm_attribution_memory(const pyctm_capture *capture);

/* --- code_deaths.c --- */

/* Once per initialization of Python; GIL. Forgets code objects of an interpreter that is no more. */
void pyctm_code_deaths_listen(pyctm_capture *capture);

/* --- layers.c --- */
void pyctm_hooks_install(bool sampling); /* on top of whatever is there */
void pyctm_hooks_remove(void);           /* leaves what somebody else has wrapped since */
/* How many of the blocks that the program asks for come to our hooks, from the best to the worst. */
typedef enum pyctm_reach {
    PYCTM_REACH_ALL,
    PYCTM_REACH_UNKNOWN, /* somebody else's hook is on top and gave no block */
    PYCTM_REACH_SOME,
    PYCTM_REACH_NONE,
} pyctm_reach;
pyctm_reach pyctm_hooks_reach(void); /* of the domain that fares worst */

/* --- hooks.c --- */
/* A new block came to live: record it. False: out of memory, nothing recorded. HOOK */
bool pyctm_event_alloc(pyctm_capture *capture, uint32_t domain, uintptr_t address, size_t size,
                       bool gil_held);
void pyctm_event_free(pyctm_capture *capture, uint32_t domain, uintptr_t address,
                      bool gil_held); /* HOOK */

/* --- freelist_tracer.c (3.13+), freelist_patch.c (3.11, 3.12) --- */
void pyctm_freelist_start(pyctm_capture *capture);
void pyctm_freelist_stop(void);
/* The program has started or stopped stdlib's tracemalloc: listen again where that has ended it. */
void pyctm_freelist_resume(pyctm_capture *capture);
/* Still followed? (On 3.13+ somebody else may take the reference tracer.) */
bool pyctm_freelist_is_alive(void);

/* --- freelist.c --- */
int pyctm_event_reference(PyObject *op); /* HOOK: `op` got its first reference; 0 */
size_t pyctm_object_header_size(const PyTypeObject *type); /* HOOK: bytes before the object */
/* Revives one object of each kind that has a free list; NULL or the first that went unseen. */
const char *pyctm_freelist_self_test(pyctm_capture *capture);

/* --- track.c --- */
typedef enum pyctm_announced {
    PYCTM_ANNOUNCED_LOST,
    PYCTM_ANNOUNCED_BY_JUMP,
    PYCTM_ANNOUNCED_BY_TABLE,
} pyctm_announced;
void pyctm_track_prepare(
    pyctm_capture *capture); /* before anything traces, so that no call is under way in between */
void pyctm_track_start(pyctm_capture *capture);
/* Looks at libraries that were loaded since, where their tables are what is followed. */
void pyctm_track_look_again(void);
/* For tests: take this way or none. False: another one was taken already. */
bool pyctm_track_requested(pyctm_announced way);

/* --- stdlib_flag.c (3.11, 3.12; elsewhere it does nothing) --- */

/* Makes stdlib trace with empty tables, unless it traces on its own account. -1 with an exception. */
int pyctm_stdlib_flag_raise(pyctm_capture *capture, PyObject *stdlib_tracemalloc);
/* Does stdlib trace on its own account? True on 3.13 and newer, where it need not be known. HOOK */
bool pyctm_stdlib_flag_is_set(const pyctm_capture *capture);
/* Does stdlib trace for us only? False on 3.13 and newer. */
bool pyctm_stdlib_flag_is_ours(void);
/* The program is about to start stdlib: it is to find it stopped. -1 with an exception. */
int pyctm_stdlib_flag_yield(pyctm_capture *capture, PyObject *stdlib_tracemalloc);
/* stdlib_tracemalloc NULL: leave it to stdlib's own finalizer. */
void pyctm_stdlib_flag_lower(pyctm_capture *capture, PyObject *stdlib_tracemalloc);

#endif
