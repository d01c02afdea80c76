/* live/told.c: see live/told.h. */
#include "live/told.h"

#include <string.h>

#include "file/black_box_format.h"
#include "live/shard.h"

void ctm_told_init(struct ctm_told *told)
{
    pthread_mutex_init(&told->lock, NULL);
}

static void tell_loss(struct ctm_box_control *control, const struct ctm_losses *losses,
                      uint32_t place)
{
    struct ctm_box_loss *row = &control->losses[place];
    const ctm_loss *loss = &losses->rows[place];
    memcpy(row->kind, loss->kind, sizeof row->kind);
    memcpy(row->detail, loss->detail, sizeof row->detail);
    atomic_store(&row->count, loss->count);
    atomic_store(&control->n_losses, losses->n);
}

static void tell_end(struct ctm_box_control *control, const struct ctm_end_told *end)
{
    memcpy(control->end_text, end->text, sizeof control->end_text);
    atomic_store(&control->end_status, (uint32_t)end->status);
    atomic_store(&control->end_status_known, end->status_known);
}

void ctm_told_tell_box(struct ctm_told *told, struct ctm_box_control *control)
{
    if (control == NULL) {
        return;
    }
    pthread_mutex_lock(&told->lock);
    atomic_store(&control->n_losses, 0);
    for (uint32_t i = 0; i < told->losses.n; i++) {
        tell_loss(control, &told->losses, i);
    }
    tell_end(control, &told->end);
    pthread_mutex_unlock(&told->lock);
}

void ctm_told_forget(struct ctm_told *told)
{
    pthread_mutex_lock(&told->lock);
    told->version++;
    told->losses.n = 0;
    memset(&told->end, 0, sizeof told->end);
    pthread_mutex_unlock(&told->lock);
}

void ctm_told_clear(struct ctm_told *told)
{
    pthread_mutex_lock(&told->lock);
    told->version++;
    ctm_losses_drop_counted(&told->losses);
    pthread_mutex_unlock(&told->lock);
}

void ctm_tracer_loss(ctm_tracer *tracer, const char *kind, const char *detail, uint64_t count)
{
    struct ctm_told *told = &tracer->told;
    pthread_mutex_lock(&told->lock);
    const uint32_t before = told->losses.n;
    const uint32_t place = ctm_losses_add(&told->losses, kind, detail, count);
    const bool changed = count > 0 || told->losses.n > before;
    told->version += changed;
    if (changed && tracer->control != NULL) {
        tell_loss(tracer->control, &told->losses, place);
    }
    pthread_mutex_unlock(&told->lock);
}

void ctm_tracer_set_end(ctm_tracer *tracer, const char *text, const int32_t *status)
{
    struct ctm_told *told = &tracer->told;
    pthread_mutex_lock(&told->lock);
    ctm_text_fit(told->end.text, sizeof told->end.text, text, strlen(text));
    told->end.status_known = status != NULL;
    told->end.status = status != NULL ? *status : 0;
    if (tracer->control != NULL) {
        tell_end(tracer->control, &told->end);
    }
    pthread_mutex_unlock(&told->lock);
}
