/* file/pickle_values.c: rows of values and their items; see file/pickle.h. */
#include <string.h>

#include "file/pickle.h"
#include "store/memory.h"

ctm_status ctm_pickle_grow(struct ctm_pickle_array *array, uint32_t n, size_t item_size)
{
    if (n <= array->room - array->count) {
        return CTM_OK;
    }
    const uint64_t needed = (uint64_t)array->count + n;
    if (needed > UINT32_MAX) {
        return CTM_ERR_LIMIT;
    }
    uint64_t room = (uint64_t)array->room + array->room / 2 + 16;
    if (room < needed) {
        room = needed;
    }
    if (room > UINT32_MAX) {
        room = UINT32_MAX;
    }
    void *grown = ctm_mem_realloc(array->memory, (size_t)room * item_size);
    if (grown == NULL) {
        return CTM_ERR_NOMEM;
    }
    array->memory = grown;
    array->room = (uint32_t)room;
    return CTM_OK;
}

void ctm_pickle_free(struct ctm_pickle *pickle)
{
    ctm_mem_free(pickle->values.memory);
    ctm_mem_free(pickle->items.memory);
    ctm_mem_free(pickle->made.memory);
    memset(pickle, 0, sizeof *pickle);
}

const unsigned char *ctm_pickle_bytes(const struct ctm_pickle *pickle,
                                      const struct ctm_pickle_value *value)
{
    if (value->count == 0) {
        return (const unsigned char *)"";
    }
    if (value->kind == CTM_PICKLED_MADE) {
        return (const unsigned char *)pickle->made.memory + value->at;
    }
    return pickle->bytes + value->at;
}

bool ctm_pickle_text_is(const struct ctm_pickle *pickle, uint32_t id, const char *text)
{
    const struct ctm_pickle_value *value = ctm_pickle_at(pickle, id);
    return ctm_pickle_is_text(value) && value->count == strlen(text) &&
           memcmp(ctm_pickle_bytes(pickle, value), text, value->count) == 0;
}

/* Puts the chunk at the end of the list's. */
static void link_chunk(const struct ctm_pickle *pickle, struct ctm_pickle_value *list,
                       uint32_t chunk)
{
    uint32_t *ends = ctm_pickle_item(pickle, list->at);
    if (ends[0] == 0) {
        ends[0] = chunk;
    } else {
        *ctm_pickle_item(pickle, ends[1]) = chunk;
    }
    ends[1] = chunk;
}

ctm_status ctm_pickle_append(struct ctm_pickle *pickle, uint32_t id, const uint32_t *from,
                             uint32_t n)
{
    struct ctm_pickle_value *list = ctm_pickle_at(pickle, id);
    if (n == 0) {
        return CTM_OK;
    }
    if (n > UINT32_MAX - 4) {
        return CTM_ERR_LIMIT;
    }
    ctm_status status = ctm_pickle_grow(&pickle->items, n + 4, sizeof(uint32_t));
    if (status != CTM_OK) {
        return status;
    }
    if (list->at == 0) {
        list->at = pickle->items.count;
        memset(ctm_pickle_item(pickle, list->at), 0, 2 * sizeof(uint32_t));
        pickle->items.count += 2;
    }
    uint32_t *chunk = ctm_pickle_item(pickle, pickle->items.count);
    chunk[0] = 0;
    chunk[1] = n;
    memcpy(chunk + 2, from, n * sizeof *from);
    link_chunk(pickle, list, pickle->items.count);
    pickle->items.count += n + 2;
    list->count += n;
    return CTM_OK;
}

static void enter_chunk(struct ctm_pickle_walk *walk, uint32_t chunk)
{
    walk->next = *ctm_pickle_item(walk->pickle, chunk);
    walk->left = *ctm_pickle_item(walk->pickle, chunk + 1);
    walk->at = chunk + 2;
}

struct ctm_pickle_walk ctm_pickle_walk_begin(const struct ctm_pickle *pickle, uint32_t id)
{
    const struct ctm_pickle_value *value = ctm_pickle_at(pickle, id);
    struct ctm_pickle_walk walk = {.pickle = pickle};
    if (value->count == 0) {
        return walk;
    }
    if (value->kind == CTM_PICKLED_TUPLE) {
        walk.at = value->at;
        walk.left = value->count;
    } else {
        enter_chunk(&walk, *ctm_pickle_item(pickle, value->at));
    }
    return walk;
}

bool ctm_pickle_walk_next(struct ctm_pickle_walk *walk, uint32_t *out)
{
    if (walk->left == 0) {
        if (walk->next == 0) {
            return false;
        }
        enter_chunk(walk, walk->next);
    }
    *out = *ctm_pickle_item(walk->pickle, walk->at++);
    walk->left--;
    return true;
}

uint32_t ctm_pickle_find(const struct ctm_pickle *pickle, uint32_t dict, const char *key)
{
    struct ctm_pickle_walk walk = ctm_pickle_walk_begin(pickle, dict);
    uint32_t name, value, found = 0;
    while (ctm_pickle_walk_next(&walk, &name) && ctm_pickle_walk_next(&walk, &value)) {
        if (ctm_pickle_text_is(pickle, name, key)) {
            found = value;
        }
    }
    return found;
}
