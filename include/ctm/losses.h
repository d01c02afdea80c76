/* ctm/losses.h: what the numbers do not include.
 *
 * Model: a *loss* is something that a tracer did not see or a file does not have: a kind, a line of text, and the
 * number of times it happened. Losses go with the numbers: from the tracer into its snapshots, black box and
 * recording; from a snapshot into its file and into every snapshot made from it. A list has at most CTM_MAX_LOSSES
 * entries. Losses with the same kind and text are one entry, whose counts are added up. The last entry of a full list
 * has the kind "more" and says only that there were others.
 *
 * Kinds in use: "allocators", "free_lists", "tracked_blocks" (found by a caller's self-tests), "memory" (out of memory:
 * something was not recorded), "file" (a file is not complete), "more". Readers accept any kind.
 */
#ifndef CTM_LOSSES_H
#define CTM_LOSSES_H

#include "ctm/snapshot.h"
#include "ctm/tracer.h"

#ifdef __cplusplus
extern "C" {
#endif

#define CTM_MAX_LOSSES 32u
#define CTM_LOSS_KIND 32u    /* bytes, the NUL included */
#define CTM_LOSS_DETAIL 472u /* the same */

typedef struct ctm_loss {
    uint64_t count;               /* events; 0: a state, which is not counted */
    char kind[CTM_LOSS_KIND];     /* UTF-8, NUL-terminated, the rest zeros; not empty */
    char detail[CTM_LOSS_DETAIL]; /* the same, one line; may be empty */
} ctm_loss;

/* Texts given to these functions are NUL-terminated and borrowed for the call. A text that is too long is cut between
 * characters; control characters and bytes that are not UTF-8 become "?". */

/* Adds `count` to the tracer's loss of that kind and text, which is created if there is none; its black box and its
 * recording receive it. Called inside any shard, or as if inside shard 0. ctm_tracer_start clears all losses;
 * ctm_tracer_clear clears those with a count, because they concern blocks that it forgets. Cannot fail. */
CTM_API void ctm_tracer_loss(ctm_tracer *tracer, const char *kind, const char *detail,
                             uint64_t count);
/* Sets how the process ends, as a text for its black box and its recording: UTF-8, at most CTM_END_TEXT - 1 bytes,
 * cut and replaced as above. `status`: its exit status; NULL: not known. The last call before the box or the
 * recording ends counts. Called as if inside shard 0. */
#define CTM_END_TEXT 480u
CTM_API void ctm_tracer_set_end(ctm_tracer *tracer, const char *text, const int32_t *status);

/* The losses of a snapshot: sets *out to an array, borrowed as long as the snapshot, and returns its length. */
CTM_API uint32_t ctm_snapshot_losses(const ctm_snapshot *snapshot, const ctm_loss **out);
/* Adds a loss to the snapshot being built. ctm_builder_add_snapshot adds those of the snapshot. */
CTM_API void ctm_builder_loss(ctm_builder *builder, const char *kind, const char *detail,
                              uint64_t count);

#ifdef __cplusplus
}
#endif
#endif
