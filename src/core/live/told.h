/* live/told.h: what a tracer was told to say beside its numbers: losses (ctm/losses.h), and how the process ends.
 *
 * Model: the list is the tracer's own; a black box has a copy in its control block, which is written with each change. A
 * recorder compares `version` with the one that it has put.
 *
 * Locks: `lock` guards all. It is taken inside any other lock and nothing is locked inside it; a fork takes it last.
 */
#ifndef CTM_LIVE_TOLD_H
#define CTM_LIVE_TOLD_H

#include <pthread.h>

#include "store/losses.h"

struct ctm_box_control;
struct ctm_tracer;

struct ctm_end_told {
    char text[CTM_END_TEXT]; /* as ctm_text_fit makes it; empty: not known */
    int32_t status;
    bool status_known;
};

struct ctm_told {
    pthread_mutex_t lock;
    uint64_t version; /* rises with each change of the losses */
    struct ctm_losses losses;
    struct ctm_end_told end;
};

void ctm_told_init(struct ctm_told *told);
/* For a start: nothing was told yet. */
void ctm_told_forget(struct ctm_told *told);
/* For a clear: what happened to blocks that are forgotten is, too. */
void ctm_told_clear(struct ctm_told *told);
/* A box whose tables are new, or emptied, learns all; the world is stopped. NULL: there is none. */
void ctm_told_tell_box(struct ctm_told *told, struct ctm_box_control *control);

#endif
