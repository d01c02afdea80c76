/* tracer/label_entries.c: the entries of label sets. See tracer/labels.h. */
#include "tracer/labels.h"

#include <string.h>

#include "base/memory.h"
#include "base/sizes.h"

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

uint32_t ctmi_label_find(const struct ctmi_labels *labels, const struct ctmi_label_set *set)
{
    const uint32_t hash = ctmi_label_set_hash(set);
    uint32_t handle = labels->entries != NULL ? labels->buckets[hash & labels->mask] : 0;
    while (handle != 0) {
        const struct ctmi_label_entry *entry = ctmi_label_entry_of(labels, handle);
        if (entry->hash == hash && entry->length == set->length &&
            memcmp(entry->text, set->text, set->length) == 0) {
            break;
        }
        handle = entry->next;
    }
    return handle;
}

/* Gives an entry without a text this set, whose text it then owns. */
void ctmi_label_give(struct ctmi_labels *labels, uint32_t handle, struct ctmi_label_set *set,
                     uint32_t rest)
{
    struct ctmi_label_entry *entry = ctmi_label_entry_of(labels, handle);
    CTMI_ASSERT(entry->text == NULL && entry->refs == 0);
    entry->text = set->text;
    entry->length = set->length;
    entry->n = set->n;
    entry->rest = rest;
    entry->is_hidden = false;
    entry->hash = ctmi_label_set_hash(set);
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

/* Takes the set from the entry, which then has no text. */
struct ctmi_label_set ctmi_label_take(struct ctmi_labels *labels, uint32_t handle)
{
    struct ctmi_label_entry *entry = ctmi_label_entry_of(labels, handle);
    if (!entry->is_hidden) {
        ctmi_label_hide(labels, handle);
    }
    const struct ctmi_label_set set = {entry->text, entry->length, entry->n};
    entry->text = NULL;
    return set;
}

/* A new entry, without a text. 0: out of memory. */
uint32_t ctmi_label_new(struct ctmi_labels *labels)
{
    struct ctmi_label_entry *entry = ctmi_mem_alloc(sizeof *entry);
    if (entry == NULL) {
        return 0;
    }
    CTMI_ASSERT(labels->count < labels->capacity);
    memset(entry, 0, sizeof *entry);
    labels->entries[labels->count] = entry;
    return labels->count++;
}

void ctmi_label_set_free(struct ctmi_labels *labels, uint32_t handle)
{
    struct ctmi_label_set set = ctmi_label_take(labels, handle);
    struct ctmi_label_entry *entry = ctmi_label_entry_of(labels, handle);
    ctmi_mem_free(set.text);
    entry->next = labels->free;
    labels->free = handle;
}

/* An entry without a text, for a temporary set. 0: there are too many, or out of memory. */
uint32_t ctmi_label_free_or_new(struct ctmi_labels *labels)
{
    const uint32_t handle = labels->free;
    if (handle != 0) {
        labels->free = ctmi_label_entry_of(labels, handle)->next;
        return handle;
    }
    if (labels->n_temporary == ctmi_sizes()->temporary_labels) {
        return 0;
    }
    const uint32_t added = ctmi_label_new(labels);
    labels->n_temporary += added != 0;
    return added;
}

/* --- for the tracer --- */

void ctmi_labels_forget(struct ctmi_labels *labels)
{
    for (uint32_t handle = 1; handle < labels->count; handle++) {
        struct ctmi_label_entry *entry = ctmi_label_entry_of(labels, handle);
        for (uint32_t i = 0; i < CTM_SHARDS; i++) {
            atomic_store(&entry->portions[i], 0);
            entry->rows[i] = 0;
        }
        if (ctmi_label_is_released(entry)) {
            ctmi_label_set_free(labels, handle);
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
