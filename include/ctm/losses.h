/* losses.h: what is not in the numbers.
 *
 * Model: a *loss* is one fact about what a tracer did not see, or a file could not hold: a kind, a line of text, and how
 * often it happened. Losses go wherever the numbers go: from the tracer into its snapshots, black box and recording, from
 * a snapshot into its file and into all snapshots that are made of it. A list has at most CTM_MAX_LOSSES of
 * them; two with the same kind and text are one, their counts added up; the last place of a full list says
 * only that there were more (kind "more").
 *
 * Kinds in use: "allocators", "free_lists", "tracked_blocks" (what a caller's self-tests found), "memory" (something was not
 * recorded for want of memory), "file" (a file does not hold all), "more". Readers take any.
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
    uint64_t count;               /* events; 0: not counted, it is a state */
    char kind[CTM_LOSS_KIND];     /* UTF-8, NUL-terminated, the rest zeros; not empty */
    char detail[CTM_LOSS_DETAIL]; /* the same, one line; may be empty */
} ctm_loss;

/* What is told is made fit: a text that is too long is cut between characters, control characters and what is not UTF-8 become
 * "?". Both texts are NUL-terminated and borrowed for the call. */

/* Adds `count` to the tracer's loss of that kind and text, which is made if there is none; its box and its recording
 * learn of it. Called inside any shard, or as if inside shard 0. ctm_tracer_start forgets all losses, ctm_tracer_clear
 * those with a count: what happened to blocks that are forgotten. Cannot fail. */
CTM_API void ctm_tracer_loss(ctm_tracer *tracer, const char *kind, const char *detail,
                             uint64_t count);
/* How the process ends, in words, for its box and its recording: UTF-8, made fit as above and cut at CTM_END_TEXT - 1 bytes.
 * `status`: its exit status; NULL: not known. It counts when the box or the recording ends. Called as if inside shard 0. */
#define CTM_END_TEXT 480u
CTM_API void ctm_tracer_set_end(ctm_tracer *tracer, const char *text, const int32_t *status);

/* The losses of a snapshot: an array, borrowed as long as the snapshot; returns how many there are. */
CTM_API uint32_t ctm_snapshot_losses(const ctm_snapshot *snapshot, const ctm_loss **out);
/* A loss of the snapshot that is being built. Adding a snapshot adds those that it has. */
CTM_API void ctm_builder_loss(ctm_builder *builder, const char *kind, const char *detail,
                              uint64_t count);

#ifdef __cplusplus
}
#endif
#endif
