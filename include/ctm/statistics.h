/* ctm/statistics.h: groups and compares the sites of snapshots.
 *
 * Model: one pass over the sites, one hash table of groups, one sort; single blocks are never visited. The functions
 * read immutable snapshots, on any thread. The caller owns the results, which have references to the snapshots they
 * need.
 *
 * Groups compare frames as stdlib's tracemalloc does, by (filename, line): two frames that differ only in their
 * function are one group, except by CTM_BY_FUNCTION.
 *
 * The default order is that of stdlib, largest first: statistics by (size, count, traceback), diffs by (|size_diff|,
 * size, |count_diff|, count, traceback). Tracebacks compare from the oldest frame on, file names by code point.
 *
 * Besides live blocks, a row has *churn*, the blocks ever allocated in the group, and *peak*, the blocks that were
 * live in it when the total was largest.
 */
#ifndef CTM_STATISTICS_H
#define CTM_STATISTICS_H

#include "ctm/filter.h"
#include "ctm/snapshot.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum ctm_key {
    CTM_BY_TRACEBACK = 0, /* all frames stored; not cumulative */
    CTM_BY_FILENAME = 1,
    CTM_BY_LINENO = 2,   /* file and line of the most recent frame */
    CTM_BY_FUNCTION = 3, /* file, name and first line of the most recent frame's function */
} ctm_key;

/* The order of rows, and which groups have a row. Equal rows are in the order of CTM_SORT_SIZE. */
typedef enum ctm_sort {
    /* Groups with live blocks, in the default order. */
    CTM_SORT_SIZE = 0,
    /* The same groups by (count, size, ...), diffs by (|count_diff|, count, |size_diff|, size, ...). */
    CTM_SORT_COUNT = 1,
    /* Groups with blocks that are live or were so at the peak, by (peak_size, peak_count, ...), diffs by
     * (|peak_size_diff|, peak_size, |peak_count_diff|, peak_count, ...). */
    CTM_SORT_PEAK = 2,
    /* Groups with blocks ever allocated, by (allocated_size, allocated_count, ...), diffs likewise. */
    CTM_SORT_ALLOCATED = 3,
} ctm_sort;

typedef struct ctm_statistic {
    uint64_t size;  /* bytes */
    uint64_t count; /* blocks */
    /* The group, as an id in ctm_statistics_snapshot(): a traceback (BY_TRACEBACK), a string (BY_FILENAME), a frame
     * (BY_LINENO), a function (BY_FUNCTION). */
    uint32_t id;
    uint32_t in_new;    /* diffs: 1 if the group has live blocks in the new snapshot */
    int64_t size_diff;  /* diffs: bytes, new - old; else 0 */
    int64_t count_diff; /* diffs: blocks, new - old; else 0 */
    /* Standard error of size in bytes (diffs: an upper bound of that of size_diff) if a snapshot is sampled: size
     * and count are then unbiased estimates. Else 0. */
    double size_error;
    uint32_t estimated; /* 1: a snapshot is sampled, so all sizes and counts are estimates */
    bool
        churn_known; /* whether `allocated_...` are known (ctm_snapshot_info); if not, they are 0 */
    bool peak_known; /* the same for `peak_...` */
    uint16_t reserved; /* 0 */
    /* Ever allocated since start or clear, at most INT64_MAX; `allocated_count - count` of the blocks were freed. */
    uint64_t allocated_size, allocated_count;
    uint64_t peak_size, peak_count; /* live at the moment of the peak */
    /* Diffs: new - old; else 0. The first two are the allocations between the snapshots. */
    int64_t allocated_size_diff, allocated_count_diff;
    int64_t peak_size_diff, peak_count_diff;
} ctm_statistic;

typedef struct ctm_statistics ctm_statistics; /* opaque, immutable */

/* Statistics of a snapshot, or of the difference of two; the caller frees *out. cumulative: as in stdlib, a block
 * counts once for each frame of its traceback, so twice in a group with two of them. Not cumulative: the empty
 * traceback is group 0, which by filename is also the group of the file name "". CTM_ERR_NOMEM; CTM_ERR_INVALID:
 * unknown key or sort, or cumulative by traceback; CTM_ERR_LIMIT: a sum of live blocks is over INT64_MAX;
 * CTM_ERR_NOT_FOUND: a snapshot does not know what to sort by. */
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
