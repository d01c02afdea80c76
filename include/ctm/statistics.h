/* statistics.h: grouping and comparing the sites of snapshots.
 *
 * Model: one pass over the sites, one hash table of groups, one sort. Never a visit
 * of single blocks. All calls take immutable snapshots, from any thread; results are
 * owned by the caller and keep the snapshots they refer to alive.
 *
 * Groups compare frames as stdlib's tracemalloc does, by (filename, line) only: two
 * frames that differ in their function alone are one group, except by CTM_BY_FUNCTION.
 *
 * Order, largest first, unless a ctm_sort says otherwise (that of stdlib): statistics by (size, count,
 * traceback), diffs by (|size_diff|, size, |count_diff|, count, traceback); tracebacks compare from the
 * oldest frame, file names by code point.
 *
 * Besides what is live, a row tells *churn*, what was ever allocated in the group, and its part of
 * the *peak*, what was live there at the moment when all together was most.
 */
#ifndef CTM_STATISTICS_H
#define CTM_STATISTICS_H

#include "ctm/filter.h"
#include "ctm/snapshot.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum ctm_key {
    CTM_BY_TRACEBACK = 0, /* all frames kept; not cumulative */
    CTM_BY_FILENAME = 1,
    CTM_BY_LINENO = 2,   /* file and line of the most recent frame */
    CTM_BY_FUNCTION = 3, /* file, name and first line of the most recent frame's function */
} ctm_key;

/* What rows are sorted by, and which groups have one. Equal rows stand in the order of CTM_SORT_SIZE. */
typedef enum ctm_sort {
    /* Groups with live blocks: */
    CTM_SORT_SIZE = 0,
    CTM_SORT_COUNT =
        1, /* (count, size, ...), diffs (|count_diff|, count, |size_diff|, size, ...) */
    /* The same and groups with blocks at the peak: (peak_size, peak_count, ...), diffs
     * (|peak_size_diff|, peak_size, |peak_count_diff|, peak_count, ...) */
    CTM_SORT_PEAK = 2,
    CTM_SORT_ALLOCATED = 3, /* All groups ever allocated from; the same with allocated_size, ... */
} ctm_sort;

typedef struct ctm_statistic {
    uint64_t size;  /* bytes */
    uint64_t count; /* blocks */
    /* What the group is, an id in ctm_statistics_snapshot(): a traceback (BY_TRACEBACK),
     * a string (BY_FILENAME), a frame (BY_LINENO), a function (BY_FUNCTION). */
    uint32_t id;
    uint32_t in_new;    /* diffs: 1 if the group has live blocks in the new snapshot */
    int64_t size_diff;  /* diffs: bytes, new - old; else 0 */
    int64_t count_diff; /* diffs: blocks, new - old; else 0 */
    /* Standard error of size (diffs: of size_diff, at most), in bytes, if the snapshot is a sample: size and
     * count are then unbiased estimates. Else 0. */
    double size_error;
    uint32_t estimated; /* 1 if any snapshot is a sample: all sizes and counts are estimates */
    bool
        churn_known; /* are the numbers `allocated_...` known (ctm_snapshot_info)? Else they are 0 */
    bool peak_known;   /* the same of `peak_...` */
    uint16_t reserved; /* 0 */
    /* Ever allocated, since start or clear; `allocated_count - count` of them were freed. At most INT64_MAX. */
    uint64_t allocated_size, allocated_count;
    uint64_t peak_size, peak_count; /* live at the moment of the peak */
    /* Diffs: new - old; else 0. The first two are what was allocated between the snapshots. */
    int64_t allocated_size_diff, allocated_count_diff;
    int64_t peak_size_diff, peak_count_diff;
} ctm_statistic;

typedef struct ctm_statistics ctm_statistics; /* opaque, immutable */

/* cumulative: a block counts once for every frame of its traceback, as often as the frame's
 * group stands there (as in stdlib). Not cumulative, the empty traceback is group 0 (by
 * filename that is also the group of the file name ""). CTM_ERR_NOMEM; CTM_ERR_INVALID: unknown
 * key or sort, or cumulative by traceback; CTM_ERR_LIMIT: a sum of live blocks is over INT64_MAX;
 * CTM_ERR_NOT_FOUND: to be sorted by what is not known (of one of the snapshots). */
CTM_API CTM_NODISCARD ctm_status ctm_snapshot_statistics(ctm_snapshot *snapshot, ctm_key key,
                                                         bool cumulative, ctm_statistics **out);
CTM_API CTM_NODISCARD ctm_status ctm_snapshot_compare(ctm_snapshot *newer, ctm_snapshot *older,
                                                      ctm_key key, bool cumulative,
                                                      ctm_statistics **out);
CTM_API CTM_NODISCARD ctm_status ctm_snapshot_statistics_sorted(ctm_snapshot *snapshot, ctm_key key,
                                                                bool cumulative, ctm_sort sort,
                                                                ctm_statistics **out);
CTM_API CTM_NODISCARD ctm_status ctm_snapshot_compare_sorted(ctm_snapshot *newer,
                                                             ctm_snapshot *older, ctm_key key,
                                                             bool cumulative, ctm_sort sort,
                                                             ctm_statistics **out);
CTM_API void ctm_statistics_free(ctm_statistics *statistics); /* NULL is allowed */
CTM_API size_t ctm_statistics_length(const ctm_statistics *statistics);
CTM_API const ctm_statistic *ctm_statistics_rows(const ctm_statistics *statistics); /* borrowed */
/* The snapshot whose tables the ids index; borrowed. */
CTM_API ctm_snapshot *ctm_statistics_snapshot(const ctm_statistics *statistics);

#ifdef __cplusplus
}
#endif
#endif
