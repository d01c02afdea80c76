/* tracer/label_entries.c: the entries of label sets. See tracer/labels.h. */
#include "tracer/labels.h"

#include <string.h>

#include "base/memory.h"
#include "base/sizes.h"
#include "tracer/tracer.h"

/* False: out of memory. */
bool ctmi_labels_prepare(struct ctmi_labels *labels)
{
    if (labels->entries != NULL) {
        return true;
    }
    const uint32_t capacity = 1 + ctmi_sizes()->kept_labels + ctmi_sizes()->temporary_labels;
    uint32_t buckets = 64;
    while (buckets < capacity) {
        buckets *= 2;
    }
    labels->entries = ctmi_mem_alloc(capacity * sizeof *labels->entries);
    labels->buckets = ctmi_mem_alloc(buckets * sizeof *labels->buckets);
    labels->keys = ctmi_mem_alloc(CTMI_MOST_LABEL_KEYS * sizeof *labels->keys);
    if (labels->entries == NULL || labels->buckets == NULL || labels->keys == NULL) {
        ctmi_mem_free(labels->entries);
        ctmi_mem_free(labels->buckets);
        ctmi_mem_free(labels->keys);
        memset(labels, 0, sizeof *labels);
        return false;
    }
    memset(labels->buckets, 0, buckets * sizeof *labels->buckets);
    labels->capacity = capacity;
    labels->mask = buckets - 1;
    labels->count = 1;
    return true;
}

static uint32_t hash_of(const struct ctmi_label_set *set, struct ctmi_within within)
{
    const uint64_t mixed = ((uintptr_t)within.scope + 3 * (uintptr_t)within.process) / 16 *
                           UINT64_C(0x9E3779B97F4A7C15);
    return ctmi_label_set_hash(set) ^ (uint32_t)(mixed >> 32);
}

uint32_t ctmi_label_find(const struct ctmi_labels *labels, const struct ctmi_label_set *set,
                         struct ctmi_within within)
{
    const uint32_t hash = hash_of(set, within);
    uint32_t handle = labels->entries != NULL ? labels->buckets[hash & labels->mask] : 0;
    while (handle != 0) {
        const struct ctmi_label_entry *entry = ctmi_label_entry_of(labels, handle);
        if (entry->hash == hash && entry->within.scope == within.scope &&
            entry->within.process == within.process && entry->length == set->length &&
            memcmp(entry->text, set->text, set->length) == 0) {
            break;
        }
        handle = entry->next;
    }
    return handle;
}

/* Gives an entry without a text this set, whose text it then owns. */
void ctmi_label_give(struct ctm_tracer *tracer, uint32_t handle, struct ctmi_label_set *set,
                     uint32_t rest, struct ctmi_within within)
{
    struct ctmi_labels *labels = &tracer->labels;
    struct ctmi_label_entry *entry = ctmi_label_entry_of(labels, handle);
    CTMI_ASSERT(entry->text == NULL && entry->refs == 0);
    entry->text = set->text;
    entry->length = set->length;
    entry->n = set->n;
    entry->rest = rest;
    entry->is_hidden = entry->has_others = false;
    entry->wait = 0;
    entry->hash = hash_of(set, within);
    entry->within = within;
    ctmi_within_hold(tracer, within);
    if (rest != 0 && !ctmi_is_within(within)) {
        labels->n_temporary++;
    }
    uint32_t *bucket = &labels->buckets[entry->hash & labels->mask];
    entry->next = *bucket;
    *bucket = handle;
    set->text = NULL;
}

/* From now on the entry is not found by its text. */
void ctmi_label_hide(struct ctmi_labels *labels, uint32_t handle)
{
    struct ctmi_label_entry *entry = ctmi_label_entry_of(labels, handle);
    uint32_t *link = &labels->buckets[entry->hash & labels->mask];
    while (*link != handle) {
        link = &ctmi_label_entry_of(labels, *link)->next;
    }
    *link = entry->next;
    entry->is_hidden = true;
}

struct ctmi_label_set ctmi_label_take(struct ctmi_labels *labels, uint32_t handle,
                                      struct ctmi_within *out_within)
{
    struct ctmi_label_entry *entry = ctmi_label_entry_of(labels, handle);
    if (!entry->is_hidden) {
        ctmi_label_hide(labels, handle);
    }
    const struct ctmi_label_set set = {entry->text, entry->length, entry->n};
    entry->text = NULL;
    *out_within = entry->within;
    entry->within = (struct ctmi_within){0};
    if (entry->rest != 0 && !ctmi_is_within(*out_within)) {
        labels->n_temporary--;
    }
    return set;
}

/* Puts the entries that are found into twice as many buckets. Without memory the chains are longer. */
static void grow_buckets(struct ctmi_labels *labels)
{
    const uint32_t n = 2 * (labels->mask + 1);
    uint32_t *buckets = ctmi_mem_alloc(n * sizeof *buckets);
    if (buckets == NULL) {
        return;
    }
    memset(buckets, 0, n * sizeof *buckets);
    for (uint32_t i = 0; i <= labels->mask; i++) {
        uint32_t next;
        for (uint32_t handle = labels->buckets[i]; handle != 0; handle = next) {
            struct ctmi_label_entry *entry = ctmi_label_entry_of(labels, handle);
            uint32_t *bucket = &buckets[entry->hash & (n - 1)];
            next = entry->next;
            entry->next = *bucket;
            *bucket = handle;
        }
    }
    ctmi_mem_free(labels->buckets);
    labels->buckets = buckets;
    labels->mask = n - 1;
}

/* There is room for the sets that are not in scopes; for others it grows. Threads inside shards read `entries`. */
static bool reach(struct ctm_tracer *tracer)
{
    struct ctmi_labels *labels = &tracer->labels;
    struct ctmi_label_entry **old = labels->entries;
    if (labels->count < labels->capacity) {
        return true;
    }
    struct ctmi_label_entry **entries =
        ctmi_mem_alloc((size_t)labels->capacity * 2 * sizeof *entries);
    if (entries == NULL) {
        return false;
    }
    ctmi_tracer_stop_world(tracer);
    memcpy(entries, old, labels->count * sizeof *entries);
    labels->entries = entries;
    labels->capacity *= 2;
    ctmi_tracer_resume_world(tracer);
    ctmi_mem_free(old);
    grow_buckets(labels);
    return true;
}

/* A new entry, without a text. 0: out of memory. */
uint32_t ctmi_label_new(struct ctm_tracer *tracer)
{
    struct ctmi_labels *labels = &tracer->labels;
    struct ctmi_label_entry *entry = reach(tracer) ? ctmi_mem_alloc(sizeof *entry) : NULL;
    if (entry == NULL) {
        return 0;
    }
    memset(entry, 0, sizeof *entry);
    labels->entries[labels->count] = entry;
    return labels->count++;
}

void ctmi_label_set_free(struct ctm_tracer *tracer, uint32_t handle)
{
    struct ctmi_labels *labels = &tracer->labels;
    struct ctmi_within within;
    struct ctmi_label_set set = ctmi_label_take(labels, handle, &within);
    ctmi_within_release(tracer, within);
    ctmi_mem_free(set.text);
    ctmi_label_put_free(labels, handle);
}

void ctmi_label_put_free(struct ctmi_labels *labels, uint32_t handle)
{
    struct ctmi_label_entry *entry = ctmi_label_entry_of(labels, handle);
    CTMI_ASSERT(entry->text == NULL);
    entry->next = labels->free;
    labels->free = handle;
}

/* An entry without a text, for a temporary set. 0: there are too many, or out of memory. */
uint32_t ctmi_label_free_or_new(struct ctm_tracer *tracer, struct ctmi_within within)
{
    struct ctmi_labels *labels = &tracer->labels;
    const uint32_t handle = labels->free;
    if (!ctmi_is_within(within) && labels->n_temporary >= ctmi_sizes()->temporary_labels) {
        return 0;
    }
    if (handle != 0) {
        labels->free = ctmi_label_entry_of(labels, handle)->next;
        return handle;
    }
    return ctmi_label_new(tracer);
}

/* --- for the tracer --- */

void ctmi_labels_forget(struct ctm_tracer *tracer)
{
    struct ctmi_labels *labels = &tracer->labels;
    for (uint32_t handle = 1; handle < labels->count; handle++) {
        struct ctmi_label_entry *entry = ctmi_label_entry_of(labels, handle);
        for (uint32_t i = 0; i < CTM_SHARDS; i++) {
            atomic_store(&entry->portions[i], 0);
            entry->rows[i] = 0;
        }
        if (ctmi_label_is_released(entry)) {
            ctmi_label_set_free(tracer, handle);
        }
    }
}

void ctmi_labels_free(struct ctmi_labels *labels)
{
    for (uint32_t handle = 1; handle < labels->count; handle++) {
        ctmi_mem_free(labels->entries[handle]->text);
        ctmi_mem_free(labels->entries[handle]);
    }
    for (uint32_t i = 0; i < labels->n_keys; i++) {
        for (uint32_t k = 0; k < labels->keys[i].n; k++) {
            ctmi_mem_free(labels->keys[i].values[k]);
        }
        ctmi_mem_free(labels->keys[i].values);
        ctmi_mem_free(labels->keys[i].key);
    }
    ctmi_mem_free(labels->keys);
    ctmi_mem_free(labels->entries);
    ctmi_mem_free(labels->buckets);
    memset(labels, 0, sizeof *labels);
}

size_t ctmi_labels_memory(const struct ctmi_labels *labels)
{
    if (labels->entries == NULL) {
        return 0;
    }
    size_t bytes =
        labels->capacity * sizeof(void *) + ((size_t)labels->mask + 1) * sizeof(uint32_t);
    for (uint32_t handle = 1; handle < labels->count; handle++) {
        bytes += sizeof(struct ctmi_label_entry) + labels->entries[handle]->length;
    }
    return bytes;
}
