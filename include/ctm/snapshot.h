/* ctm/snapshot.h: snapshots; each is an immutable copy of the tables.
 *
 * Model: a snapshot has flat arrays of rows (tables.h), is immutable and reference-counted. Any number of threads may
 * read it at the same time; ref and unref are atomic. Sites have an order. Two site rows may have the same key (if a
 * builder made them); grouping adds them up.
 *
 * A *trace* is one live block. The traces of a snapshot are its sites in order, each as often as it has live blocks.
 */
#ifndef CTM_SNAPSHOT_H
#define CTM_SNAPSHOT_H

#include "ctm/builder.h"
#include "ctm/tables.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ctm_snapshot ctm_snapshot; /* opaque, immutable */

CTM_API ctm_snapshot *ctm_snapshot_ref(ctm_snapshot *snapshot); /* returns its argument */
CTM_API void ctm_snapshot_unref(ctm_snapshot *snapshot);        /* NULL is allowed */

/* The state of the tracer at the moment of the snapshot. */
typedef struct ctm_snapshot_info {
    uint32_t nframe;                                 /* the limit of frames; 0: not known */
    uint32_t sites;                                  /* rows without row 0: ids are 1..sites */
    uint32_t tracebacks, frames, functions, strings; /* the same */
    uint32_t label_sets;                             /* the same */
    uint32_t command;                                /* string: command line; 0: not known */
    uint64_t live_blocks;                            /* recorded blocks: the number of traces */
    uint64_t current_bytes;                          /* bytes in them */
    uint64_t peak_bytes;                             /* 0: not known; with sampling, estimated */
    uint64_t tracer_bytes;                           /* used by the tracer itself; 0: not known */
    uint64_t sample_interval; /* bytes; 0: every block was recorded (ctm_tracer_start_sampling) */
    uint64_t taken_ns;        /* UNIX time of the snapshot in nanoseconds; 0: not known */
    uint64_t started_ns;      /* UNIX time when tracing began; 0: not known */
    uint32_t pid;             /* of the process; 0: not known */
    bool peak_known;          /* whether the sites' at_peak counts are known; if not, they are 0 */
    /* Whether `allocated` and `freed` include blocks that are not live. False for a snapshot made from traces, which
     * are live blocks only. It is recognized by this: its peak is not known and no block was freed. */
    bool churn_known;
} ctm_snapshot_info;
CTM_API void ctm_snapshot_info_get(const ctm_snapshot *snapshot, ctm_snapshot_info *out);

/* Arrays indexed by id, row 0 included; borrowed, valid as long as the snapshot. */
CTM_API const ctm_site *ctm_snapshot_sites(const ctm_snapshot *snapshot);
CTM_API const ctm_traceback *ctm_snapshot_tracebacks(const ctm_snapshot *snapshot);
CTM_API const ctm_frame *ctm_snapshot_frames(const ctm_snapshot *snapshot);
CTM_API const ctm_function *ctm_snapshot_functions(const ctm_snapshot *snapshot);
CTM_API const ctm_label *ctm_snapshot_labels(const ctm_snapshot *snapshot);
/* UTF-8, with lone surrogates as Python's "surrogatepass" writes them. NUL-terminated; borrowed. */
CTM_API const char *ctm_snapshot_string(const ctm_snapshot *snapshot, uint32_t id,
                                        size_t *out_length);
/* The number of frames stored in `traceback` (0 for id 0). O(1). */
CTM_API uint32_t ctm_snapshot_traceback_length(const ctm_snapshot *snapshot, uint32_t traceback);
/* The site of trace `index`, by binary search; 0 unless 0 <= index < live_blocks. */
CTM_API uint32_t ctm_snapshot_trace_site(const ctm_snapshot *snapshot, uint64_t index);
/* Whether both have the same traces in the same order, compared by domain, size, files and lines, total_nframe. How the
 * traces are split into rows, rows without live blocks, labels, info and functions do not matter.
 * CTM_ERR_NOMEM, CTM_ERR_LIMIT. */
CTM_API CTM_NODISCARD ctm_status ctm_snapshot_equal(const ctm_snapshot *a, const ctm_snapshot *b,
                                                    bool *out);

/* --- snapshots with the same tables and other live blocks. The caller owns *out --- */
/* The snapshot of the moment of the peak: the live blocks of each site are those of that moment, and current_bytes is
 * their sum. A site's `allocated` is unchanged (up to the moment of `snapshot`), `freed` is the rest. All sites
 * stay. Of a filtered snapshot, it has the sites that passed the filter.
 * CTM_ERR_NOT_FOUND: the peak is not known (info.peak_known); CTM_ERR_NOMEM; CTM_ERR_LIMIT. */
CTM_API CTM_NODISCARD ctm_status ctm_snapshot_at_peak(const ctm_snapshot *snapshot,
                                                      ctm_snapshot **out);
/* A snapshot of chosen live blocks: counts[id] blocks of site `id`, at most as many as it has (else CTM_ERR_INVALID).
 * Its peak, churn and tracer_bytes are not known. CTM_ERR_NOMEM, CTM_ERR_LIMIT. */
CTM_API CTM_NODISCARD ctm_status ctm_snapshot_select(const ctm_snapshot *snapshot,
                                                     const uint64_t *counts, ctm_snapshot **out);

#ifdef __cplusplus
}
#endif
#endif
