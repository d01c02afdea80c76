/* ctm/merge.h: merges the snapshots of many processes into one.
 *
 * Model: a merger takes one snapshot after the other and stores the rows that are new, so its memory grows with the
 * result, not with the inputs. Each site gets the labels of its input, which say where it came from. Sites with the
 * same key (domain, traceback, block size, label set) become one site, whose counters are the sums.
 *
 * The merged snapshot:
 *   labels       the site's own and the input's; for a key in both, the site's own value
 *                (so a second merge keeps the first origin)
 *   at_peak      as at the peak of the site's own process; known if all inputs know it. The peaks are at
 *                different moments, so their sum, and peak_bytes, are upper bounds of the common peak
 *   peak_bytes, tracer_bytes    the sums; 0 if one is not known
 *   nframe       the greatest
 *   taken_ns     the last
 *   started_ns   the first
 *   pid, command    if they are equal in all inputs
 */
#ifndef CTM_MERGE_H
#define CTM_MERGE_H

#include "ctm/snapshot.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ctm_merger ctm_merger; /* opaque; one thread at a time */

CTM_API CTM_NODISCARD ctm_status ctm_merger_new(ctm_merger **out);
CTM_API void ctm_merger_free(ctm_merger *merger); /* NULL is allowed */
/* Adds a snapshot whose sites get `labels`; of two labels with the same key the last counts. An error changes
 * nothing. CTM_ERR_NOMEM; CTM_ERR_LIMIT; CTM_ERR_INVALID: an empty key, more than CTM_MAX_LABELS labels, or a sample
 * interval that differs from that of the snapshots before (exact and sampled counts cannot be added up). */
CTM_API CTM_NODISCARD ctm_status ctm_merger_add(ctm_merger *merger, const ctm_snapshot *snapshot,
                                                const ctm_label_text *labels, size_t n_labels);
/* Returns the merged snapshot, which the caller owns, and empties the merger. CTM_ERR_NOMEM, CTM_ERR_LIMIT: the merger
 * keeps its content. */
CTM_API CTM_NODISCARD ctm_status ctm_merger_finish(ctm_merger *merger, ctm_snapshot **out);

typedef struct ctm_merge_input {
    const ctm_snapshot *snapshot;
    const ctm_label_text *labels;
    size_t n_labels;
} ctm_merge_input;

/* Merges in one call: new, add for each input, finish, free. */
CTM_API CTM_NODISCARD ctm_status ctm_snapshot_merge(const ctm_merge_input *inputs, size_t n,
                                                    ctm_snapshot **out);

/* For grouping by label: a snapshot of the same sites with other tracebacks. Each has one frame, without a line, in a
 * file named as the site's value of the label `key` ("": it has no such label). So CTM_BY_FILENAME gives a statistic
 * for each value. The caller owns *out. CTM_ERR_NOMEM, CTM_ERR_LIMIT. */
CTM_API CTM_NODISCARD ctm_status ctm_snapshot_by_label(const ctm_snapshot *snapshot,
                                                       const char *key, ctm_snapshot **out);

#ifdef __cplusplus
}
#endif
#endif
