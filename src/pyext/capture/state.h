/* state.h: the state of the capture, per process and per thread.
 *
 * Model: one capture per process, because CPython's allocators are per process. Each field is explained in the file
 * that uses it: frames/ (codes), stackcache/ (stacks), attribution.c, stdlib_flag.c, capture.c. Data only: nothing here
 * calls functions of those files.
 */
#ifndef PYCTM_CAPTURE_STATE_H
#define PYCTM_CAPTURE_STATE_H

#include <Python.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "capture/frames/assert.h"
#include "capture/frames/code_cache.h"
#include "capture/frames/context.h"
#include "capture/frames/frames.h"
#include "capture/stackcache/stack_cache.h"
#include "ctm/ctm.h"

/* The state of one thread, accessed by that thread alone. Small, because it is in the static TLS block. */
typedef struct pyctm_hook_state {
    uintptr_t last_block;    /* the block that this thread's hook recorded last; 0: none */
    PyThreadState *attached; /* borrowed, only compared: see attached.c */
    uint32_t shard;          /* its locked shard; 0: not chosen yet */
    union {
        struct {
            bool inside;            /* an original function is running, called by a hook */
            bool in_self_scope : 1; /* this module is making its results: pyctm_self_scope_begin */
            bool is_exempt : 1;     /* what the thread allocates makes no new peak: exempt.h */
            bool probing; /* the thread tests whether blocks reach our hooks: see layers.c */
            bool
                reported; /* our reference tracer calls another one: the reference is recorded already */
        };
        uint32_t special; /* all five: not 0 if an event is not plain */
    };
    uint32_t exempt_round;        /* of `exempt_bytes` */
    int64_t exempt_bytes;         /* that its events have made exempt: exempt.h */
    const void *self_scope_frame; /* innermost frame where the self scope began; only compared */
    uint64_t self_scope;          /* number of the self scope, unique in the process, from 1 on */
    struct pyctm_probe *probe;    /* borrowed: the test under way; valid while `probing` */
    ctm_sampler sampler;
    pyctm_label_moment label_moment; /* when it has read its labels */
    uint32_t label_handle;           /* these */
    uint32_t named_handle;           /* of a thread without a LabelSet: see thread_names.h */
    uint32_t named_serial;           /* of pyctm_labels, at that time */
    uint64_t named_thread;           /* id of the thread state that these three are of; 0: none */
    bool is_nameless;                /* it has no name; named_handle is not used */
} pyctm_hook_state;
extern __thread pyctm_hook_state pyctm_hook_tls __attribute__((tls_model("initial-exec")));

/* A fact for the user: whether one kind of event is followed in this interpreter, and how or why not. */
typedef struct pyctm_fact {
    bool ok;
    const char *detail; /* static text */
} pyctm_fact;

typedef enum pyctm_mode {
    PYCTM_IDLE = 0,     /* hooks only call the original functions */
    PYCTM_EXACT = 1,    /* record every event */
    PYCTM_SAMPLING = 2, /* record the blocks that the thread's sampler takes */
    PYCTM_LABELLED = 3, /* record every event, with the thread's labels */
} pyctm_mode;
#define PYCTM_RECORDS_ALL 1 /* the bit of PYCTM_EXACT and PYCTM_LABELLED */

#define PYCTM_SELF_SITES 64u /* a power of two */

/* The last chain that was built in a shard. Lock: the shard's. */
typedef struct pyctm_chain {
    pyctm_position *positions; /* owned: the positions of the walk, innermost first */
    uint32_t *frames;          /* owned: frame rows, oldest first */
    uint32_t *nodes;           /* owned: traceback rows, oldest first */
    uint32_t capacity;         /* of each array */
    uint32_t length;
    uint32_t left_out;   /* how many frames are older than the chain's oldest */
    uint32_t generation; /* of the rows */
} pyctm_chain;

/* A site of shard 0 that a self scope used. GIL. */
typedef struct pyctm_self_site {
    uint64_t scope, size;
    uint32_t generation, site;
} pyctm_self_site;

typedef struct pyctm_attribution {
    pyctm_chain chains[CTM_SHARDS];               /* each: its shard's lock */
    pyctm_self_site self_sites[PYCTM_SELF_SITES]; /* GIL; by size in words, the last one used */
    _Atomic uint64_t self_scopes;                 /* begun so far */
    const char *own_filename;                     /* borrowed for ever; set before tracing starts */
} pyctm_attribution;

#define PYCTM_LABEL_THREAD 1u
#define PYCTM_LABEL_TASK 2u

/* See labels.h. Written with the GIL held; hooks read all but `sets`. */
typedef struct pyctm_labels {
    _Atomic bool in_use;
    _Atomic uint32_t serial;         /* changes when threads must read their labels again */
    uint32_t handle_of_none;         /* held: for a thread without a LabelSet */
    char *mark;                      /* owned, GIL: of all sets; NULL: none */
    pyctm_context_variable variable; /* of LabelSets */
    PyTypeObject *set_type;          /* owned, for ever */
    struct pyctm_label_set *sets;    /* borrowed: the first of all that exist */
    struct pyctm_scope
        *process; /* owned, GIL: the innermost open scope of the process; NULL: none */
    _Atomic uint8_t
        automatic; /* PYCTM_LABEL_*: which labels are given without the program's doing */
    struct pyctm_thread_name *names; /* owned, GIL: thread_names.h */
} pyctm_labels;

/* The process's capture. Written with the GIL held; hooks read tracer, main_interpreter and mode without it. */
typedef struct pyctm_capture {
    ctm_tracer *tracer;   /* owned; made once, never freed, because hooks may read it */
    ctm_shard *exclusive; /* borrowed: shard 0; not entered: usable with the GIL, unless idle */
    PyInterpreterState *main_interpreter; /* borrowed, only compared */
    PyThreadState *
        *main_holder;     /* borrowed: the interpreter's last holder of the main GIL: attached.c */
    _Atomic uint8_t mode; /* a pyctm_mode: what hooks do */
    _Atomic uint64_t lost_reattributions; /* free-list events that ran out of memory */
    _Atomic bool stdlib_flag_raised;      /* stdlib's tracemalloc runs for us: stdlib_flag.c */
    uint64_t starts;                      /* GIL; calls of start() that did not fail */
    bool stands_in; /* GIL; install() was called: we answer the calls of stdlib's module */
    pyctm_fact allocators, free_lists, tracked_blocks; /* since the last start */
    /* Returns the frames of a live block as stdlib does: a tuple of (filename, lineno), the most recent first, or None.
     * A new reference; NULL with an exception. Not for hooks. Set by the module before the first start; GIL. */
    PyObject *(*raw_traceback)(struct pyctm_capture *capture, uint32_t domain, uintptr_t address);
    pyctm_code_cache codes;   /* GIL */
    pyctm_stack_cache stacks; /* GIL */
    pyctm_labels labels;
    pyctm_attribution attribution;
} pyctm_capture;

/* CPython's allocators, reference tracers, watchers and detours exist once per process and get no pointer to data of ours. So the
 * functions that they call name this object and pass it on. */
extern pyctm_capture pyctm_the_capture;

/* HOOK: */
static inline pyctm_mode pyctm_capture_mode(const pyctm_capture *capture)
{
    return (pyctm_mode)atomic_load_explicit(&capture->mode, memory_order_relaxed);
}

/* HOOK: Whether every event is recorded. */
static inline bool pyctm_capture_records_all(const pyctm_capture *capture)
{
    return (pyctm_capture_mode(capture) & PYCTM_RECORDS_ALL) != 0;
}

/* HOOK: Before and after the original function of a plain event. Writes the whole word, because the next event reads
 * the whole word: a load that spans earlier, smaller stores waits until they are in the cache. */
static inline void pyctm_hook_enter(void)
{
    PYCTM_ASSERT(pyctm_hook_tls.special == 0);
    pyctm_hook_tls.special = 1; /* `inside`, in the lowest byte */
    PYCTM_ASSERT(pyctm_hook_tls.inside);
}

/* HOOK: */
static inline void pyctm_hook_leave(void)
{
    PYCTM_ASSERT(pyctm_hook_tls.special == 1);
    pyctm_hook_tls.special = 0;
}

/* HOOK: Whether this block, which was just announced, is to be recorded. Called once per block. */
static inline bool pyctm_capture_takes(const pyctm_capture *capture, size_t size)
{
    return pyctm_capture_mode(capture) != PYCTM_SAMPLING ||
           ctm_sampler_takes(capture->tracer, &pyctm_hook_tls.sampler, size);
}

#endif
