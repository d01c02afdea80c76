/* state.h: what the capture knows, of the process and of each thread.
 *
 * Model: one capture per process, because CPython's allocators are per process. What each field means is told where it is
 * used: frames/ (codes), stackcache/ (stacks), attribution.c, stdlib_flag.c, capture.c. Data only: nothing here calls up.
 */
#ifndef PYCTM_CAPTURE_STATE_H
#define PYCTM_CAPTURE_STATE_H

#include <Python.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "capture/frames/code_cache.h"
#include "capture/frames/frames.h"
#include "capture/stackcache/stack_cache.h"
#include "ctm/ctm.h"

/* Of each thread; touched by that thread alone. Kept small: it lives in the static TLS block. */
typedef struct pyctm_hook_state {
    uintptr_t last_block;    /* the block that this thread's hook recorded last; 0: none */
    PyThreadState *attached; /* see attached.c; only compared */
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

#define PYCTM_SELF_SITES 64u /* a power of two */

/* The last chain of a shard; it is guarded as the shard is. */
typedef struct pyctm_chain {
    pyctm_position *positions; /* the walk, innermost first; owned, as the two below */
    uint32_t *frames;          /* frame rows, oldest first */
    uint32_t *nodes;           /* traceback rows, oldest first */
    uint32_t capacity;         /* of each array */
    uint32_t length;
    uint32_t left_out;   /* frames older than the oldest */
    uint32_t generation; /* of the ids */
} pyctm_chain;

/* A site of shard 0 met in a self scope; GIL. */
typedef struct pyctm_self_site {
    uint64_t scope, size;
    uint32_t generation, site;
} pyctm_self_site;

typedef struct pyctm_attribution {
    pyctm_chain chains[CTM_SHARDS];               /* each: its shard's lock */
    pyctm_self_site self_sites[PYCTM_SELF_SITES]; /* by size in words, the last one met; GIL */
    _Atomic uint64_t self_scopes;                 /* begun so far */
    const char *own_filename;                     /* borrowed for ever; set before tracing starts */
} pyctm_attribution;

/* The process's capture. Written with the GIL held; hooks read tracer, main_interpreter and mode. */
typedef struct pyctm_capture {
    ctm_tracer *tracer;   /* owned; made once, never freed: hooks may read it */
    ctm_shard *exclusive; /* its shard 0; with the GIL and unless idle it may be used as it is */
    PyInterpreterState *main_interpreter; /* borrowed for comparison only */
    PyThreadState *
        *main_holder;     /* attached.c; where the interpreter notes who took the main GIL last */
    _Atomic uint8_t mode; /* a pyctm_mode: what hooks do */
    _Atomic uint64_t lost_reattributions; /* free-list events that ran out of memory */
    _Atomic bool stdlib_flag_raised;      /* stdlib's tracemalloc was started to carry us */
    bool stands_in; /* install() was called: stdlib's questions are answered by us; GIL */
    pyctm_fact allocators, free_lists, tracked_blocks; /* since the last start */
    /* The frames of a live block as stdlib gives them: a tuple of (filename, lineno), the most recent first, or None. A new
     * reference, NULL with an exception. Not in a hook. Set by the module, before the first start; GIL. */
    PyObject *(*raw_traceback)(struct pyctm_capture *capture, uint32_t domain, uintptr_t address);
    pyctm_code_cache codes;   /* GIL */
    pyctm_stack_cache stacks; /* GIL */
    pyctm_attribution attribution;
} pyctm_capture;

/* CPython's allocators, listeners and detours are one per process and are given no data of ours: what they call names this
 * object, and passes it on. */
extern pyctm_capture pyctm_the_capture;

/* HOOK: */
static inline pyctm_mode pyctm_capture_mode(const pyctm_capture *capture)
{
    return (pyctm_mode)atomic_load_explicit(&capture->mode, memory_order_relaxed);
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
static inline bool pyctm_capture_takes(const pyctm_capture *capture, size_t size)
{
    return pyctm_capture_mode(capture) != PYCTM_SAMPLING ||
           ctm_sampler_takes(capture->tracer, &pyctm_hook_tls.sampler, size);
}

#endif
