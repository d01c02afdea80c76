/* tracer/annotations.c: see tracer/annotations.h. */
#include "tracer/annotations.h"

#include <string.h>

#include "formats/black_box_format.h"
#include "tracer/shard.h"

void ctmi_annotations_init(struct ctmi_annotations *annotations)
{
    pthread_mutex_init(&annotations->lock, NULL);
}

static void write_loss(struct ctmi_box_control *control, const struct ctmi_losses *losses,
                       uint32_t place)
{
    struct ctmi_box_loss *row = &control->losses[place];
    const ctm_loss *loss = &losses->rows[place];
    memcpy(row->kind, loss->kind, sizeof row->kind);
    memcpy(row->detail, loss->detail, sizeof row->detail);
    atomic_store(&row->count, loss->count);
    atomic_store(&control->n_losses, losses->n);
}

static void write_end(struct ctmi_box_control *control, const struct ctmi_end_annotation *end)
{
    memcpy(control->end_text, end->text, sizeof control->end_text);
    atomic_store(&control->end_status, (uint32_t)end->status);
    atomic_store(&control->end_status_known, end->status_known);
}

void ctmi_annotations_write_box(struct ctmi_annotations *annotations,
                                struct ctmi_box_control *control)
{
    if (control == NULL) {
        return;
    }
    pthread_mutex_lock(&annotations->lock);
    atomic_store(&control->n_losses, 0);
    for (uint32_t i = 0; i < annotations->losses.n; i++) {
        write_loss(control, &annotations->losses, i);
    }
    write_end(control, &annotations->end);
    pthread_mutex_unlock(&annotations->lock);
}

void ctmi_annotations_forget(struct ctmi_annotations *annotations)
{
    pthread_mutex_lock(&annotations->lock);
    annotations->version++;
    annotations->losses.n = 0;
    memset(&annotations->end, 0, sizeof annotations->end);
    pthread_mutex_unlock(&annotations->lock);
}

void ctmi_annotations_clear(struct ctmi_annotations *annotations)
{
    pthread_mutex_lock(&annotations->lock);
    annotations->version++;
    ctmi_losses_drop_counted(&annotations->losses);
    pthread_mutex_unlock(&annotations->lock);
}

void ctm_tracer_loss(ctm_tracer *tracer, const char *kind, const char *detail, uint64_t count)
{
    struct ctmi_annotations *annotations = &tracer->annotations;
    pthread_mutex_lock(&annotations->lock);
    const uint32_t before = annotations->losses.n;
    const uint32_t place = ctmi_losses_add(&annotations->losses, kind, detail, count);
    const bool changed = count > 0 || annotations->losses.n > before;
    annotations->version += changed;
    if (changed && tracer->control != NULL) {
        write_loss(tracer->control, &annotations->losses, place);
    }
    pthread_mutex_unlock(&annotations->lock);
}

void ctm_tracer_set_end(ctm_tracer *tracer, const char *text, const int32_t *status)
{
    struct ctmi_annotations *annotations = &tracer->annotations;
    pthread_mutex_lock(&annotations->lock);
    ctmi_text_fit(annotations->end.text, sizeof annotations->end.text, text, strlen(text));
    annotations->end.status_known = status != NULL;
    annotations->end.status = status != NULL ? *status : 0;
    if (tracer->control != NULL) {
        write_end(tracer->control, &annotations->end);
    }
    pthread_mutex_unlock(&annotations->lock);
}
