/* tracer/annotations.h: what a tracer stores in addition to its numbers: losses (ctm/losses.h), and how the process
 * ends.
 *
 * Model: the tracer owns the list. A sink with a copy of it is called for each change (sink.h). A sink that reads the
 * list now and then compares `version` with the version that it wrote last.
 *
 * Locks: `lock` guards all fields. It may be acquired while any other lock is held, and no lock is acquired while it is
 * held. A fork acquires it last.
 */
#ifndef CTMI_TRACER_ANNOTATIONS_H
#define CTMI_TRACER_ANNOTATIONS_H

#include "base/lock.h"
#include "tables/losses.h"

struct ctmi_end_annotation {
    char text[CTM_END_TEXT]; /* as ctmi_text_fit makes it; empty: unknown */
    int32_t status;
    bool status_known;
};

struct ctmi_annotations {
    struct ctmi_lock lock;
    uint64_t version; /* rises with each change of the losses */
    struct ctmi_losses losses;
    struct ctmi_end_annotation end;
};

void ctmi_annotations_init(struct ctmi_annotations *annotations);
/* Called by a start of tracing: removes the losses and the end. */
void ctmi_annotations_forget(struct ctmi_annotations *annotations);
/* Called by a clear: removes the losses that count blocks, because these blocks are removed too. */
void ctmi_annotations_clear(struct ctmi_annotations *annotations);

#endif
