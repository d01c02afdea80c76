/* export/arrow_node.c: arrays and dictionaries of the Arrow export; see export/arrow.h.
 *
 * Model: the block of memory of an array has, in this order: the head, the structs of its children and of its
 * dictionary, the buffers. Each buffer is aligned to 64 bytes, as Arrow recommends.
 */
#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "export/arrow.h"

#define ALIGNMENT 64u

/* --- names --- */

void ctmi_arrow_copy_text(char *to, const char *from, size_t length)
{
    const unsigned char *text = (const unsigned char *)from;
    for (size_t at = 0, size; at < length; at += size) {
        size = ctmi_utf8_sequence(text + at, length - at);
        if (size == 0) {
            to[at] = '?';
            size = 1;
        } else if (size == 3 && ctmi_utf8_is_surrogate(text + at)) {
            memcpy(to + at, "\xef\xbf\xbd", 3);
        } else {
            memcpy(to + at, from + at, size);
        }
    }
}

static size_t measure_names(const ctm_snapshot *snapshot, const unsigned char *wanted,
                            int64_t *out_count)
{
    size_t bytes = 0;
    *out_count = 0;
    for (uint32_t id = 0; id <= snapshot->info.strings; id++) {
        if (!wanted[id]) {
            continue;
        }
        bytes += ctmi_snapshot_string_length(snapshot, id);
        ++*out_count;
    }
    return bytes;
}

static void fill_names(const ctm_snapshot *snapshot, const unsigned char *wanted,
                       struct ctmi_arrow_names *names)
{
    int32_t next = 0, at = 0;
    for (uint32_t id = 0; id <= snapshot->info.strings; id++) {
        names->index[id] = wanted[id] ? next : -1;
        if (!wanted[id]) {
            continue;
        }
        size_t length;
        const char *text = ctm_snapshot_string(snapshot, id, &length);
        names->offsets[next++] = at;
        ctmi_arrow_copy_text(names->bytes + at, text, length);
        at += (int32_t)length;
    }
    names->offsets[next] = at;
}

ctm_status ctmi_arrow_names_new(const ctm_snapshot *snapshot, const unsigned char *wanted,
                                struct ctmi_arrow_names **out)
{
    int64_t count;
    size_t bytes = measure_names(snapshot, wanted, &count);
    if (bytes > INT32_MAX || count >= INT32_MAX) {
        return CTM_ERR_LIMIT;
    }
    size_t rows = (size_t)snapshot->info.strings + 1 + (size_t)count + 1;
    struct ctmi_arrow_names *names = ctmi_mem_alloc(sizeof *names + rows * sizeof(int32_t) + bytes);
    if (names == NULL) {
        return CTM_ERR_NOMEM;
    }
    atomic_init(&names->references, 1);
    names->count = count;
    names->index = (int32_t *)(names + 1);
    names->offsets = names->index + snapshot->info.strings + 1;
    names->bytes = (char *)(names->index + rows);
    fill_names(snapshot, wanted, names);
    *out = names;
    return CTM_OK;
}

void ctmi_arrow_names_unref(struct ctmi_arrow_names *names)
{
    if (names == NULL) {
        return;
    }
    if (atomic_fetch_sub_explicit(&names->references, 1, memory_order_acq_rel) == 1) {
        ctmi_mem_free(names);
    }
}

/* --- arrays --- */

#define MAX_NESTED CTMI_ARROW_COLUMNS /* children and dictionary of an array */

/* The head of a block. All fields: owned by the array. */
struct head {
    struct ctmi_arrow_names *names; /* a dictionary's array: owned reference; else NULL */
    const void *buffers[3];
    struct ArrowArray *pointers[MAX_NESTED]; /* to `structs` */
    struct ArrowArray structs[];             /* of the children, or of the dictionary */
};

static void array_release(struct ArrowArray *array)
{
    struct head *head = array->private_data;
    for (int64_t i = 0; i < array->n_children; i++) {
        struct ArrowArray *child = array->children[i];
        if (child->release != NULL) {
            child->release(child);
        }
    }
    if (array->dictionary != NULL && array->dictionary->release != NULL) {
        array->dictionary->release(array->dictionary);
    }
    ctmi_arrow_names_unref(head->names);
    ctmi_mem_free(head);
    array->release = NULL;
}

static char *aligned(char *at)
{
    return (char *)(((uintptr_t)at + ALIGNMENT - 1) & ~(uintptr_t)(ALIGNMENT - 1));
}

/* The block of an array with `nested` children and dictionaries, zeroed. NULL: out of memory. */
static struct head *head_new(const struct ctmi_arrow_shape *shape, size_t nested)
{
    size_t size = sizeof(struct head) + nested * sizeof(struct ArrowArray);
    size_t buffers = size;
    for (int i = 0; i < shape->n_buffers; i++) {
        size += shape->buffer_bytes[i] + ALIGNMENT;
    }
    struct head *head = ctmi_mem_alloc(size);
    if (head == NULL) {
        return NULL;
    }
    memset(head, 0, size);
    char *at = (char *)head + buffers;
    for (int i = 0; i < shape->n_buffers; i++) {
        at = aligned(at);
        /* A NULL bitmap means that all values are valid. Other buffers are never NULL, even if empty. */
        head->buffers[i] = i == 0 && shape->buffer_bytes[0] == 0 ? NULL : at;
        at += shape->buffer_bytes[i];
    }
    for (size_t i = 0; i < nested; i++) {
        head->pointers[i] = &head->structs[i];
    }
    return head;
}

/* The array of a dictionary, whose buffers are those of `names`. */
static ctm_status dictionary_new(struct ctmi_arrow_names *names, struct ArrowArray *out)
{
    const struct ctmi_arrow_shape shape = {.length = names->count, .n_buffers = 3};
    ctm_status status = ctmi_arrow_array_new(&shape, out);
    if (status != CTM_OK) {
        return status;
    }
    struct head *head = out->private_data;
    atomic_fetch_add_explicit(&names->references, 1, memory_order_relaxed);
    head->names = names;
    head->buffers[1] = names->offsets;
    head->buffers[2] = names->bytes;
    return CTM_OK;
}

ctm_status ctmi_arrow_array_new(const struct ctmi_arrow_shape *shape, struct ArrowArray *out)
{
    bool is_dictionary = shape->names != NULL;
    struct head *head = head_new(shape, (size_t)shape->n_children + is_dictionary);
    if (head == NULL) {
        return CTM_ERR_NOMEM;
    }
    *out = (struct ArrowArray){
        .length = shape->length,
        .n_buffers = shape->n_buffers,
        .n_children = shape->n_children,
        .buffers = head->buffers,
        .children = shape->n_children > 0 ? head->pointers : NULL,
        .dictionary = is_dictionary ? head->structs : NULL,
        .release = array_release,
        .private_data = head,
    };
    ctm_status status = is_dictionary ? dictionary_new(shape->names, out->dictionary) : CTM_OK;
    if (status != CTM_OK) {
        array_release(out);
    }
    return status;
}
