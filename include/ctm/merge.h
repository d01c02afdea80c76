/* merge.h: the snapshots of many processes as one.
 *
 * Model: a merger takes snapshots one after the other and keeps what is new in each, so memory
 * follows the result and not what is read. A site gets labels that say where it came from; sites of
 * one key (domain, traceback, block size, label set) become one, their counters added up.
 *
 * What the merged snapshot says:
 *   labels       the site's own and the input's; for a key in both, the site's own value stays
 *                (so merging what was merged before keeps the first origin)
 *   at_peak      each site as at its own process's peak; known if it is in all inputs. These moments
 *                differ, so their sum, like peak_bytes, is no peak that ever was: at most
 *                so much was needed together
 *   peak_bytes, tracer_bytes    the sums; 0 if one is not known
 *   nframe       the greatest
 *   taken_ns     the last, started_ns the first
 *   pid, command    if all inputs say the same
 */
#ifndef CTM_MERGE_H
#define CTM_MERGE_H

#include "ctm/snapshot.h"

#ifdef __cplusplus
extern "C" {
#endif

/* UTF-8, NUL-terminated, borrowed for the call. The key is not empty. */
typedef struct ctm_label_text {
    const char *key;
    const char *value;
} ctm_label_text;

typedef struct ctm_merger ctm_merger; /* opaque; one thread at a time */

CTM_API CTM_NODISCARD ctm_status ctm_merger_new(ctm_merger **out);
CTM_API void ctm_merger_free(ctm_merger *merger); /* NULL is allowed */
/* Of two labels with one key the last counts. All or nothing. CTM_ERR_NOMEM; CTM_ERR_LIMIT;
 * CTM_ERR_INVALID: an empty key, more than CTM_MAX_LABELS labels, or the snapshot's sample interval is
 * not that of those before (exact and sampled counts cannot be added up). */
CTM_API CTM_NODISCARD ctm_status ctm_merger_add(ctm_merger *merger, const ctm_snapshot *snapshot,
                                                const ctm_label_text *labels, size_t n_labels);
/* The snapshot of all that was added, and an empty merger. CTM_ERR_NOMEM, CTM_ERR_LIMIT: the merger
 * keeps its content then. */
CTM_API CTM_NODISCARD ctm_status ctm_merger_finish(ctm_merger *merger, ctm_snapshot **out);

typedef struct ctm_merge_input {
    const ctm_snapshot *snapshot;
    const ctm_label_text *labels;
    size_t n_labels;
} ctm_merge_input;

/* The same in one call. */
CTM_API CTM_NODISCARD ctm_status ctm_snapshot_merge(const ctm_merge_input *inputs, size_t n,
                                                    ctm_snapshot **out);

/* Groups by label: a snapshot of the same sites in which the value of the label `key` stands for the
 * place in the code. Each traceback is one frame, in a file whose name is the value ("": the site has
 * no such label), without a line. So CTM_BY_FILENAME gives a statistic for each value.
 * CTM_ERR_NOMEM, CTM_ERR_LIMIT. */
CTM_API CTM_NODISCARD ctm_status ctm_snapshot_by_label(const ctm_snapshot *snapshot,
                                                       const char *key, ctm_snapshot **out);

#ifdef __cplusplus
}
#endif
#endif
