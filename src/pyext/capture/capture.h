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

#include "ctm/ctm.h"

/* One event is one function: what it calls on the common way is inlined, what it calls seldom is kept out. */
#define PYCTM_HOT __attribute__((flatten, hot))
#define PYCTM_RARELY __attribute__((noinline, cold))

/* Of each thread; touched by that thread alone. Kept small: it lives in the static TLS block. */
typedef struct pyctm_hook_state {
    uintptr_t last_block;    /* the block that this thread's hook recorded last; 0: none */
    PyThreadState *attached; /* see frames_gil.h; only compared */
    uint32_t shard;          /* its locked shard; 0: not chosen yet */
    union {
        struct {
            bool inside; /* an original function is running on behalf of a hook */
            bool own;    /* results of this module are being made: see pyctm_self_scope_begin */
            bool asking; /* whether our hooks are reached: see layers.c */
            bool told;   /* of the reference that another listener is being told of */
        };
        uint32_t special; /* all of them: not 0 if an event is not like most */
    };
    const void *own_frame;     /* the innermost frame then; only compared */
    uint64_t self_scope;       /* of all of the process, from 1 on */
    struct pyctm_probe *probe; /* what it is asking, if it is */
    ctm_sampler sampler;
} pyctm_hook_state;
extern __thread pyctm_hook_state pyctm_hook_tls __attribute__((tls_model("initial-exec")));

/* One fact for the user about how this interpreter is followed. */
typedef struct pyctm_fact {
    bool ok;
    const char *detail; /* static text */
} pyctm_fact;

typedef enum pyctm_mode {
    PYCTM_IDLE = 0,     /* pass through */
    PYCTM_EXACT = 1,    /* record every event */
    PYCTM_SAMPLING = 2, /* record the blocks that the thread's sampler takes */
} pyctm_mode;

/* The process's capture. Written with the GIL held; hooks read tracer, main_interpreter and mode. */
typedef struct pyctm_capture {
    ctm_tracer *tracer;   /* owned; made once, never freed: hooks may read it */
    ctm_shard *exclusive; /* its shard 0; with the GIL and unless idle it may be used as it is */
    PyInterpreterState *main_interpreter; /* borrowed for comparison only */
    PyThreadState *
        *main_holder;     /* frames_gil.h; where the interpreter notes who took the main GIL last */
    _Atomic uint8_t mode; /* a pyctm_mode: what hooks do */
    _Atomic uint64_t lost_reattributions; /* free-list events that ran out of memory */
    _Atomic bool stdlib_flag_raised;      /* stdlib's tracemalloc was started to carry us */
    bool stands_in; /* install() was called: stdlib's questions are answered by us; GIL */
    pyctm_fact allocators, free_lists, tracked_blocks; /* since the last start */
} pyctm_capture;
extern pyctm_capture pyctm_the_capture;

/* HOOK: */
static inline pyctm_mode pyctm_capture_mode(void)
{
    return (pyctm_mode)atomic_load_explicit(&pyctm_the_capture.mode, memory_order_relaxed);
}

/* HOOK: Around the original function of a plain event. The whole word is written, because the whole word is read by the
 * next event: a processor that has to put a word together from stores of its parts waits until they are in the cache. */
static inline void pyctm_hook_enter(void)
{
    pyctm_hook_tls.special = 1; /* `inside`, in the lowest byte */
}

/* HOOK: */
static inline void pyctm_hook_leave(void)
{
    pyctm_hook_tls.special = 0;
}

/* HOOK: Is this block, which was just announced, to be recorded? Ask once for each. */
static inline bool pyctm_capture_takes(size_t size)
{
    return pyctm_capture_mode() != PYCTM_SAMPLING ||
           ctm_sampler_takes(pyctm_the_capture.tracer, &pyctm_hook_tls.sampler, size);
}

/* --- capture.c: called with the GIL held, by the main interpreter --- */

/* At each import. -1 with an exception. */
int pyctm_capture_init(void);
/* stdlib_tracemalloc: the real _tracemalloc module. -1 with an exception. sample_interval 0: every
 * block. */
/* `black_box`: bytes, where the tables are to be as well; NULL: nowhere. If tracing is on already, they move there. */
int pyctm_capture_start(PyObject *stdlib_tracemalloc, uint32_t nframe, uint64_t sample_interval,
                        PyObject *black_box);
/* Of what ctm_black_box_start or _continue gave for `path`, bytes: 0, or -1 with an exception. */
int pyctm_capture_raise_box(ctm_status status, PyObject *path);
/* stdlib_tracemalloc NULL: the interpreter is going away, leave stdlib alone. */
void pyctm_capture_stop(PyObject *stdlib_tracemalloc);
/* Stops, and gives the snapshot of the moment, which is taken when memory that only events need is returned. The caller
 * owns *out. CTM_ERR_NOMEM, CTM_ERR_IO: it is lost, tracing has stopped. */
ctm_status pyctm_capture_finish(PyObject *stdlib_tracemalloc, struct ctm_snapshot **out);
/* Forgets every block; tracing goes on. */
void pyctm_capture_clear(void);
/* The tracer, and with it snapshots, black box and recording, learn of each fact that does not hold. */
void pyctm_capture_report_losses(void);
/* The same, after a look at what may have changed since the start: somebody else took the hooks or the reference tracer. */
void pyctm_capture_find_losses(void);
/* False if no allocation of some domain reaches the tracer any more (somebody replaced the hooks). If some do not, only the
 * fact about allocators says so. */
bool pyctm_capture_is_alive(void);

/* --- event_owner.c --- */

/* The locked shard that keeps room for blocks whose place there is no memory for. */
#define PYCTM_RESORT_SHARD 1u

typedef struct pyctm_event_owner {
    PyThreadState *thread_state; /* this thread's own; NULL: it has none, or must not be read */
    uint32_t shard;
} pyctm_event_owner;
pyctm_event_owner pyctm_event_owner_get(bool gil_held); /* HOOK */

/* --- attribution.c --- */

/* The traceback of this thread's stack, in `shard`, which the caller is inside. HOOK */
ctm_status pyctm_attribution_traceback(ctm_shard *shard, const pyctm_event_owner *owner,
                                       uint32_t *out);
/* The site of a block allocated now. HOOK */
ctm_status pyctm_attribution_site(ctm_shard *shard, const pyctm_event_owner *owner, uint32_t domain,
                                  uint64_t size, uint32_t *out);
/* Between begin and end (GIL), this thread's tracebacks have one more frame on top, of the file given here (borrowed
 * for ever): memory that this module's results take is told from the program's, as it is with stdlib's
 * tracemalloc.py. What a finalizer allocates meanwhile, in a frame of its own, is not touched. Inside such a section
 * another one does nothing. */
void pyctm_attribution_own_file(const char *utf8_filename);
bool pyctm_self_scope_begin(void); /* returns what end is to be given */
void pyctm_self_scope_end(bool before);
/* Bytes kept for it outside the tracer. */
size_t pyctm_attribution_memory(void);

/* --- code_cache.c --- */

/* The frame row of `code` at `unit` in shard 0. HOOK */
ctm_status pyctm_code_frame(ctm_shard *shard, PyCodeObject *code, int unit, uint32_t *out);
/* The same, remembering nothing: for the other shards, which several threads use. HOOK */
ctm_status pyctm_code_frame_uncached(ctm_shard *shard, PyCodeObject *code, int unit, uint32_t *out);
void pyctm_code_cache_init(void); /* once per initialization of Python; GIL */
/* Is pyctm_stack_forget called whenever a code object of the main interpreter dies? GIL. HOOK */
bool pyctm_code_deaths_are_known(void);
size_t pyctm_code_cache_memory(void);

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
bool pyctm_event_alloc(uint32_t domain, uintptr_t address, size_t size, bool gil_held);
void pyctm_event_free(uint32_t domain, uintptr_t address, bool gil_held); /* HOOK */

/* --- freelist_tracer.c (3.13+), freelist_patch.c (3.11, 3.12) --- */
void pyctm_freelist_start(void);
void pyctm_freelist_stop(void);
/* The program has started or stopped stdlib's tracemalloc: listen again where that has ended it. */
void pyctm_freelist_resume(void);
/* Still followed? (On 3.13+ somebody else may take the reference tracer.) */
bool pyctm_freelist_is_alive(void);

/* --- freelist.c --- */
int pyctm_event_reference(PyObject *op); /* HOOK: `op` got its first reference; 0 */
size_t pyctm_object_header_size(const PyTypeObject *type); /* HOOK: bytes before the object */
/* Revives one object of each kind that has a free list; NULL or the first that went unseen. */
const char *pyctm_freelist_self_test(void);

/* --- track.c --- */
typedef enum pyctm_announced {
    PYCTM_ANNOUNCED_LOST,
    PYCTM_ANNOUNCED_BY_JUMP,
    PYCTM_ANNOUNCED_BY_TABLE,
} pyctm_announced;
void pyctm_track_prepare(
    void); /* before anything traces, so that no call is under way in between */
void pyctm_track_start(void);
/* Looks at libraries that were loaded since, where their tables are what is followed. */
void pyctm_track_look_again(void);
/* For tests: take this way or none. False: another one was taken already. */
bool pyctm_track_requested(pyctm_announced way);

/* --- stdlib_flag.c (3.11, 3.12; elsewhere it does nothing) --- */

/* Makes stdlib trace with empty tables, unless it traces on its own account. -1 with an exception. */
int pyctm_stdlib_flag_raise(PyObject *stdlib_tracemalloc);
/* Does stdlib trace on its own account? True on 3.13 and newer, where it need not be known. HOOK */
bool pyctm_stdlib_flag_is_set(void);
/* stdlib_tracemalloc NULL: leave it to stdlib's own finalizer. */
void pyctm_stdlib_flag_lower(PyObject *stdlib_tracemalloc);

/* --- module.c --- */

/* The frames of a live block as stdlib gives them: a tuple of (filename, lineno), the most recent
 * first, or None. A new reference, NULL with an exception. GIL, not in a hook. */
PyObject *pyctm_raw_traceback_of_block(uint32_t domain, uintptr_t address);

#endif
