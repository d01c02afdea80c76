/* capture.h: the interface of the capture, which turns what CPython does into events of the tracer.
 *
 * Model: one capture per process, because CPython's allocators are per process.
 *
 *   hooks.c      the three allocator domains           ─┐ (layers.c: above and below other tools' hooks)
 *   freelist_*.c objects revived without an allocation  ├→ owner (event_owner.c) → traceback (attribution.c) → tracer
 *   track.c      announced blocks of other extensions  ─┘
 *
 * An event is recorded in shard 0 if its thread is attached to the main interpreter (the GIL makes it the only such
 * thread), else in the thread's locked shard. `pyctm_hook_state.inside` is set while a hook runs an original function,
 * so that what that function allocates is not an event.
 *
 * Functions whose comment begins with the mark HOOK may run inside an allocator, without the GIL, and after finalization
 * began: they call no function of CPython that allocates, raises, collects or switches threads. A comment that is only
 * this mark says just that.
 */
#ifndef PYCTM_CAPTURE_CAPTURE_H
#define PYCTM_CAPTURE_CAPTURE_H

#include <Python.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "capture/frames/assert.h"
#include "capture/frames/versions.h"
#include "capture/hot.h"
#include "capture/state.h"
#include "ctm/ctm.h"

/* --- capture.c: called with the GIL held, by the main interpreter --- */

/* Called at each import. -1 with an exception. */
int pyctm_capture_init(pyctm_capture *capture);
/* Starts tracing. stdlib_tracemalloc: the real _tracemalloc module. sample_interval 0: every block is traced.
 * `black_box`: bytes, the path of the black box; NULL: none. If tracing is on already, the tables move there. -1 with
 * an exception. */
int pyctm_capture_start(pyctm_capture *capture, PyObject *stdlib_tracemalloc, uint32_t nframe,
                        uint64_t sample_interval, PyObject *black_box);
/* Converts a status that ctm_black_box_start or _continue returned for `path`, bytes: 0, or -1 with an exception. */
int pyctm_capture_raise_box(ctm_status status, PyObject *path);
/* stdlib_tracemalloc NULL: the interpreter is being finalized, and stdlib's module is not touched. */
void pyctm_capture_stop(pyctm_capture *capture, PyObject *stdlib_tracemalloc);
/* Stops, and returns a snapshot of that moment. Memory that only events need is returned first. The caller owns *out.
 * CTM_ERR_NOMEM, CTM_ERR_IO: the snapshot is lost, tracing has stopped. */
ctm_status pyctm_capture_finish(pyctm_capture *capture, PyObject *stdlib_tracemalloc,
                                struct ctm_snapshot **out);
/* Forgets every block; tracing continues. */
void pyctm_capture_clear(pyctm_capture *capture);
/* Reports each fact that is not ok as a loss to the tracer, and so to snapshots, black box and recording. */
void pyctm_capture_report_losses(pyctm_capture *capture);
/* The same, after a check of what may have changed since the start: other hooks or another reference tracer. */
void pyctm_capture_find_losses(pyctm_capture *capture);
/* False if no allocation of some domain reaches the tracer any more (the hooks were replaced). If only some do not
 * reach it, only the fact about allocators says so. */
bool pyctm_capture_is_alive(pyctm_capture *capture);

/* --- event_owner.c --- */

/* The locked shard with reserved memory for unplaced blocks. */
#define PYCTM_SPARE_SHARD 1u

typedef struct pyctm_event_owner {
    PyThreadState *thread_state; /* borrowed: this thread's; NULL: none, or it must not be read */
    uint32_t shard;
} pyctm_event_owner;
pyctm_event_owner pyctm_event_owner_get(const pyctm_capture *capture, bool gil_held); /* HOOK: */

/* --- attribution.c --- */

/* HOOK: The traceback of this thread's stack, in `shard`, which the caller has entered. */
ctm_status pyctm_attribution_traceback(pyctm_capture *capture, ctm_shard *shard,
                                       const pyctm_event_owner *owner, uint32_t *out);
/* HOOK: The site of a block allocated now. */
ctm_status pyctm_attribution_site(pyctm_capture *capture, ctm_shard *shard,
                                  const pyctm_event_owner *owner, uint32_t domain, uint64_t size,
                                  uint32_t *out);
/* Between begin and end (GIL), this thread's tracebacks have one more frame on top, of the file given here (borrowed
 * for ever). So memory of this module's results is told apart from the program's, as is the memory of stdlib's
 * tracemalloc.py. What a finalizer allocates meanwhile, in a frame of its own, does not get that frame. A self scope
 * inside another one has no effect. */
void pyctm_attribution_own_file(pyctm_capture *capture, const char *utf8_filename);
/* Returns the argument for pyctm_self_scope_end. */
bool pyctm_self_scope_begin(pyctm_capture *capture);
void pyctm_self_scope_end(bool before);
/* GIL. Between the two all that this thread allocates is attributed to the package, whatever Python code runs. False: that is
 * so already, and it is not to be ended. */
bool pyctm_own_begin(void);
void pyctm_own_end(void);
/* Bytes that attribution uses outside the tracer. */
size_t pyctm_attribution_memory(const pyctm_capture *capture);

/* --- code_deaths.c --- */

/* Called once per initialization of Python; GIL. Forgets the code objects of an interpreter that has ended. */
void pyctm_code_deaths_listen(pyctm_capture *capture);

/* --- layers.c --- */
void pyctm_hooks_install(bool sampling); /* on top of the allocators that are installed */
void pyctm_hooks_remove(void);           /* leaves hooks that another tool has wrapped since */
/* How many of the blocks that the program allocates reach our hooks, from the best to the worst. */
typedef enum pyctm_reach {
    PYCTM_REACH_ALL,
    PYCTM_REACH_UNKNOWN, /* another tool's hook is on top and returned no block */
    PYCTM_REACH_SOME,
    PYCTM_REACH_NONE,
} pyctm_reach;
pyctm_reach pyctm_hooks_reach(void); /* of the domain with the worst reach */

/* --- hooks.c --- */
/* HOOK: Records a new block. False: out of memory, nothing is recorded. */
bool pyctm_event_alloc(pyctm_capture *capture, uint32_t domain, uintptr_t address, size_t size,
                       bool gil_held);
void pyctm_event_free(pyctm_capture *capture, uint32_t domain, uintptr_t address,
                      bool gil_held); /* HOOK: */

/* --- freelist_tracer.c (3.13+), freelist_patch.c (3.11, 3.12) --- */
void pyctm_freelist_start(pyctm_capture *capture);
void pyctm_freelist_stop(void);
/* The program has started or stopped stdlib's tracemalloc: follows the free lists again if that ended it. */
void pyctm_freelist_resume(pyctm_capture *capture);
/* Whether free lists are still followed. (On 3.13+ another tool may set the reference tracer.) */
bool pyctm_freelist_is_alive(void);

/* --- freelist.c --- */
int pyctm_event_reference(PyObject *op); /* HOOK: `op` got its first reference; returns 0 */
size_t pyctm_object_header_size(const PyTypeObject *type); /* HOOK: bytes before the object */
/* Revives one object of each kind that has a free list. NULL, or the first kind that was not recorded. */
const char *pyctm_freelist_self_test(pyctm_capture *capture);

/* --- track.c --- */
typedef enum pyctm_announced {
    PYCTM_ANNOUNCED_LOST,
    PYCTM_ANNOUNCED_BY_JUMP,
    PYCTM_ANNOUNCED_BY_TABLE,
} pyctm_announced;
void pyctm_track_prepare(
    pyctm_capture *capture); /* before tracing starts, so that no call is under way meanwhile */
void pyctm_track_start(pyctm_capture *capture);
/* Follows the callers' tables of libraries loaded since, if callers' tables are what is followed. */
void pyctm_track_search_again(void);
/* For tests: use this way or none. False: another way is in use already. */
bool pyctm_track_requested(pyctm_announced way);

/* --- stdlib_flag.c (3.11, 3.12; on other versions it does nothing) --- */

/* Makes stdlib trace with empty tables, unless the program has started it. -1 with an exception. */
int pyctm_stdlib_flag_raise(pyctm_capture *capture, PyObject *stdlib_tracemalloc);
/* HOOK: Whether the program has started stdlib's tracing. True on 3.13 and newer, where it need not be known. */
bool pyctm_stdlib_flag_is_set(const pyctm_capture *capture);
/* Whether stdlib traces for us only. False on 3.13 and newer. */
bool pyctm_stdlib_flag_is_ours(void);
/* The program is about to start stdlib: stops stdlib if it traces for us. -1 with an exception. */
int pyctm_stdlib_flag_yield(pyctm_capture *capture, PyObject *stdlib_tracemalloc);
/* stdlib_tracemalloc NULL: stdlib's own finalizer stops it. */
void pyctm_stdlib_flag_lower(pyctm_capture *capture, PyObject *stdlib_tracemalloc);

#endif
