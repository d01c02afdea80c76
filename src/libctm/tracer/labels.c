/* tracer/labels.c: handles of label sets. See tracer/labels.h. */
#include "tracer/labels.h"

#include <string.h>

#include "base/memory.h"
#include "base/sizes.h"
#include "ctm/losses.h"
#include "tracer/tracer.h"

#define TOO_MANY "more label sets at a time than are told apart: the values beyond are \"other\""

#define TURNS \
    4 /* entries looked at for each that is added: more than one, or they would be added faster than freed */

/* --- sets that were released --- */

/* The shard, if the set has portions there, with its lock; else NULL. */
static struct ctm_shard *enter_with_portions(ctm_tracer *tracer, uint32_t index,
                                             const struct ctmi_label_entry *entry)
{
    struct ctm_shard *shard = &tracer->shards[index];
    if (atomic_load(&entry->portions[index]) == 0) {
        return NULL;
    }
    if (index != 0) {
        pthread_mutex_lock(&shard->lock);
    }
    CTMI_TAKE(shard->holder);
    shard->store.peak_stamp = atomic_load(&tracer->peak_stamp);
    return shard;
}

static bool has_blocks(ctm_tracer *tracer, uint32_t handle)
{
    bool has = false;
    for (uint32_t i = 0; i < CTM_SHARDS && !has; i++) {
        struct ctm_shard *shard =
            enter_with_portions(tracer, i, ctmi_label_entry_of(&tracer->labels, handle));
        if (shard != NULL) {
            has = ctmi_portions_have_blocks(shard, handle);
            ctm_shard_leave(shard);
        }
    }
    return has;
}

/* Frees the portions without blocks of a set that was released, or that were passed on to a rest. */
static void free_portions(ctm_tracer *tracer, uint32_t handle)
{
    struct ctmi_label_entry *entry = ctmi_label_entry_of(&tracer->labels, handle);
    bool left = false;
    if (entry->refs != 0 && entry->rest != 0) {
        return;
    }
    for (uint32_t i = 0; i < CTM_SHARDS; i++) {
        struct ctm_shard *shard = enter_with_portions(tracer, i, entry);
        if (shard != NULL) {
            left = ctmi_portions_free(shard, handle) || left;
            ctm_shard_leave(shard);
        }
    }
    if (!left && ctmi_label_is_released(entry)) {
        ctmi_label_set_free(&tracer->labels, handle);
    }
}

/* Looks at one more set, in turn. */
static void free_in_turn(ctm_tracer *tracer)
{
    struct ctmi_labels *labels = &tracer->labels;
    labels->turn = labels->turn + 1 < labels->count ? labels->turn + 1 : 1;
    if (labels->turn < labels->count && ctmi_label_entry_of(labels, labels->turn)->text != NULL) {
        free_portions(tracer, labels->turn);
    }
}

/* Takes the handle from a set that was released. If it has blocks, it goes on under another handle, or is counted at its rest. */
static void take_handle(ctm_tracer *tracer, uint32_t handle)
{
    struct ctmi_labels *labels = &tracer->labels;
    struct ctmi_label_entry *entry = ctmi_label_entry_of(labels, handle);
    uint32_t to = entry->rest;
    const bool was_hidden = entry->is_hidden;
    struct ctmi_label_set set = ctmi_label_take(labels, handle);
    if (has_blocks(tracer, handle)) {
        const uint32_t other = ctmi_label_free_or_new(labels);
        if (other != 0) {
            ctmi_label_give(labels, other, &set, entry->rest);
            if (was_hidden) {
                ctmi_label_hide(labels, other);
            }
            to = other;
        } else {
            ctm_tracer_loss(tracer, "labels", TOO_MANY, 1);
        }
    }
    ctmi_mem_free(set.text);
    for (uint32_t i = 0; i < CTM_SHARDS; i++) {
        struct ctm_shard *shard = enter_with_portions(tracer, i, entry);
        if (shard != NULL) {
            ctmi_portions_pass_on(shard, handle, to);
            ctm_shard_leave(shard);
        }
    }
}

/* --- handles --- */

/* A kept set; 0: there are `most`. */
static ctm_status find_kept(struct ctmi_labels *labels, struct ctmi_label_set *set, uint32_t most,
                            uint32_t *out)
{
    *out = ctmi_label_find(labels, set);
    /* A temporary set has the same text if the program itself has the value "other". */
    if (*out != 0 && ctmi_label_entry_of(labels, *out)->rest != 0) {
        ctmi_label_hide(labels, *out);
        *out = 0;
    }
    if (*out == 0 && labels->n_kept < most) {
        *out = ctmi_label_new(labels);
        if (*out == 0) {
            return CTM_ERR_NOMEM;
        }
        labels->n_kept++;
        ctmi_label_give(labels, *out, set, 0);
    }
    return CTM_OK;
}

/* A new temporary set; 0: there are too many, or out of memory. */
static uint32_t new_temporary(ctm_tracer *tracer, struct ctmi_label_set *set, uint32_t rest)
{
    struct ctmi_labels *labels = &tracer->labels;
    const uint32_t newest = ctmi_label_entry_of(labels, rest)->newest;
    uint32_t handle = 0;
    for (int i = 0; i < TURNS; i++) {
        free_in_turn(tracer);
    }
    ctmi_label_entry_of(labels, rest)->newest = 0;
    if (newest != 0 && ctmi_label_is_released(ctmi_label_entry_of(labels, newest)) &&
        ctmi_label_entry_of(labels, newest)->rest == rest) {
        take_handle(tracer, newest);
        handle = newest;
    } else {
        handle = ctmi_label_free_or_new(labels);
    }
    if (handle != 0) {
        ctmi_label_give(labels, handle, set, rest);
    }
    return handle;
}

static bool is_same(const struct ctmi_label_set *a, const struct ctmi_label_set *b)
{
    return a->length == b->length && memcmp(a->text, b->text, a->length) == 0;
}

/* Sets of kept values take up to half of the kept sets, so that there is room for the rests of others. */
static ctm_status add(ctm_tracer *tracer, struct ctmi_label_set *set, uint32_t *out)
{
    struct ctmi_labels *labels = &tracer->labels;
    struct ctmi_label_set rest = {0};
    uint32_t of_rest = 0;
    ctm_status status = ctmi_label_set_rest(labels, set, false, &rest);
    if (status == CTM_OK && is_same(&rest, set)) {
        status = find_kept(labels, set, ctmi_sizes()->kept_labels / 2, out);
        ctmi_mem_free(rest.text);
        rest.text = NULL;
        if (status != CTM_OK || *out != 0) {
            return status;
        }
        status = ctmi_label_set_rest(labels, set, true, &rest);
    }
    if (status == CTM_OK) {
        status = find_kept(labels, &rest, ctmi_sizes()->kept_labels, &of_rest);
    }
    ctmi_mem_free(rest.text);
    if (status == CTM_OK && of_rest != 0) {
        *out = new_temporary(tracer, set, of_rest);
    }
    if (status == CTM_OK && *out == 0) {
        ctm_tracer_loss(tracer, "labels", TOO_MANY, 1);
        *out = of_rest;
    }
    return status;
}

/* The handle of a set that is known. A temporary one that is asked for again, and has kept values by now, is hidden: 0. */
static ctm_status find_again(struct ctmi_labels *labels, const struct ctmi_label_set *set,
                             uint32_t *out)
{
    struct ctmi_label_set rest;
    *out = ctmi_label_find(labels, set);
    if (*out == 0 || !ctmi_label_is_released(ctmi_label_entry_of(labels, *out)) ||
        labels->n_kept >= ctmi_sizes()->kept_labels / 2) {
        return CTM_OK;
    }
    const ctm_status status = ctmi_label_set_rest(labels, set, false, &rest);
    if (status == CTM_OK && is_same(&rest, set)) {
        ctmi_label_hide(labels, *out);
        *out = 0;
    }
    ctmi_mem_free(status == CTM_OK ? rest.text : NULL);
    return status;
}

ctm_status ctm_tracer_labels(ctm_tracer *tracer, const ctm_label_text *pairs, size_t n,
                             uint32_t *out)
{
    struct ctmi_label_set set = {0};
    uint32_t handle = 0;
    ctm_status status = n > 0 ? ctmi_label_set_make(pairs, n, &set) : CTM_OK;
    if (status == CTM_OK && n > 0) {
        status = find_again(&tracer->labels, &set, &handle);
    }
    if (status == CTM_OK && n > 0 && handle == 0) {
        status = ctmi_labels_prepare(&tracer->labels) ? add(tracer, &set, &handle) : CTM_ERR_NOMEM;
    }
    ctmi_mem_free(set.text);
    if (status == CTM_OK) {
        if (handle != 0) {
            ctmi_label_entry_of(&tracer->labels, handle)->refs++;
        }
        *out = handle;
    }
    return status;
}

void ctm_tracer_labels_release(ctm_tracer *tracer, uint32_t handle)
{
    if (handle == 0) {
        return;
    }
    struct ctmi_label_entry *entry = ctmi_label_entry_of(&tracer->labels, handle);
    CTMI_ASSERT(entry->refs > 0);
    if (--entry->refs == 0 && entry->rest != 0) {
        ctmi_label_entry_of(&tracer->labels, entry->rest)->newest = handle;
    }
}

/* --- sites --- */

/* The label set of a kept one as a row of the shard. */
static ctm_status row_of_kept(struct ctm_shard *shard, uint32_t handle, uint32_t *out)
{
    struct ctmi_label_entry *entry = ctmi_label_entry_of(&shard->tracer->labels, handle);
    const char *text = entry->text;
    ctm_status status = CTM_OK;
    *out = entry->rows[shard->index];
    if (*out != 0) {
        return CTM_OK;
    }
    for (uint32_t i = 0; i < entry->n && status == CTM_OK; i++) {
        const ctm_label_text pair = ctmi_label_set_next(&text);
        uint32_t key, value = 0;
        status = ctmi_store_string(&shard->store, pair.key, strlen(pair.key), &key);
        if (status == CTM_OK) {
            status = ctmi_store_string(&shard->store, pair.value, strlen(pair.value), &value);
        }
        if (status == CTM_OK) {
            status = ctmi_store_label(&shard->store, *out, key, value, out);
        }
    }
    entry->rows[shard->index] = status == CTM_OK ? *out : 0;
    return status;
}

ctm_status ctm_shard_labelled_site(ctm_shard *shard, uint32_t domain, uint32_t traceback,
                                   uint64_t size, uint32_t handle, uint32_t *out)
{
    ctmi_shard_assert_inside(shard);
    uint32_t row;
    if (handle == 0) {
        return ctm_shard_site(shard, domain, traceback, size, 0, out);
    }
    const uint32_t rest = ctmi_label_entry_of(&shard->tracer->labels, handle)->rest;
    ctm_status status = row_of_kept(shard, rest != 0 ? rest : handle, &row);
    if (status == CTM_OK) {
        status = ctm_shard_site(shard, domain, traceback, size, row, out);
    }
    if (status == CTM_OK && rest != 0) {
        status = ctmi_portion_find(shard, *out, handle, out);
    }
    return status;
}

bool ctm_shard_has_labels(const ctm_shard *shard, uint32_t site, uint32_t handle)
{
    ctmi_shard_assert_inside(shard);
    const struct ctmi_portion *portion = ctmi_portion_of(&shard->portions, site);
    return portion == NULL || portion->handle == handle;
}

/* A handle may have had another rest when `site` was stored. */
uint32_t ctm_shard_labelled_again(ctm_shard *shard, uint32_t site, uint32_t handle)
{
    ctmi_shard_assert_inside(shard);
    const struct ctmi_portion *portion = ctmi_portion_of(&shard->portions, site);
    const struct ctmi_labels *labels = &shard->tracer->labels;
    if (handle == 0 || portion == NULL) {
        return 0;
    }
    const uint32_t rest = ctmi_label_entry_of(labels, handle)->rest;
    const uint32_t row = ctmi_store_site_row(&shard->store, site)->site.labels;
    uint32_t found;
    if (rest == 0 || ctmi_label_entry_of(labels, rest)->rows[shard->index] != row ||
        ctmi_portion_find(shard, portion->site, handle, &found) != CTM_OK) {
        return 0;
    }
    return found;
}
