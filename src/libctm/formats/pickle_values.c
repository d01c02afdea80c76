/* formats/pickle_values.c: arrays of values and of their items; see formats/pickle.h. */
#include <string.h>

#include "base/memory.h"
#include "formats/pickle.h"

ctm_status ctmi_pickle_grow(struct ctmi_pickle_array *array, uint32_t n, size_t item_size)
{
    if (n <= array->capacity - array->count) {
        return CTM_OK;
    }
    const uint64_t needed = (uint64_t)array->count + n;
    if (needed > UINT32_MAX) {
        return CTM_ERR_LIMIT;
    }
    uint64_t capacity = (uint64_t)array->capacity + array->capacity / 2 + 16;
    if (capacity < needed) {
        capacity = needed;
    }
    if (capacity > UINT32_MAX) {
        capacity = UINT32_MAX;
    }
    void *grown = ctmi_mem_realloc(array->memory, (size_t)capacity * item_size);
    if (grown == NULL) {
        return CTM_ERR_NOMEM;
    }
    array->memory = grown;
    array->capacity = (uint32_t)capacity;
    return CTM_OK;
}

void ctmi_pickle_free(struct ctmi_pickle *pickle)
{
    ctmi_mem_free(pickle->values.memory);
    ctmi_mem_free(pickle->items.memory);
    ctmi_mem_free(pickle->made.memory);
    memset(pickle, 0, sizeof *pickle);
}

const unsigned char *ctmi_pickle_bytes(const struct ctmi_pickle *pickle,
                                       const struct ctmi_pickle_value *value)
{
    if (value->count == 0) {
        return (const unsigned char *)"";
    }
    if (value->kind == CTMI_PICKLED_MADE) {
        return (const unsigned char *)pickle->made.memory + value->at;
    }
    return pickle->bytes + value->at;
}

bool ctmi_pickle_text_is(const struct ctmi_pickle *pickle, uint32_t id, const char *text)
{
    const struct ctmi_pickle_value *value = ctmi_pickle_at(pickle, id);
    return ctmi_pickle_is_text(value) && value->count == strlen(text) &&
           memcmp(ctmi_pickle_bytes(pickle, value), text, value->count) == 0;
}

/* Appends the chunk to those of the list. */
static void link_chunk(const struct ctmi_pickle *pickle, struct ctmi_pickle_value *list,
                       uint32_t chunk)
{
    uint32_t *ends = ctmi_pickle_item(pickle, list->at);
    if (ends[0] == 0) {
        ends[0] = chunk;
    } else {
        *ctmi_pickle_item(pickle, ends[1]) = chunk;
    }
    ends[1] = chunk;
}

ctm_status ctmi_pickle_append(struct ctmi_pickle *pickle, uint32_t id, const uint32_t *from,
                              uint32_t n)
{
    struct ctmi_pickle_value *list = ctmi_pickle_at(pickle, id);
    if (n == 0) {
        return CTM_OK;
    }
    if (n > UINT32_MAX - 4) {
        return CTM_ERR_LIMIT;
    }
    ctm_status status = ctmi_pickle_grow(&pickle->items, n + 4, sizeof(uint32_t));
    if (status != CTM_OK) {
        return status;
    }
    if (list->at == 0) {
        list->at = pickle->items.count;
        memset(ctmi_pickle_item(pickle, list->at), 0, 2 * sizeof(uint32_t));
        pickle->items.count += 2;
    }
    uint32_t *chunk = ctmi_pickle_item(pickle, pickle->items.count);
    chunk[0] = 0;
    chunk[1] = n;
    memcpy(chunk + 2, from, n * sizeof *from);
    link_chunk(pickle, list, pickle->items.count);
    pickle->items.count += n + 2;
    list->count += n;
    return CTM_OK;
}

static void enter_chunk(struct ctmi_pickle_walk *walk, uint32_t chunk)
{
    walk->next = *ctmi_pickle_item(walk->pickle, chunk);
    walk->left = *ctmi_pickle_item(walk->pickle, chunk + 1);
    walk->at = chunk + 2;
}

struct ctmi_pickle_walk ctmi_pickle_walk_begin(const struct ctmi_pickle *pickle, uint32_t id)
{
    const struct ctmi_pickle_value *value = ctmi_pickle_at(pickle, id);
    struct ctmi_pickle_walk walk = {.pickle = pickle};
    if (value->count == 0) {
        return walk;
    }
    if (value->kind == CTMI_PICKLED_TUPLE) {
        walk.at = value->at;
        walk.left = value->count;
    } else {
        enter_chunk(&walk, *ctmi_pickle_item(pickle, value->at));
    }
    return walk;
}

bool ctmi_pickle_walk_next(struct ctmi_pickle_walk *walk, uint32_t *out)
{
    if (walk->left == 0) {
        if (walk->next == 0) {
            return false;
        }
        enter_chunk(walk, walk->next);
    }
    *out = *ctmi_pickle_item(walk->pickle, walk->at++);
    walk->left--;
    return true;
}

uint32_t ctmi_pickle_find(const struct ctmi_pickle *pickle, uint32_t dict, const char *key)
{
    struct ctmi_pickle_walk walk = ctmi_pickle_walk_begin(pickle, dict);
    uint32_t name, value, found = 0;
    while (ctmi_pickle_walk_next(&walk, &name) && ctmi_pickle_walk_next(&walk, &value)) {
        if (ctmi_pickle_text_is(pickle, name, key)) {
            found = value;
        }
    }
    return found;
}
