/* snapshot.h: immutable pictures of the tables.
 *
 * Model: a snapshot is flat arrays of rows (tables.h), never changed after it was
 * made, shared by reference count. Any number of threads may read one at the same
 * time; ref and unref are atomic. Sites keep their order; two site rows may have the
 * same key (a builder's runs), readers that group add them up.
 *
 * A *trace* is one live block: the site rows expanded by their live counts, in order.
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

/* What was true of the tracer at the moment of the snapshot. */
typedef struct ctm_snapshot_info {
    uint32_t nframe;                                 /* the limit of frames; 0: not known */
    uint32_t sites;                                  /* rows, row 0 not counted: ids are 1..sites */
    uint32_t tracebacks, frames, functions, strings; /* the same */
    uint32_t label_sets;                             /* the same */
    uint32_t command;                                /* string: the process; 0: not known */
    uint64_t live_blocks;                            /* number of traces: recorded blocks */
    uint64_t current_bytes;                          /* in them */
    uint64_t peak_bytes;                             /* 0: not known; with sampling, estimated */
    uint64_t tracer_bytes;                           /* used by the tracer itself; 0: not known */
    uint64_t sample_interval; /* bytes; 0: every block was recorded (ctm_tracer_start_sampling) */
    uint64_t taken_ns;        /* UNIX time of the snapshot in nanoseconds; 0: not known */
    uint64_t started_ns;      /* UNIX time when tracing began; 0: not known */
    uint32_t pid;             /* of the process; 0: not known */
    bool peak_known;          /* are the sites' at_peak counts known? If not they are 0 */
    /* Do `allocated` and `freed` tell what was allocated and is gone? Not in a snapshot made of traces, of which
     * only the live blocks are known: one whose peak is not known and in which nothing was ever freed. */
    bool churn_known;
} ctm_snapshot_info;
CTM_API void ctm_snapshot_info_get(const ctm_snapshot *snapshot, ctm_snapshot_info *out);

/* Arrays indexed by id, row 0 included; borrowed, valid as long as the snapshot. */
CTM_API const ctm_site *ctm_snapshot_sites(const ctm_snapshot *snapshot);
CTM_API const ctm_traceback *ctm_snapshot_tracebacks(const ctm_snapshot *snapshot);
CTM_API const ctm_frame *ctm_snapshot_frames(const ctm_snapshot *snapshot);
CTM_API const ctm_function *ctm_snapshot_functions(const ctm_snapshot *snapshot);
CTM_API const ctm_label *ctm_snapshot_labels(const ctm_snapshot *snapshot);
/* UTF-8 (lone surrogates allowed, as Python's "surrogatepass" writes them),
 * NUL-terminated; borrowed. */
CTM_API const char *ctm_snapshot_string(const ctm_snapshot *snapshot, uint32_t id,
                                        size_t *out_length);
/* Number of frames kept in `traceback` (0 for id 0). O(1). */
CTM_API uint32_t ctm_snapshot_traceback_length(const ctm_snapshot *snapshot, uint32_t traceback);
/* The site of trace `index` (0 <= index < live_blocks), by binary search; else 0. */
CTM_API uint32_t ctm_snapshot_trace_site(const ctm_snapshot *snapshot, uint64_t index);
/* The same traces in the same order, by content (domain, size, files and lines, total_nframe)?
 * How they are cut into rows, rows without live blocks, labels, info and functions are not compared.
 * CTM_ERR_NOMEM, CTM_ERR_LIMIT. */
CTM_API CTM_NODISCARD ctm_status ctm_snapshot_equal(const ctm_snapshot *a, const ctm_snapshot *b,
                                                    bool *out);

/* --- other live blocks of the same tables. The caller owns *out --- */
/* The snapshot of the moment of the peak: the live blocks of each site are those that were live then, and
 * current_bytes is their sum. A site's `allocated` stays (ever, up to the moment of `snapshot`), `freed` is the
 * rest of them; so all sites stay, as in other snapshots. Of a filtered snapshot: of what the filter left.
 * CTM_ERR_NOT_FOUND: the peak is not known (info.peak_known); CTM_ERR_NOMEM; CTM_ERR_LIMIT. */
CTM_API CTM_NODISCARD ctm_status ctm_snapshot_at_peak(const ctm_snapshot *snapshot,
                                                      ctm_snapshot **out);
/* The live blocks chosen one by one: keep[id] of site `id`, at most what it has (else CTM_ERR_INVALID). Nothing
 * else is known of them: no peak, no churn, no tracer_bytes. CTM_ERR_NOMEM, CTM_ERR_LIMIT. */
CTM_API CTM_NODISCARD ctm_status ctm_snapshot_keep(const ctm_snapshot *snapshot,
                                                   const uint64_t *keep, ctm_snapshot **out);

#ifdef __cplusplus
}
#endif
#endif
