/* tracer/annotations.h: what a tracer was told to say beside its numbers: losses (ctm/losses.h), and how the process ends.
 *
 * Model: the list is the tracer's own. A sink that keeps a copy is told of each change (sink.h); one that looks at times
 * compares `version` with the one that it has put.
 *
 * Locks: `lock` guards all. It is taken inside any other lock and nothing is locked inside it; a fork takes it last.
 */
#ifndef CTMI_TRACER_ANNOTATIONS_H
#define CTMI_TRACER_ANNOTATIONS_H

#include <pthread.h>

#include "tables/losses.h"

struct ctmi_end_annotation {
    char text[CTM_END_TEXT]; /* as ctmi_text_fit makes it; empty: not known */
    int32_t status;
    bool status_known;
};

struct ctmi_annotations {
    pthread_mutex_t lock;
    uint64_t version; /* rises with each change of the losses */
    struct ctmi_losses losses;
    struct ctmi_end_annotation end;
};

void ctmi_annotations_init(struct ctmi_annotations *annotations);
/* For a start: nothing was told yet. */
void ctmi_annotations_forget(struct ctmi_annotations *annotations);
/* For a clear: what happened to blocks that are forgotten is, too. */
void ctmi_annotations_clear(struct ctmi_annotations *annotations);

#endif
