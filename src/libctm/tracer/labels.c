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
#define ROWS_A_TURN 32u /* looked at, on average: an entry may have many */

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

static void take_handle(ctm_tracer *tracer, uint32_t handle, struct ctmi_within next_within);

/* A set that was released and has blocks, and of whose scopes nobody can ask for some, goes on as that of those around. */
static void leave_scopes(ctm_tracer *tracer, uint32_t handle)
{
    const struct ctmi_within within = ctmi_label_entry_of(&tracer->labels, handle)->within;
    const struct ctmi_within held = ctmi_within_held(tracer, within);
    if (held.scope != within.scope || held.process != within.process) {
        take_handle(tracer, handle, (struct ctmi_within){NULL, NULL});
        ctmi_label_put_free(&tracer->labels, handle);
    }
}

/* Frees the portions without blocks of a set that was released, or that were passed on to one. */
static void free_portions(ctm_tracer *tracer, uint32_t handle)
{
    struct ctmi_label_entry *entry = ctmi_label_entry_of(&tracer->labels, handle);
    uint32_t left = 0;
    if (entry->refs != 0 && entry->rest != 0 && !entry->has_others) {
        return;
    }
    if (entry->wait > 0) {
        entry->wait--;
        return;
    }
    for (uint32_t i = 0; i < CTM_SHARDS; i++) {
        struct ctm_shard *shard = enter_with_portions(tracer, i, entry);
        if (shard != NULL) {
            left += ctmi_portions_free(shard, handle);
            ctm_shard_leave(shard);
        }
    }
    entry->wait = left / ROWS_A_TURN;
    entry->has_others = entry->has_others && left != 0;
    if (left == 0 && ctmi_label_is_released(entry)) {
        ctmi_label_set_free(tracer, handle);
    } else if (ctmi_label_is_released(entry)) {
        leave_scopes(tracer, handle);
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

static bool is_same(const struct ctmi_label_set *a, const char *text, size_t length)
{
    return a->length == length && memcmp(a->text, text, length) == 0;
}

/* The handle under which a set that has blocks goes on. It is in the scopes around that somebody can ask. */
static uint32_t other_for(ctm_tracer *tracer, struct ctmi_label_set *set, uint32_t rest,
                          struct ctmi_within before, bool is_hidden)
{
    struct ctmi_labels *labels = &tracer->labels;
    const struct ctmi_within within = ctmi_within_held(tracer, before);
    const struct ctmi_label_entry *of_rest = ctmi_label_entry_of(labels, rest);
    uint32_t other = ctmi_is_within(before) ? ctmi_label_find(labels, set, within) : 0;
    if (other != 0) {
        return other;
    }
    if (!ctmi_is_within(within) && is_same(set, of_rest->text, of_rest->length)) {
        return rest;
    }
    other = ctmi_label_free_or_new(tracer, within);
    if (other == 0) {
        ctm_tracer_loss(tracer, "labels", TOO_MANY, 1);
        return rest;
    }
    ctmi_label_give(tracer, other, set, rest, within);
    if (is_hidden) {
        ctmi_label_hide(labels, other);
    }
    return other;
}

/* Takes the handle from a set that was released, for one that is `next_within`. If it has blocks, it goes on under another handle,
 * or is counted at its rest. */
static void take_handle(ctm_tracer *tracer, uint32_t handle, struct ctmi_within next_within)
{
    struct ctmi_labels *labels = &tracer->labels;
    struct ctmi_label_entry *entry = ctmi_label_entry_of(labels, handle);
    struct ctmi_within within;
    uint32_t to = entry->rest;
    const bool is_hidden = entry->is_hidden;
    struct ctmi_label_set set = ctmi_label_take(labels, handle, &within);
    if (has_blocks(tracer, handle)) {
        to = other_for(tracer, &set, entry->rest, within, is_hidden);
        ctmi_label_entry_of(labels, to)->has_others = true;
    }
    ctmi_mem_free(set.text);
    for (uint32_t i = 0; i < CTM_SHARDS; i++) {
        struct ctm_shard *shard = enter_with_portions(tracer, i, entry);
        if (shard != NULL) {
            ctmi_portions_pass_on(shard, handle, to,
                                  !ctmi_is_within(within) && !ctmi_is_within(next_within));
            ctm_shard_leave(shard);
        }
    }
    ctmi_within_release(tracer, within);
}

/* --- handles --- */

/* A kept set; 0: there are `most`. */
static ctm_status find_kept(ctm_tracer *tracer, struct ctmi_label_set *set, uint32_t most,
                            uint32_t *out)
{
    const struct ctmi_within within = {NULL, NULL};
    *out = ctmi_label_find(&tracer->labels, set, within);
    if (*out != 0 && ctmi_label_entry_of(&tracer->labels, *out)->rest != 0) {
        /* A temporary set has the same text if the program itself has the value "other". */
        ctmi_label_hide(&tracer->labels, *out);
        *out = 0;
    }
    if (*out == 0 && tracer->labels.n_kept < most) {
        *out = ctmi_label_new(tracer);
        if (*out == 0) {
            return CTM_ERR_NOMEM;
        }
        tracer->labels.n_kept++;
        ctmi_label_give(tracer, *out, set, 0, within);
    }
    return CTM_OK;
}

/* The kept set without pairs. */
static ctm_status find_none(ctm_tracer *tracer, uint32_t *out)
{
    struct ctmi_label_set set = {.text = ctmi_mem_alloc(1)};
    ctm_status status = CTM_OK;
    if (tracer->labels.none == 0) {
        status = set.text != NULL ? find_kept(tracer, &set, UINT32_MAX, &tracer->labels.none)
                                  : CTM_ERR_NOMEM;
    }
    ctmi_mem_free(set.text);
    *out = tracer->labels.none;
    return status;
}

/* A new temporary set; 0: there are too many, or out of memory. */
static uint32_t new_temporary(ctm_tracer *tracer, struct ctmi_label_set *set, uint32_t rest,
                              struct ctmi_within within)
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
        take_handle(tracer, newest, within);
        handle = newest;
    } else {
        handle = ctmi_label_free_or_new(tracer, within);
    }
    if (handle != 0) {
        ctmi_label_give(tracer, handle, set, rest, within);
    }
    return handle;
}

/* The set itself if it is a kept one, else its rest; 0: there is room for neither. Sets of kept values take up to half of the kept
 * sets, so that there is room for the rests of others. */
static ctm_status find_rest(ctm_tracer *tracer, const struct ctmi_label_set *set, uint32_t *out,
                            bool *out_is_kept)
{
    struct ctmi_labels *labels = &tracer->labels;
    struct ctmi_label_set rest = {0};
    *out = 0;
    ctm_status status = ctmi_label_set_rest(labels, set, false, &rest);
    *out_is_kept = status == CTM_OK && is_same(set, rest.text, rest.length);
    if (*out_is_kept) {
        status = find_kept(tracer, &rest, ctmi_sizes()->kept_labels / 2, out);
        ctmi_mem_free(rest.text);
        rest.text = NULL;
        if (status != CTM_OK || *out != 0) {
            return status;
        }
        *out_is_kept = false;
        status = ctmi_label_set_rest(labels, set, true, &rest);
    }
    if (status == CTM_OK) {
        status = find_kept(tracer, &rest, ctmi_sizes()->kept_labels, out);
    }
    ctmi_mem_free(rest.text);
    return status;
}

static ctm_status add(ctm_tracer *tracer, struct ctmi_label_set *set, uint32_t *out)
{
    uint32_t rest;
    bool is_kept;
    const ctm_status status = find_rest(tracer, set, &rest, &is_kept);
    if (status != CTM_OK || is_kept) {
        *out = rest;
        return status;
    }
    *out = rest != 0 ? new_temporary(tracer, set, rest, (struct ctmi_within){NULL, NULL}) : 0;
    if (*out == 0) {
        ctm_tracer_loss(tracer, "labels", TOO_MANY, 1);
        *out = rest;
    }
    return CTM_OK;
}

static ctm_status add_within(ctm_tracer *tracer, struct ctmi_label_set *set,
                             struct ctmi_within within, uint32_t *out)
{
    uint32_t rest = 0;
    bool is_kept;
    ctm_status status = set->n != 0 ? find_rest(tracer, set, &rest, &is_kept) : CTM_OK;
    if (status == CTM_OK && rest == 0) {
        status = find_none(tracer, &rest);
    }
    if (status == CTM_OK) {
        *out = new_temporary(tracer, set, rest, within);
        status = *out != 0 ? CTM_OK : CTM_ERR_NOMEM;
    }
    return status;
}

/* The handle of a set that is known. A temporary one that is asked for again, and has kept values by now, is hidden: 0. */
static ctm_status find_again(struct ctmi_labels *labels, const struct ctmi_label_set *set,
                             struct ctmi_within within, uint32_t *out)
{
    struct ctmi_label_set rest;
    *out = ctmi_label_find(labels, set, within);
    if (*out == 0 || ctmi_is_within(within) ||
        !ctmi_label_is_released(ctmi_label_entry_of(labels, *out)) ||
        labels->n_kept >= ctmi_sizes()->kept_labels / 2) {
        return CTM_OK;
    }
    const ctm_status status = ctmi_label_set_rest(labels, set, false, &rest);
    if (status == CTM_OK && is_same(set, rest.text, rest.length)) {
        ctmi_label_hide(labels, *out);
        *out = 0;
    }
    ctmi_mem_free(status == CTM_OK ? rest.text : NULL);
    return status;
}

/* The handle of a set that has pairs or is in a scope, and takes its text. */
static ctm_status find_or_add(ctm_tracer *tracer, struct ctmi_label_set *set,
                              struct ctmi_within within, uint32_t *out)
{
    const ctm_status status = find_again(&tracer->labels, set, within, out);
    if (status != CTM_OK || *out != 0) {
        return status;
    }
    if (!ctmi_labels_prepare(&tracer->labels)) {
        return CTM_ERR_NOMEM;
    }
    return ctmi_is_within(within) ? add_within(tracer, set, within, out) : add(tracer, set, out);
}

ctm_status ctm_tracer_labels(ctm_tracer *tracer, const ctm_label_text *pairs, size_t n,
                             uint32_t *out)
{
    return ctm_tracer_labels_in(tracer, pairs, n, NULL, NULL, out);
}

ctm_status ctm_tracer_labels_in(ctm_tracer *tracer, const ctm_label_text *pairs, size_t n,
                                ctm_scope *scope, ctm_scope *process, uint32_t *out)
{
    const struct ctmi_within within = {scope, process};
    struct ctmi_label_set set = {0};
    uint32_t handle = 0;
    ctm_status status = CTM_OK;
    if (n > 0) {
        status = ctmi_label_set_make(pairs, n, &set);
    } else if (ctmi_is_within(within)) {
        set.text = ctmi_mem_alloc(1);
        status = set.text != NULL ? CTM_OK : CTM_ERR_NOMEM;
    }
    if (status == CTM_OK && set.text != NULL) {
        status = find_or_add(tracer, &set, within, &handle);
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

/* The pairs of an entry after this one, which they replace if they have its key. */
static void append_pairs(const struct ctmi_label_entry *entry, ctm_label_text *pairs)
{
    const char *text = entry->text;
    for (uint32_t i = 0; i < entry->n; i++) {
        pairs[1 + i] = ctmi_label_set_next(&text);
    }
}

ctm_status ctm_tracer_labels_with(ctm_tracer *tracer, uint32_t handle, const ctm_label_text *pair,
                                  uint32_t *out)
{
    struct ctmi_label_entry *entry =
        handle != 0 ? ctmi_label_entry_of(&tracer->labels, handle) : NULL;
    CTMI_ASSERT(entry == NULL || entry->refs > 0);
    if (pair == NULL) {
        if (entry != NULL) {
            entry->refs++;
        }
        *out = handle;
        return CTM_OK;
    }
    if (entry == NULL) {
        return ctm_tracer_labels(tracer, pair, 1, out);
    }
    const size_t n = 1 + (size_t)entry->n;
    ctm_label_text *pairs = ctmi_mem_alloc(n * sizeof *pairs);
    if (pairs == NULL) {
        return CTM_ERR_NOMEM;
    }
    pairs[0] = *pair;
    append_pairs(entry, pairs);
    const ctm_status status =
        ctm_tracer_labels_in(tracer, pairs, n, entry->within.scope, entry->within.process, out);
    ctmi_mem_free(pairs);
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
    if (status == CTM_OK && rest != 0 && ctmi_portion_is_in_scope(&shard->portions, *out)) {
        *out |= CTMI_IN_SCOPE;
    }
    return status;
}

bool ctm_shard_has_labels(const ctm_shard *shard, uint32_t site, uint32_t handle)
{
    ctmi_shard_assert_inside(shard);
    return ctmi_portion_is_of(&shard->portions, site, handle);
}

/* A handle may have had another rest when `site` was stored. */
uint32_t ctm_shard_labelled_again(ctm_shard *shard, uint32_t site, uint32_t handle)
{
    ctmi_shard_assert_inside(shard);
    const uint32_t id = site & ~CTMI_IN_SCOPE;
    const struct ctmi_portion *portion = ctmi_portion_of(&shard->portions, id);
    const struct ctmi_labels *labels = &shard->tracer->labels;
    if (handle == 0 || portion == NULL) {
        return 0;
    }
    const uint32_t rest = ctmi_label_entry_of(labels, handle)->rest;
    const uint32_t row = ctmi_store_site_row(&shard->store, id)->site.labels;
    uint32_t found;
    if (rest == 0 || ctmi_label_entry_of(labels, rest)->rows[shard->index] != row ||
        ctmi_portion_find(shard, portion->site, handle, &found) != CTM_OK) {
        return 0;
    }
    return found | (ctmi_portion_is_in_scope(&shard->portions, found) ? CTMI_IN_SCOPE : 0);
}
