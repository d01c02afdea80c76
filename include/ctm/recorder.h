/* ctm/recorder.h: memory over time, written to a file while a tracer goes on.
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

typedef struct ctm_recorder ctm_recorder; /* opaque; one thread at a time, except _state_get */

typedef struct ctm_recorder_state {
    bool recording; /* false: it ended, it failed, or this process is a fork of the recorded one */
    int error;      /* errno of the error that ended it; 0: none */
    const char *reason; /* static text about the error; NULL: none */
    uint64_t ticks;     /* written */
    uint64_t bytes;     /* in the file */
} ctm_recorder_state;

/* Starts a recording of `tracer` to the file `path`, with a tick now and one every `interval` nanoseconds. A regular
 * file there is emptied, unless another process records to it (CTM_ERR_IO with EWOULDBLOCK). `command` (NULL: not
 * known) is UTF-8, stored for readers. Called as if inside shard 0. CTM_ERR_NOT_TRACING; CTM_ERR_INVALID: a bad
 * interval, a command that is not UTF-8, or the tracer is being recorded already; CTM_ERR_IO, CTM_ERR_NOMEM. The caller
 * frees *out before the tracer.
 *
 * During a recording ctm_tracer_clear, _stop and _start make the recorder wait briefly. The child of a fork has no
 * recording; the parent's continues. */
CTM_API CTM_NODISCARD ctm_status ctm_recorder_start(ctm_tracer *tracer, const char *path,
                                                    uint64_t interval, const char *command,
                                                    ctm_recorder **out);
/* Makes a tick of exactly this moment: other threads wait until the counters are read, not until they are written.
 * Called as if inside shard 0. CTM_ERR_NOT_TRACING; CTM_ERR_IO with errno: the recording has ended, or the disk hangs
 * (ETIMEDOUT). */
CTM_API CTM_NODISCARD ctm_status ctm_recorder_tick(ctm_recorder *recorder);
/* Makes such a tick, ends the recording and closes the file. Called as if inside shard 0. CTM_ERR_IO with errno if
 * an error occurred, now or before. A second call does nothing. */
CTM_API ctm_status ctm_recorder_stop(ctm_recorder *recorder, bool at_exit);
/* pause ends the recorder's thread, resume starts it again. In between the recording has no ticks, except by
 * ctm_recorder_tick, which resumes it. For callers to which the number of threads matters, as before a fork. Both as if
 * inside shard 0. False: the thread is waiting for the disk and still exists; then resume does nothing. */
CTM_API bool ctm_recorder_pause(ctm_recorder *recorder);
CTM_API void ctm_recorder_resume(ctm_recorder *recorder);
/* The state as of now. Any thread. */
CTM_API void ctm_recorder_state_get(ctm_recorder *recorder, ctm_recorder_state *out);
/* Stops the recording if it is going on, and frees it. NULL is allowed. */
CTM_API void ctm_recorder_free(ctm_recorder *recorder);

#ifdef __cplusplus
}
#endif
#endif
