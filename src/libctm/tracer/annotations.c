/* tracer/annotations.c: see tracer/annotations.h. */
#include "tracer/annotations.h"

#include <string.h>

#include "tracer/tracer.h"

void ctmi_annotations_init(struct ctmi_annotations *annotations)
{
    ctmi_lock_init(&annotations->lock);
}

void ctmi_annotations_forget(struct ctmi_annotations *annotations)
{
    ctmi_lock_acquire(&annotations->lock);
    annotations->version++;
    annotations->losses.n = 0;
    memset(&annotations->end, 0, sizeof annotations->end);
    ctmi_lock_release(&annotations->lock);
}

void ctmi_annotations_clear(struct ctmi_annotations *annotations)
{
    ctmi_lock_acquire(&annotations->lock);
    annotations->version++;
    ctmi_losses_drop_counted(&annotations->losses);
    ctmi_lock_release(&annotations->lock);
}

void ctm_tracer_loss(ctm_tracer *tracer, const char *kind, const char *detail, uint64_t count)
{
    struct ctmi_annotations *annotations = &tracer->annotations;
    ctmi_lock_acquire(&annotations->lock);
    const uint32_t before = annotations->losses.n;
    const uint32_t index = ctmi_losses_add(&annotations->losses, kind, detail, count);
    const bool changed = count > 0 || annotations->losses.n > before;
    annotations->version += changed;
    if (changed) {
        ctmi_sinks_loss_told(tracer, index);
    }
    ctmi_lock_release(&annotations->lock);
}

void ctm_tracer_set_end(ctm_tracer *tracer, const char *text, const int32_t *status)
{
    struct ctmi_annotations *annotations = &tracer->annotations;
    ctmi_lock_acquire(&annotations->lock);
    ctmi_text_fit(annotations->end.text, sizeof annotations->end.text, text, strlen(text));
    annotations->end.status_known = status != NULL;
    annotations->end.status = status != NULL ? *status : 0;
    ctmi_sinks_end_told(tracer);
    ctmi_lock_release(&annotations->lock);
}
