/* recording.h: memory over time, on file.
 *
 * Model: a recording is the tables of a tracer and, tick by tick, what changed in the counters of its
 * sites (docs/formats/recording.md). A thread of its own reads the tracer's tables and appends to the
 * file; it takes no lock that an event waits for, and nothing of the caller's. What a file holds up
 * to its last whole block can always be read.
 *
 * A *moment* is one tick as the reader gives it. Two moments are compared by their snapshots.
 */
#ifndef CTM_RECORDING_H
#define CTM_RECORDING_H

#include "ctm/file.h"
#include "ctm/losses.h"
#include "ctm/statistics.h"
#include "ctm/tracer.h"

#ifdef __cplusplus
extern "C" {
#endif

/* --- writing --- */

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

/* --- reading --- */

typedef struct ctm_recording ctm_recording; /* opaque; one thread at a time */

typedef struct ctm_moment {
    uint64_t time; /* nanoseconds since the recording began; never less than the moment before */
    uint64_t bytes, blocks;  /* live; of a sample, estimated */
    uint64_t peak_bytes;     /* the tracer's exact peak up to now (since start, clear or reset) */
    uint64_t resident_bytes; /* of the process; 0: not known */
    uint32_t span;           /* which ctm_recording_span it is in */
    uint32_t reserved;       /* 0 */
} ctm_moment;

/* Between two of start, stop and clear. A span in which tracing is off has no moments. */
typedef struct ctm_recording_span {
    uint64_t time; /* nanoseconds: when the recorder saw it begin */
    uint64_t sample_interval;
    uint32_t nframe;
    bool tracing;
} ctm_recording_span;

typedef enum ctm_recording_end {
    CTM_END_UNKNOWN = 0, /* there is no end: it goes on, or was killed */
    CTM_END_STOPPED = 1,
    CTM_END_EXIT = 2, /* with the program */
} ctm_recording_end;

/* Why a recording ended before its time. */
typedef enum ctm_recording_lack {
    CTM_RECORDING_COMPLETE = 0,
    CTM_RECORDING_NO_SPACE =
        1,                /* the file could not grow: the disk, a quota or a limit of the process */
    CTM_RECORDING_IO = 2, /* writing failed for another reason */
    CTM_RECORDING_NO_MEMORY = 3,
    CTM_RECORDING_TABLES_LOST = 4, /* the file of the black box that held the tables was cut */
} ctm_recording_lack;
/* A short English text, never NULL. Static storage; any thread. */
CTM_API const char *ctm_recording_lack_text(ctm_recording_lack lack);

typedef struct ctm_recording_info {
    uint64_t started;    /* UNIX time, nanoseconds */
    uint64_t interval;   /* nanoseconds between ticks, as asked for */
    uint64_t pid;        /* of the recorded process */
    const char *command; /* UTF-8; borrowed; "" : not known */
    size_t moments, spans;
    ctm_recording_end end;
    /* Where reading ended; less than the size of the file if the tail is cut off or damaged: then `fault` says
     * what is there (offset and reason); else its reason is NULL. */
    uint64_t good_bytes, file_bytes;
    ctm_file_error fault;
    ctm_recording_lack lack;
    /* How the program ended (ctm_tracer_set_end), if there is an end: "": not known. Borrowed. */
    const char *end_text;
    int32_t exit_status; /* 0 if it is not known */
    bool exit_status_known;
} ctm_recording_info;

/* Reads what there is, up to the first block that is cut off or damaged, and checks all of it. The file is read again
 * for each question, so it must stay. CTM_ERR_FORMAT: no recording (`error`, which may be NULL). CTM_ERR_IO,
 * CTM_ERR_NOMEM. */
CTM_API CTM_NODISCARD ctm_status ctm_recording_open(const char *path, ctm_recording **out,
                                                    ctm_file_error *error);
/* The same for bytes in memory, borrowed until free. */
CTM_API CTM_NODISCARD ctm_status ctm_recording_decode(const void *bytes, size_t size,
                                                      ctm_recording **out, ctm_file_error *error);
CTM_API void ctm_recording_free(ctm_recording *recording); /* NULL is allowed */
CTM_API bool ctm_file_is_recording(const void *bytes, size_t length);

/* Borrowed until free. */
CTM_API const ctm_recording_info *ctm_recording_info_get(const ctm_recording *recording);
CTM_API const ctm_moment *ctm_recording_moments(const ctm_recording *recording);
CTM_API const ctm_recording_span *ctm_recording_spans(const ctm_recording *recording);

/* What the recording lacks (losses.h), at any of its moments: an array, borrowed until free; returns how many. One that
 * ended before its time has a loss of the kind "file", and so has the snapshot of its last moment. */
CTM_API uint32_t ctm_recording_losses(const ctm_recording *recording, const ctm_loss **out);

/* The snapshot of a moment; the caller owns it. CTM_ERR_INVALID: no such moment; CTM_ERR_NOMEM; CTM_ERR_IO and
 * CTM_ERR_FORMAT: the file has changed since it was opened. */
CTM_API CTM_NODISCARD ctm_status ctm_recording_snapshot(ctm_recording *recording, size_t moment,
                                                        ctm_snapshot **out);

/* A place in the code, by what `key` groups by: the file name; and the line (CTM_BY_LINENO) or the function's name
 * and first line (CTM_BY_FUNCTION) of the most recent frame. Borrowed for the call. */
typedef struct ctm_place {
    const char *filename; /* UTF-8 */
    size_t filename_length;
    const char *function; /* NULL: not known */
    size_t function_length;
    int32_t lineno; /* CTM_BY_FUNCTION: of the definition */
} ctm_place;

/* What the blocks of each of `n` places were, in the `count` moments from `first` on: out_bytes and out_blocks are
 * arrays of n × count, place by place. Not CTM_BY_TRACEBACK (CTM_ERR_INVALID). Else as above. */
CTM_API CTM_NODISCARD ctm_status ctm_recording_series(ctm_recording *recording, size_t first,
                                                      size_t count, ctm_key key,
                                                      const ctm_place *places, size_t n,
                                                      uint64_t *out_bytes, uint64_t *out_blocks);

#ifdef __cplusplus
}
#endif
#endif
