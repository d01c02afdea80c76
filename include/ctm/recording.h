/* ctm/recording.h: recordings: memory over time, read from a file that a recorder (recorder.h) writes.
 *
 * Model: a recording has the tables of a tracer and, for each tick, the changes of its sites' counters
 * (docs/formats/recording.md). A thread of the recorder's own reads the tracer's tables and appends to the file. It takes no
 * lock that an event waits for, and none of the caller's. A file can always be read up to its last complete block.
 *
 * A *moment* is a tick, as read. To compare two moments, compare their snapshots.
 */
#ifndef CTM_RECORDING_H
#define CTM_RECORDING_H

#include "ctm/file.h"
#include "ctm/losses.h"
#include "ctm/recorder.h"
#include "ctm/statistics.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ctm_recording ctm_recording; /* opaque; one thread at a time */

typedef struct ctm_moment {
    uint64_t
        time; /* nanoseconds since the start of the recording; at least that of the moment before */
    uint64_t bytes, blocks;  /* live; with sampling, estimated */
    uint64_t peak_bytes;     /* the tracer's exact peak up to then, since start, clear or reset */
    uint64_t resident_bytes; /* of the process; 0: not known */
    uint32_t span;           /* index of its ctm_recording_span */
    uint32_t reserved;       /* 0 */
} ctm_moment;

/* The time between two of start, stop and clear. A span without tracing has no moments. */
typedef struct ctm_recording_span {
    uint64_t time;            /* nanoseconds: when the recorder noticed its beginning */
    uint64_t sample_interval; /* bytes; 0: every block is recorded */
    uint32_t nframe;          /* the limit of frames */
    bool tracing;
} ctm_recording_span;

typedef enum ctm_recording_end {
    CTM_END_UNKNOWN = 0, /* the file has no end: the process is running, or was killed */
    CTM_END_STOPPED = 1, /* by a call */
    CTM_END_EXIT = 2,    /* at the exit of the process */
} ctm_recording_end;

/* Why a recording ended early. */
typedef enum ctm_recording_lack {
    CTM_RECORDING_COMPLETE = 0,
    CTM_RECORDING_NO_SPACE =
        1,                /* the file could not grow: the disk, a quota or a limit of the process */
    CTM_RECORDING_IO = 2, /* writing failed for another reason */
    CTM_RECORDING_NO_MEMORY = 3,
    CTM_RECORDING_TABLES_LOST = 4, /* the black box with the tables was truncated */
} ctm_recording_lack;
/* A short English text, never NULL. Static storage; any thread. */
CTM_API const char *ctm_recording_lack_text(ctm_recording_lack lack);

typedef struct ctm_recording_info {
    uint64_t started;    /* UNIX time, nanoseconds */
    uint64_t interval;   /* nanoseconds between ticks, as asked for */
    uint64_t pid;        /* of the recorded process */
    const char *command; /* UTF-8; borrowed; "": not known */
    size_t moments, spans;
    ctm_recording_end end;
    /* Bytes of the file that were read, and its size. They differ if the tail is truncated or damaged: then `fault`
     * has the offset and the reason; else its reason is NULL. */
    uint64_t good_bytes, file_bytes;
    ctm_file_error fault;
    ctm_recording_lack lack;
    const char *end_text; /* how the program ended (ctm_tracer_set_end); "": not known; borrowed */
    int32_t exit_status;  /* 0 if it is not known */
    bool exit_status_known;
} ctm_recording_info;

/* Reads and checks a recording up to its first truncated or damaged block; the caller frees *out. Later calls read the
 * file again, so it must not be removed or changed. CTM_ERR_FORMAT: it is not a recording (see `error`, which may be
 * NULL). CTM_ERR_IO, CTM_ERR_NOMEM. */
CTM_API CTM_NODISCARD ctm_status ctm_recording_open(const char *path, ctm_recording **out,
                                                    ctm_file_error *error);
/* The same for bytes in memory, which are borrowed until ctm_recording_free. */
CTM_API CTM_NODISCARD ctm_status ctm_recording_decode(const void *bytes, size_t size,
                                                      ctm_recording **out, ctm_file_error *error);
CTM_API void ctm_recording_free(ctm_recording *recording); /* NULL is allowed */
CTM_API bool ctm_file_is_recording(const void *bytes, size_t length);

/* Borrowed until ctm_recording_free. */
CTM_API const ctm_recording_info *ctm_recording_info_get(const ctm_recording *recording);
CTM_API const ctm_moment *ctm_recording_moments(const ctm_recording *recording);
CTM_API const ctm_recording_span *ctm_recording_spans(const ctm_recording *recording);

/* The losses of all moments (losses.h): sets *out to an array, borrowed until ctm_recording_free, and returns its
 * length. A recording that ended early has a loss of the kind "file", and so has the snapshot of its last moment. */
CTM_API uint32_t ctm_recording_losses(const ctm_recording *recording, const ctm_loss **out);

/* The snapshot of a moment, given by its index; the caller owns it. CTM_ERR_INVALID: no such moment; CTM_ERR_NOMEM;
 * CTM_ERR_IO and CTM_ERR_FORMAT: the file has changed since it was opened. */
CTM_API CTM_NODISCARD ctm_status ctm_recording_snapshot(ctm_recording *recording, size_t moment,
                                                        ctm_snapshot **out);

/* A source location, that of the most recent frame, with what the key groups by: the file name; CTM_BY_LINENO: and the
 * line; CTM_BY_FUNCTION: and the function's name and first line. Texts are borrowed for the call. */
typedef struct ctm_place {
    const char *filename;   /* UTF-8 */
    size_t filename_length; /* bytes */
    const char *function;   /* UTF-8; NULL: not known */
    size_t function_length; /* bytes */
    int32_t lineno;         /* CTM_BY_FUNCTION: that of the definition */
} ctm_place;

/* The live bytes and blocks of each of `n` locations in the `count` moments from `first` on. out_bytes and out_blocks
 * are arrays of n × count, with the moments of a location side by side. CTM_ERR_INVALID also for CTM_BY_TRACEBACK;
 * other errors as above. */
CTM_API CTM_NODISCARD ctm_status ctm_recording_series(ctm_recording *recording, size_t first,
                                                      size_t count, ctm_key key,
                                                      const ctm_place *places, size_t n,
                                                      uint64_t *out_bytes, uint64_t *out_blocks);

#ifdef __cplusplus
}
#endif
#endif
