/* event_owner.c: the owner of an event: its thread state, and the shard that records it. See capture.h. */
#include "capture/capture.h"
#include "capture/frames/frames.h"

#if !defined(Py_GIL_DISABLED) /* free-threaded builds: module.c refuses the import */

/* HOOK: */
static bool is_finalizing(void)
{
#if PYCTM_HAS_IS_FINALIZING
    return Py_IsFinalizing();
#else
    return _Py_IsFinalizing();
#endif
}

/* HOOK: The locked shard of this thread; threads are assigned to shards in turn. */
static uint32_t locked_shard(void)
{
    static _Atomic uint32_t threads;
    if (pyctm_hook_tls.shard == 0) {
        const uint32_t n = atomic_fetch_add_explicit(&threads, 1, memory_order_relaxed);
        pyctm_hook_tls.shard = 1 + n % (CTM_SHARDS - 1);
    }
    return pyctm_hook_tls.shard;
}

/* HOOK: A detached thread reads its own frames too. But once finalization began, another thread may be freeing its
 * thread state. */
pyctm_event_owner pyctm_event_owner_get(const pyctm_capture *capture, bool gil_held)
{
    PyThreadState *attached = pyctm_frames_attached(gil_held);
    PYCTM_ASSERT(attached == NULL || !gil_held || pyctm_gil_is_held());
    if (attached != NULL) {
        const bool is_main = attached->interp == capture->main_interpreter;
        if (gil_held && is_main) {
            pyctm_hook_tls.attached = attached;
        }
        return (pyctm_event_owner){attached, is_main ? 0 : locked_shard()};
    }
    if (is_finalizing()) {
        return (pyctm_event_owner){NULL, locked_shard()};
    }
    return (pyctm_event_owner){PyGILState_GetThisThreadState(), locked_shard()};
}
#endif
