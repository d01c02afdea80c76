/* tracer/label_text.c: label sets as text, and which values of a key are kept. See tracer/labels.h. */
#include <string.h>

#include "base/memory.h"
#include "base/sizes.h"
#include "base/utf8.h"
#include "tracer/labels.h"

static bool is_valid(const char *text, size_t most)
{
    const size_t length = strlen(text);
    return length <= most && ctmi_utf8_fault((const unsigned char *)text, length) == length;
}

/* Where in `sorted` the key is or would be. */
static size_t place_of(const ctm_label_text *sorted, size_t n, const char *key)
{
    size_t at = n;
    while (at > 0 && strcmp(sorted[at - 1].key, key) >= 0) {
        at--;
    }
    return at;
}

static ctm_status sort(const ctm_label_text *pairs, size_t n, ctm_label_text *sorted, size_t *out_n)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        if (pairs[i].key[0] == '\0' || !is_valid(pairs[i].key, CTM_MAX_LABEL_KEY) ||
            !is_valid(pairs[i].value, CTM_MAX_LABEL_VALUE)) {
            return CTM_ERR_INVALID;
        }
        const size_t at = place_of(sorted, count, pairs[i].key);
        if (at == count || strcmp(sorted[at].key, pairs[i].key) != 0) {
            if (count == CTM_MAX_LABELS) {
                return CTM_ERR_INVALID;
            }
            memmove(sorted + at + 1, sorted + at, (count - at) * sizeof *sorted);
            count++;
        }
        sorted[at] = pairs[i];
    }
    *out_n = count;
    return CTM_OK;
}

static size_t append(char *text, size_t at, const char *word)
{
    const size_t length = strlen(word) + 1;
    memcpy(text + at, word, length);
    return at + length;
}

static ctm_status join(const ctm_label_text *sorted, size_t n, struct ctmi_label_set *out)
{
    size_t length = 0;
    for (size_t i = 0; i < n; i++) {
        length += strlen(sorted[i].key) + strlen(sorted[i].value) + 2;
    }
    *out = (struct ctmi_label_set){ctmi_mem_alloc(length), length, (uint32_t)n};
    if (out->text == NULL) {
        return CTM_ERR_NOMEM;
    }
    for (size_t i = 0, at = 0; i < n; i++) {
        at = append(out->text, at, sorted[i].key);
        at = append(out->text, at, sorted[i].value);
    }
    return CTM_OK;
}

ctm_status ctmi_label_set_make(const ctm_label_text *pairs, size_t n, struct ctmi_label_set *out)
{
    ctm_label_text sorted[CTM_MAX_LABELS];
    size_t count = 0;
    const ctm_status status = sort(pairs, n, sorted, &count);
    return status == CTM_OK ? join(sorted, count, out) : status;
}

ctm_label_text ctmi_label_set_next(const char **text)
{
    const char *key = *text, *value = key + strlen(key) + 1;
    *text = value + strlen(value) + 1;
    return (ctm_label_text){key, value};
}

uint32_t ctmi_label_set_hash(const struct ctmi_label_set *set)
{
    uint64_t hash = set->length;
    for (size_t i = 0; i < set->length; i++) {
        hash = (hash ^ (unsigned char)set->text[i]) * 0x9E3779B97F4A7C15ull;
        hash ^= hash >> 29;
    }
    return (uint32_t)(hash >> 16);
}

static char *copy_of(const char *text)
{
    const size_t size = strlen(text) + 1;
    char *copy = ctmi_mem_alloc(size);
    return copy != NULL ? memcpy(copy, text, size) : NULL;
}

static struct ctmi_label_key *find_key(struct ctmi_labels *labels, const char *key)
{
    for (uint32_t i = 0; i < labels->n_keys; i++) {
        if (strcmp(labels->keys[i].key, key) == 0) {
            return &labels->keys[i];
        }
    }
    return NULL;
}

/* NULL: out of memory. */
static struct ctmi_label_key *add_key(struct ctmi_labels *labels, const char *key)
{
    char *own = copy_of(key);
    char **values = ctmi_mem_alloc(ctmi_sizes()->label_values * sizeof *values);
    if (own == NULL || values == NULL) {
        ctmi_mem_free(own);
        ctmi_mem_free(values);
        return NULL;
    }
    struct ctmi_label_key *added = &labels->keys[labels->n_keys++];
    *added = (struct ctmi_label_key){.key = own, .values = values};
    return added;
}

/* Whether the value was seen not long ago. A value with the same hash may be taken for it, which does no harm. */
static bool was_seen(struct ctmi_label_key *key, const char *value)
{
    const struct ctmi_label_set text = {(char *)(uintptr_t)value, strlen(value), 0};
    const uint32_t hash = ctmi_label_set_hash(&text) | 1;
    for (uint32_t i = 0; i < CTMI_SEEN_VALUES; i++) {
        if (key->seen[i] == hash) {
            return true;
        }
    }
    key->seen[key->next_seen++ % CTMI_SEEN_VALUES] = hash;
    return false;
}

/* Whether the value is a kept one of its key; if there is room, it becomes one when it is seen again. -1: out of memory. */
static int is_kept(struct ctmi_labels *labels, const ctm_label_text *pair)
{
    if (strcmp(pair->value, CTM_OTHER_LABELS) == 0) {
        return 1;
    }
    struct ctmi_label_key *key = find_key(labels, pair->key);
    if (key == NULL && labels->n_keys == CTMI_MOST_LABEL_KEYS) {
        return 0;
    }
    key = key != NULL ? key : add_key(labels, pair->key);
    if (key == NULL) {
        return -1;
    }
    for (uint32_t i = 0; i < key->n; i++) {
        if (strcmp(key->values[i], pair->value) == 0) {
            return 1;
        }
    }
    if (key->n == ctmi_sizes()->label_values || !was_seen(key, pair->value)) {
        return 0;
    }
    key->values[key->n] = copy_of(pair->value);
    if (key->values[key->n] == NULL) {
        return -1;
    }
    key->n++;
    return 1;
}

ctm_status ctmi_label_set_rest(struct ctmi_labels *labels, const struct ctmi_label_set *set,
                               bool all, struct ctmi_label_set *out)
{
    ctm_label_text pairs[CTM_MAX_LABELS];
    const char *text = set->text;
    for (uint32_t i = 0; i < set->n; i++) {
        pairs[i] = ctmi_label_set_next(&text);
        const int kept = is_kept(labels, &pairs[i]);
        if (kept < 0) {
            return CTM_ERR_NOMEM;
        }
        if (all || kept == 0) {
            pairs[i].value = CTM_OTHER_LABELS;
        }
    }
    return join(pairs, set->n, out);
}
