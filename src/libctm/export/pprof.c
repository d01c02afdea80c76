/* export/pprof.c: see ctm/pprof.h.
 *
 * Model: four lists are written one after the other: samples by node, locations by frame, functions, strings. `at` is the next
 * one of the list under way. A piece ends after the first item that fills it, so a piece is larger than PIECE by one item. Before
 * an item is written there is room for the longest that it can be, so writing cannot fail half-way.
 */
#include <stdbool.h>
#include <string.h>

#include "base/assert.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "ctm/pprof.h"

#define PIECE ((size_t)1 << 16)
#define MOST_VARINT ((size_t)10) /* bytes of a number */

/* Fields of the messages. */
enum { SAMPLE = 2, LOCATION = 4, FUNCTION = 5, STRING = 6 };
enum { SAMPLE_LOCATION_IDS = 1, SAMPLE_VALUES = 2 };
enum { LOCATION_ID = 1, LOCATION_MAPPING = 2, LOCATION_LINE = 4 };
enum { LINE_FUNCTION = 1, LINE_NUMBER = 2 };
enum { FUNCTION_ID = 1, FUNCTION_NAME = 2, FUNCTION_FILENAME = 4, FUNCTION_START = 5 };

enum list { SAMPLES, LOCATIONS, FUNCTIONS, STRINGS, END };

/* Used by one thread at a time. */
struct ctm_pprof {
    ctm_tree *tree; /* owned reference */
    ctm_tree_view view;
    ctm_pprof_options options;
    enum list list;        /* under way */
    uint32_t at;           /* in this list */
    unsigned char *bytes;  /* owned: the piece */
    size_t size, capacity; /* of it */
    unsigned char *used;   /* owned, by frame, then by function: it is in a sample */
    uint32_t *string_ids;  /* owned, by string of the tree: its id in the message; 0: none yet */
    uint32_t *strings; /* owned: the strings of the tree that have one, in the order of their ids */
    uint32_t n_strings; /* of them */
};

/* --- the wire format --- */

static size_t varint_size(uint64_t value)
{
    size_t size = 1;
    for (; value >= 128; value >>= 7) {
        size++;
    }
    return size;
}

static void put(ctm_pprof *pprof, uint64_t value)
{
    CTMI_ASSERT(pprof->capacity - pprof->size >= MOST_VARINT);
    for (; value >= 128; value >>= 7) {
        pprof->bytes[pprof->size++] = (unsigned char)(value | 128);
    }
    pprof->bytes[pprof->size++] = (unsigned char)value;
}

static void put_number(ctm_pprof *pprof, unsigned field, uint64_t value)
{
    if (value != 0) { /* the default takes no room */
        put(pprof, (uint64_t)field << 3);
        put(pprof, value);
    }
}

static size_t number_size(uint64_t value)
{
    return value != 0 ? 1 + varint_size(value) : 0;
}

static void put_length(ctm_pprof *pprof, unsigned field, size_t length)
{
    put(pprof, (uint64_t)field << 3 | 2);
    put(pprof, length);
}

/* Makes room for `more` bytes. False: out of memory. */
static bool reserve(ctm_pprof *pprof, size_t more)
{
    if (pprof->capacity - pprof->size >= more) {
        return true;
    }
    const size_t capacity = pprof->size + more + PIECE;
    unsigned char *bytes = ctmi_mem_realloc(pprof->bytes, capacity);
    if (bytes != NULL) {
        pprof->bytes = bytes;
        pprof->capacity = capacity;
    }
    return bytes != NULL;
}

/* --- samples --- */

static bool has_value(const ctm_pprof *pprof, uint32_t node)
{
    for (uint32_t i = 0; i < pprof->options.n_values; i++) {
        if (pprof->options.values[i][node] != 0) {
            return true;
        }
    }
    return false;
}

static size_t values_size(const ctm_pprof *pprof, uint32_t node)
{
    size_t size = 0;
    for (uint32_t i = 0; i < pprof->options.n_values; i++) {
        size += varint_size((uint64_t)pprof->options.values[i][node]);
    }
    return size;
}

/* How many bytes the ids of the frames of a node take. Notes that they are used. */
static size_t use_frames(ctm_pprof *pprof, uint32_t node)
{
    const ctm_tree_view *view = &pprof->view;
    size_t size = 0;
    do {
        const uint32_t frame = view->frame[node];
        pprof->used[frame] = 1;
        size += varint_size((uint64_t)frame + 1);
        node = view->parent[node];
    } while (node != 0);
    return size;
}

static bool write_sample(ctm_pprof *pprof, uint32_t node)
{
    const ctm_tree_view *view = &pprof->view;
    if (!has_value(pprof, node)) {
        return true;
    }
    const size_t frames = use_frames(pprof, node), values = values_size(pprof, node);
    const size_t size = 2 + varint_size(frames) + frames + varint_size(values) + values;
    if (!reserve(pprof, size + 4 * MOST_VARINT)) {
        return false;
    }
    put_length(pprof, SAMPLE, size);
    put_length(pprof, SAMPLE_LOCATION_IDS, frames);
    uint32_t up = node;
    do {
        put(pprof, (uint64_t)view->frame[up] + 1);
        up = view->parent[up];
    } while (up != 0);
    put_length(pprof, SAMPLE_VALUES, values);
    for (uint32_t i = 0; i < pprof->options.n_values; i++) {
        put(pprof, (uint64_t)pprof->options.values[i][node]);
    }
    return true;
}

/* --- places --- */

static unsigned char *function_is_used(ctm_pprof *pprof, uint32_t function)
{
    return &pprof->used[pprof->view.frames + function];
}

static bool write_location(ctm_pprof *pprof, uint32_t frame)
{
    if (!pprof->used[frame]) {
        return true;
    }
    if (!reserve(pprof, 12 * MOST_VARINT)) {
        return false;
    }
    const uint32_t function = pprof->view.frame_function[frame];
    const uint64_t lineno = (uint64_t)(int64_t)pprof->view.frame_lineno[frame];
    const size_t line = number_size((uint64_t)function + 1) + number_size(lineno);
    *function_is_used(pprof, function) = 1;
    put_length(pprof, LOCATION,
               number_size((uint64_t)frame + 1) + number_size(pprof->options.mapping) + 1 +
                   varint_size(line) + line);
    put_number(pprof, LOCATION_ID, (uint64_t)frame + 1);
    put_number(pprof, LOCATION_MAPPING, pprof->options.mapping);
    put_length(pprof, LOCATION_LINE, line);
    put_number(pprof, LINE_FUNCTION, (uint64_t)function + 1);
    put_number(pprof, LINE_NUMBER, lineno);
    return true;
}

/* The id in the message of a string of the tree. */
static uint32_t string_id(ctm_pprof *pprof, uint32_t string)
{
    if (string == 0) {
        return pprof->options.no_name;
    }
    if (pprof->string_ids[string] == 0) {
        pprof->string_ids[string] = pprof->options.strings + pprof->n_strings;
        pprof->strings[pprof->n_strings++] = string;
    }
    return pprof->string_ids[string];
}

static bool write_function(ctm_pprof *pprof, uint32_t function)
{
    const ctm_tree_view *view = &pprof->view;
    if (!*function_is_used(pprof, function)) {
        return true;
    }
    if (!reserve(pprof, 12 * MOST_VARINT)) {
        return false;
    }
    const uint64_t name = string_id(pprof, view->function_name[function]);
    const uint64_t filename = string_id(pprof, view->function_filename[function]);
    const uint64_t first = (uint64_t)(int64_t)view->function_first_lineno[function];
    put_length(pprof, FUNCTION,
               number_size((uint64_t)function + 1) + number_size(name) + number_size(filename) +
                   number_size(first));
    put_number(pprof, FUNCTION_ID, (uint64_t)function + 1);
    put_number(pprof, FUNCTION_NAME, name);
    put_number(pprof, FUNCTION_FILENAME, filename);
    put_number(pprof, FUNCTION_START, first);
    return true;
}

/* --- strings --- */

#define ESCAPE 6u /* bytes of \uXXXX, which a surrogate of three bytes becomes */

static size_t text_size(const unsigned char *text, size_t length)
{
    size_t size = length;
    for (size_t i = 0; i + 3 <= length; i++) {
        size += ctmi_utf8_is_surrogate(text + i) ? ESCAPE - 3 : 0;
    }
    return size;
}

static void put_text(ctm_pprof *pprof, const unsigned char *text, size_t length)
{
    static const char digits[] = "0123456789abcdef";
    unsigned char *to = pprof->bytes + pprof->size;
    size_t i = 0;
    while (i < length) {
        if (i + 3 > length || !ctmi_utf8_is_surrogate(text + i)) {
            *to++ = text[i++];
            continue;
        }
        const unsigned point =
            (text[i] & 0xfu) << 12 | (text[i + 1] & 0x3fu) << 6 | (text[i + 2] & 0x3fu);
        *to++ = '\\';
        *to++ = 'u';
        for (int shift = 12; shift >= 0; shift -= 4) {
            *to++ = (unsigned char)digits[point >> shift & 0xf];
        }
        i += 3;
    }
    pprof->size = (size_t)(to - pprof->bytes);
}

static bool write_string(ctm_pprof *pprof, uint32_t index)
{
    size_t length;
    const char *text =
        ctm_snapshot_string(ctm_tree_tables(pprof->tree), pprof->strings[index], &length);
    const size_t size = text_size((const unsigned char *)text, length);
    if (!reserve(pprof, size + 2 * MOST_VARINT)) {
        return false;
    }
    put_length(pprof, STRING, size);
    put_text(pprof, (const unsigned char *)text, length);
    return true;
}

/* --- pieces --- */

static uint32_t length_of(const ctm_pprof *pprof, enum list list)
{
    switch (list) {
    case SAMPLES: return pprof->view.nodes;
    case LOCATIONS: return pprof->view.frames;
    case FUNCTIONS: return pprof->view.functions;
    case STRINGS: return pprof->n_strings;
    default: return 0;
    }
}

static bool write_item(ctm_pprof *pprof)
{
    switch (pprof->list) {
    case SAMPLES: return write_sample(pprof, pprof->at);
    case LOCATIONS: return write_location(pprof, pprof->at);
    case FUNCTIONS: return write_function(pprof, pprof->at);
    default: return write_string(pprof, pprof->at);
    }
}

ctm_status ctm_pprof_next(ctm_pprof *pprof, const unsigned char **out, size_t *out_size)
{
    pprof->size = 0;
    while (pprof->list != END && pprof->size < PIECE) {
        if (pprof->at == length_of(pprof, pprof->list)) {
            pprof->list++;
            pprof->at = 0;
            continue;
        }
        if (!write_item(pprof)) {
            if (pprof->size == 0) {
                return CTM_ERR_NOMEM;
            }
            break; /* what there is, is a piece */
        }
        pprof->at++;
    }
    *out = pprof->bytes;
    *out_size = pprof->size;
    return CTM_OK;
}

/* NULL: out of memory */
static void *zeros(size_t count, size_t size)
{
    void *memory = ctmi_mem_alloc(count * size);
    return memory != NULL ? memset(memory, 0, count * size) : NULL;
}

ctm_status ctm_pprof_new(ctm_tree *tree, const ctm_pprof_options *options, ctm_pprof **out)
{
    if (options->n_values > CTM_PPROF_VALUES) {
        return CTM_ERR_INVALID;
    }
    ctm_pprof *pprof = zeros(1, sizeof *pprof);
    if (pprof == NULL) {
        return CTM_ERR_NOMEM;
    }
    pprof->tree = ctm_tree_ref(tree);
    pprof->options = *options;
    ctm_tree_view_get(tree, &pprof->view);
    const size_t strings = (size_t)pprof->view.strings + 1;
    pprof->used = zeros((size_t)pprof->view.frames + pprof->view.functions, 1);
    pprof->string_ids = zeros(strings, sizeof(uint32_t));
    pprof->strings = zeros(strings, sizeof(uint32_t));
    if (pprof->used == NULL || pprof->string_ids == NULL || pprof->strings == NULL ||
        !reserve(pprof, PIECE)) {
        ctm_pprof_free(pprof);
        return CTM_ERR_NOMEM;
    }
    *out = pprof;
    return CTM_OK;
}

void ctm_pprof_free(ctm_pprof *pprof)
{
    if (pprof != NULL) {
        ctm_tree_unref(pprof->tree);
        ctmi_mem_free(pprof->bytes);
        ctmi_mem_free(pprof->used);
        ctmi_mem_free(pprof->string_ids);
        ctmi_mem_free(pprof->strings);
        ctmi_mem_free(pprof);
    }
}
