/* ctm/labels.h: the label sets of a running tracer: for which request, task or tenant memory is allocated.
 *
 * Model: a program has few values for some keys (a route) and a new one each time for others (a request's id), and a tracer
 * remembers a limited number of sets. So sets are known by a *handle*, the same in all shards, which the caller holds while it may
 * allocate with it:
 *
 *   kept sets       up to CTM_LABEL_VALUES values of each key are kept values: the first ones that are seen again. A set that has
 *                   only these is kept, with all of its counters from then on, until the tracer is emptied.
 *   temporary sets  all others. When such a set was released and none of its blocks is live, or was live at the peak, it is
 *                   forgotten. What was counted there is counted at its *rest*.
 *   the rest        of a temporary set: the kept set that has "other" in the place of each value that is not kept.
 *
 * At most CTM_TEMPORARY_LABELS temporary sets are known at a time. Beyond that sets are counted at their rest only, and a loss of the
 * kind "labels" says so (losses.h).
 *
 * A temporary set has rows of its own for the sites of its rest: its *portions*. Snapshots tell them apart; a black box and a
 * recording have the rest.
 */
#ifndef CTM_LABELS_H
#define CTM_LABELS_H

#include "ctm/shard.h"

#ifdef __cplusplus
extern "C" {
#endif

#define CTM_LABEL_VALUES 64u       /* kept values of a key */
#define CTM_KEPT_LABELS 4096u      /* kept sets, at most */
#define CTM_TEMPORARY_LABELS 4096u /* temporary sets, at most */
#define CTM_MAX_LABEL_VALUE 1024u  /* bytes of a value */
#define CTM_OTHER_LABELS "other"

/* The next two are called as if inside shard 0, but not between enter and leave.
 *
 * The handle of a label set, which the caller then holds, until it has called release as often. Of two pairs with the same
 * key the last counts; n 0: handle 0, the empty set. The handle is valid after start, stop and clear too. CTM_ERR_NOMEM;
 * CTM_ERR_INVALID: a key is empty or has over CTM_MAX_LABEL_KEY bytes, a value has over CTM_MAX_LABEL_VALUE, a text is not
 * UTF-8, or there are over CTM_MAX_LABELS keys. */
CTM_API CTM_NODISCARD ctm_status ctm_tracer_labels(ctm_tracer *tracer, const ctm_label_text *pairs,
                                                   size_t n, uint32_t *out);
CTM_API void ctm_tracer_labels_release(ctm_tracer *tracer, uint32_t handle);

/* The site of this key with the labels of a handle, which some caller holds. CTM_ERR_NOMEM, CTM_ERR_LIMIT, CTM_ERR_INVALID as of
 * ctm_shard_site. A caller may store the result until the generation changes, and asks ctm_shard_has_labels before it
 * uses it again. */
CTM_API CTM_NODISCARD ctm_status ctm_shard_labelled_site(ctm_shard *shard, uint32_t domain,
                                                         uint32_t traceback, uint64_t size,
                                                         uint32_t handle, uint32_t *out);
/* As the functions of shard.h, for such a site. */
CTM_API CTM_NODISCARD ctm_status ctm_shard_alloc_labelled_at(ctm_shard *shard, uint32_t domain,
                                                             uintptr_t address, uint32_t site);
CTM_API void ctm_shard_reattribute_labelled_at(ctm_shard *shard, const ctm_found *found,
                                               uint32_t site);
/* Whether `site`, a result of this shard for this handle or 0, still is what ctm_shard_labelled_site would return. */
CTM_API bool ctm_shard_has_labels(const ctm_shard *shard, uint32_t site, uint32_t handle);
/* If not: what it would return now, without looking the site up. 0: that is not possible. */
CTM_API uint32_t ctm_shard_labelled_again(ctm_shard *shard, uint32_t site, uint32_t handle);

#ifdef __cplusplus
}
#endif
#endif
