/* recorder.h: memory over time, written to a file while a tracer goes on.
 *
 * Model: a thread of its own reads the tracer's tables, tick by tick, and appends to the file what changed (recording.h); it
 * takes no lock that an event waits for, and nothing of the caller's.
 */
#ifndef CTM_RECORDER_H
#define CTM_RECORDER_H

#include "ctm/tracer.h"

#ifdef __cplusplus
extern "C" {
#endif

#define CTM_MIN_RECORD_INTERVAL 10000000ull      /* nanoseconds: 10 ms */
#define CTM_MAX_RECORD_INTERVAL 3600000000000ull /* an hour */

typedef struct ctm_recorder ctm_recorder; /* opaque; one thread at a time, but for _state_get */

/* How a recording is going. */
typedef struct ctm_recorder_state {
    bool recording; /* false: it ended, it failed, or this process is a fork of the recorded one */
    int error;      /* errno of what ended it; 0: nothing did */
    const char *reason; /* static text to go with it; NULL: none */
    uint64_t ticks;     /* written */
    uint64_t bytes;     /* in the file */
} ctm_recorder_state;

/* Begins a recording of `tracer` in a new file `path` (a regular file there is emptied, unless another process
 * records into it: CTM_ERR_IO with EWOULDBLOCK), with one tick now and one every `interval`
 * nanoseconds. `command` (NULL: not known) is UTF-8, for whoever reads. Called as if inside shard 0, while
 * tracing (else CTM_ERR_NOT_TRACING); CTM_ERR_INVALID: the interval, a command that is not UTF-8, or the tracer is
 * being recorded already; CTM_ERR_IO, CTM_ERR_NOMEM. The caller frees *out before the tracer.
 *
 * Afterwards ctm_tracer_clear, _stop and _start make the recorder wait for a moment. After a fork the child
 * has no recording; the parent's goes on. */
CTM_API CTM_NODISCARD ctm_status ctm_recorder_start(ctm_tracer *tracer, const char *path,
                                                    uint64_t interval, const char *command,
                                                    ctm_recorder **out);
/* A tick now, of exactly this moment: other threads wait until the counters are read (not until they are written).
 * Called as if inside shard 0. CTM_ERR_NOT_TRACING; CTM_ERR_IO (errno) if the recording has ended, or cannot get on because
 * the disk hangs (ETIMEDOUT). */
CTM_API CTM_NODISCARD ctm_status ctm_recorder_tick(ctm_recorder *recorder);
/* The same tick, then the end: the file is complete and closed. Called as if inside shard 0. CTM_ERR_IO
 * with errno if something failed, now or before. Once; then it does nothing. */
CTM_API ctm_status ctm_recorder_stop(ctm_recorder *recorder, bool at_exit);
/* Between the two a recording that goes on has no thread, and so no ticks but those that are asked for (which resume it): for callers
 * to whom the number of threads matters, as it does to a fork. Both as if inside shard 0. False: the thread is still there,
 * because it waits for the disk; then resume does nothing. */
CTM_API bool ctm_recorder_pause(ctm_recorder *recorder);
CTM_API void ctm_recorder_resume(ctm_recorder *recorder);
/* Any thread. */
CTM_API void ctm_recorder_state_get(ctm_recorder *recorder, ctm_recorder_state *out);
/* Stops it first if need be. NULL is allowed. */
CTM_API void ctm_recorder_free(ctm_recorder *recorder);

#ifdef __cplusplus
}
#endif
#endif
