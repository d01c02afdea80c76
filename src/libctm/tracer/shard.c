/* tracer/shard.c: entering and leaving a shard, interning and reading rows. See shard.h for the model. */
#include "tracer/tracer.h"

#include <string.h>

ctm_shard *ctm_shard_enter(ctm_tracer *tracer, uint32_t index)
{
    /* Read before locking, so that a stopped tracer costs one load and no wait. */
    if (!atomic_load_explicit(&tracer->active, memory_order_acquire) || index >= CTM_SHARDS) {
        return NULL;
    }
    ctm_shard *shard = &tracer->shards[index];
    if (index == 0) {
        CTMI_TAKE(shard->holder);
        return shard;
    }
    pthread_mutex_lock(&shard->lock);
    CTMI_TAKE(shard->holder);
    /* Read again, because the tracer may have stopped in between. From here on, stop waits for the lock. */
    if (!atomic_load_explicit(&tracer->active, memory_order_acquire)) {
        CTMI_DROP(shard->holder);
        pthread_mutex_unlock(&shard->lock);
        return NULL;
    }
    return shard;
}

ctm_shard *ctm_tracer_exclusive(ctm_tracer *tracer)
{
    return &tracer->shards[0];
}

void ctm_shard_leave(ctm_shard *shard)
{
    ctmi_shard_assert_inside(shard);
    CTMI_DROP(shard->holder);
    if (shard->index != 0) {
        pthread_mutex_unlock(&shard->lock);
    }
}

/* --- interning --- */
ctm_status ctm_shard_string(ctm_shard *shard, const char *utf8, size_t length, uint32_t *out)
{
    ctmi_shard_assert_inside(shard);
    return ctmi_store_string(&shard->store, utf8, length, out);
}

ctm_status ctm_shard_function(ctm_shard *shard, uint32_t filename, uint32_t name,
                              int32_t first_lineno, uint32_t *out)
{
    ctmi_shard_assert_inside(shard);
    return ctmi_store_function(&shard->store, filename, name, first_lineno, out);
}

ctm_status ctm_shard_frame(ctm_shard *shard, uint32_t function, int32_t lineno, uint32_t *out)
{
    ctmi_shard_assert_inside(shard);
    return ctmi_store_frame(&shard->store, function, lineno, out);
}

/* Called if a row is not as expected. Whether the tables are invalid because the file of a black box was cut; then the
 * event continues with the rows as they are. */
static bool is_lost(ctm_shard *shard)
{
    struct ctmi_backing *backing = shard->store.bytes.backed.backing;
    if (backing != NULL && !atomic_load(&shard->tracer->tables_lost)) {
        backing->look(backing);
    }
    return atomic_load(&shard->tracer->tables_lost);
}

ctm_status ctm_shard_traceback(ctm_shard *shard, uint32_t parent, uint32_t frame,
                               int32_t total_nframe, uint32_t *out)
{
    ctmi_shard_assert_inside(shard);
    if (total_nframe < 1) {
        return CTM_ERR_INVALID;
    }
    if (parent != 0) {
        const ctm_traceback *row = ctm_shard_traceback_row(shard, parent);
        if (row == NULL || (row->total_nframe != total_nframe - 1 && !is_lost(shard))) {
            return CTM_ERR_INVALID;
        }
    }
    return ctmi_store_traceback(&shard->store, parent, frame, total_nframe, out);
}

ctm_status ctm_shard_label(ctm_shard *shard, uint32_t set, uint32_t key, uint32_t value,
                           uint32_t *out)
{
    ctmi_shard_assert_inside(shard);
    return ctmi_store_label(&shard->store, set, key, value, out);
}

static ctm_status frame_text(ctm_shard *shard, const ctm_frame_text *text, uint32_t *out)
{
    const char *name = text->function ? text->function : "";
    uint32_t filename_id, name_id, function_id;
    ctm_status status =
        ctmi_store_string(&shard->store, text->filename, strlen(text->filename), &filename_id);
    if (status == CTM_OK) {
        status = ctmi_store_string(&shard->store, name, strlen(name), &name_id);
    }
    if (status == CTM_OK) {
        status = ctmi_store_function(&shard->store, filename_id, name_id, text->first_lineno,
                                     &function_id);
    }
    return status == CTM_OK ? ctmi_store_frame(&shard->store, function_id, text->lineno, out)
                            : status;
}

ctm_status ctm_shard_traceback_text(ctm_shard *shard, const ctm_frame_text *frames, uint32_t n,
                                    int32_t total_nframe, uint32_t *out)
{
    if (n < 1 || n > CTM_MAX_NFRAME || total_nframe < (int32_t)n) {
        return CTM_ERR_INVALID;
    }
    uint32_t traceback = 0, frame;
    for (uint32_t i = n; i-- > 0;) {
        ctm_status status = frame_text(shard, &frames[i], &frame);
        if (status == CTM_OK) {
            status = ctmi_store_traceback(&shard->store, traceback, frame,
                                          total_nframe - (int32_t)i, &traceback);
        }
        if (status != CTM_OK) {
            return status;
        }
    }
    *out = traceback;
    return CTM_OK;
}

/* --- rows --- */
const ctm_traceback *ctm_shard_traceback_row(const ctm_shard *shard, uint32_t id)
{
    bool known = id != 0 && id < ctmi_store_traceback_count(&shard->store);
    return known ? &ctmi_store_traceback_row(&shard->store, id)->row : NULL;
}

const ctm_frame *ctm_shard_frame_row(const ctm_shard *shard, uint32_t id)
{
    bool known = id != 0 && id < ctmi_store_frame_count(&shard->store);
    return known ? ctmi_store_frame_row(&shard->store, id) : NULL;
}

const ctm_function *ctm_shard_function_row(const ctm_shard *shard, uint32_t id)
{
    bool known = id != 0 && id < ctmi_store_function_count(&shard->store);
    return known ? ctmi_store_function_row(&shard->store, id) : NULL;
}

const char *ctm_shard_string_row(const ctm_shard *shard, uint32_t id, size_t *out_length)
{
    if (id >= ctmi_store_string_count(&shard->store)) {
        if (out_length != NULL) {
            *out_length = 0;
        }
        return NULL;
    }
    return ctmi_store_string_row(&shard->store, id, out_length);
}
