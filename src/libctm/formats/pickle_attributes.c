/* formats/pickle_attributes.c: encodes the attributes of a pickled snapshot as the bytes of an attributes section.
 *
 * Model: the encoding has no references (docs/formats/snapshot.md), so a value that a pickle shares is written each
 * time that it is referred to. The depth and the length are limited, which also ends values that contain themselves.
 */
#include <string.h>

#include "base/memory.h"
#include "formats/format.h"
#include "formats/pickle.h"

enum { MAX_DEPTH = 100, SPARE_LENGTH = 1 << 20 };

enum tag {
    TAG_NONE = 0,
    TAG_TRUE = 1,
    TAG_FALSE = 2,
    TAG_INT = 3,
    TAG_FLOAT = 4,
    TAG_STR = 6,
    TAG_BYTES = 7,
    TAG_TUPLE = 9,
    TAG_LIST = 10,
    TAG_DICT = 11,
};

/* A container whose items are being written. */
struct container {
    struct ctmi_pickle_walk walk;
    bool is_dict, in_key; /* in_key: the items are, or are in, the key of a dict */
    bool at_value;        /* of a dict: the next item is a value */
};

struct writer {
    const struct ctmi_pickle *pickle;
    struct ctmi_pickle_array out; /* of bytes */
    uint64_t limit;               /* greatest number of bytes */
    struct container containers[MAX_DEPTH];
    int depth;
    ctm_file_error *error;
};

static ctm_status fail(struct writer *writer, const struct ctmi_pickle_value *value,
                       const char *reason)
{
    *writer->error = (ctm_file_error){.offset = value->where, .reason = reason};
    return CTM_ERR_FORMAT;
}

static ctm_status put(struct writer *writer, const void *bytes, uint32_t length)
{
    ctm_status status = ctmi_pickle_grow(&writer->out, length, 1);
    if (status != CTM_OK) {
        return status;
    }
    if (length > 0) {
        memcpy((char *)writer->out.memory + writer->out.count, bytes, length);
    }
    writer->out.count += length;
    return CTM_OK;
}

/* Writes a tag and a length or count. */
static ctm_status put_head(struct writer *writer, enum tag tag, uint64_t count)
{
    unsigned char head[11] = {(unsigned char)tag};
    uint32_t used = 1;
    for (; count >= 0x80; count >>= 7) {
        head[used++] = (unsigned char)(count | 0x80);
    }
    head[used++] = (unsigned char)count;
    return put(writer, head, used);
}

static ctm_status put_tag(struct writer *writer, enum tag tag)
{
    const unsigned char byte = (unsigned char)tag;
    return put(writer, &byte, 1);
}

static ctm_status put_number(struct writer *writer, int64_t number)
{
    unsigned char bytes[8];
    ctmi_put_u64(bytes, (uint64_t)number);
    return put(writer, bytes, 8);
}

static ctm_status put_blob(struct writer *writer, enum tag tag,
                           const struct ctmi_pickle_value *value)
{
    ctm_status status = put_head(writer, tag, value->count);
    if (status != CTM_OK) {
        return status;
    }
    return put(writer, ctmi_pickle_bytes(writer->pickle, value), value->count);
}

static ctm_status put_container(struct writer *writer, uint32_t id, bool in_key)
{
    const struct ctmi_pickle_value *value = ctmi_pickle_at(writer->pickle, id);
    const bool is_dict = value->kind == CTMI_PICKLED_DICT;
    const enum tag tag = is_dict                             ? TAG_DICT
                         : value->kind == CTMI_PICKLED_TUPLE ? TAG_TUPLE
                                                             : TAG_LIST;
    if (in_key && tag != TAG_TUPLE) {
        return fail(writer, value, "an attribute has a list or dict as a key");
    }
    if (writer->depth == MAX_DEPTH) {
        return fail(writer, value, "an attribute is nested more than 100 deep");
    }
    writer->containers[writer->depth++] = (struct container){
        .walk = ctmi_pickle_walk_begin(writer->pickle, id), .is_dict = is_dict, .in_key = in_key};
    return put_head(writer, tag, is_dict ? value->count / 2 : value->count);
}

/* Writes a value; of a container only the head. */
static ctm_status put_value(struct writer *writer, uint32_t id, bool in_key)
{
    const struct ctmi_pickle_value *value = ctmi_pickle_at(writer->pickle, id);
    ctm_status status;
    if (writer->out.count > writer->limit) {
        return fail(writer, value, "attributes that refer to the same data too often");
    }
    switch ((enum ctmi_pickled)value->kind) {
    case CTMI_PICKLED_NONE: return put_tag(writer, TAG_NONE);
    case CTMI_PICKLED_FALSE: return put_tag(writer, TAG_FALSE);
    case CTMI_PICKLED_TRUE: return put_tag(writer, TAG_TRUE);
    case CTMI_PICKLED_INT:
        status = put_head(writer, TAG_INT, 8);
        return status == CTM_OK ? put_number(writer, value->number) : status;
    case CTMI_PICKLED_FLOAT:
        status = put_tag(writer, TAG_FLOAT);
        return status == CTM_OK ? put_number(writer, value->number) : status;
    case CTMI_PICKLED_LONG: return put_blob(writer, TAG_INT, value);
    case CTMI_PICKLED_TEXT:
    case CTMI_PICKLED_MADE: return put_blob(writer, TAG_STR, value);
    case CTMI_PICKLED_BYTES: return put_blob(writer, TAG_BYTES, value);
    case CTMI_PICKLED_TUPLE:
    case CTMI_PICKLED_LIST:
    case CTMI_PICKLED_DICT: return put_container(writer, id, in_key);
    case CTMI_PICKLED_NAME:
    case CTMI_PICKLED_OBJECT: break;
    }
    return fail(writer, value, "an attribute is not plain data");
}

/* Writes a value and all values in it. */
static ctm_status put_nested(struct writer *writer, uint32_t id)
{
    ctm_status status = put_value(writer, id, false);
    while (status == CTM_OK && writer->depth > 0) {
        struct container *container = &writer->containers[writer->depth - 1];
        if (!ctmi_pickle_walk_next(&container->walk, &id)) {
            writer->depth--;
            continue;
        }
        const bool is_key = container->is_dict && !container->at_value;
        container->at_value = is_key;
        status = put_value(writer, id, container->in_key || is_key);
    }
    return status;
}

static bool is_attribute(const struct ctmi_pickle *pickle, uint32_t name, bool with_limit)
{
    return !ctmi_pickle_text_is(pickle, name, "traces") &&
           (with_limit || !ctmi_pickle_text_is(pickle, name, "traceback_limit"));
}

static ctm_status count_attributes(struct writer *writer, uint32_t dict, bool with_limit,
                                   uint32_t *out)
{
    struct ctmi_pickle_walk walk = ctmi_pickle_walk_begin(writer->pickle, dict);
    uint32_t name, value;
    *out = 0;
    while (ctmi_pickle_walk_next(&walk, &name) && ctmi_pickle_walk_next(&walk, &value)) {
        const struct ctmi_pickle_value *row = ctmi_pickle_at(writer->pickle, name);
        if (!ctmi_pickle_is_text(row)) {
            return fail(writer, row, "the name of an attribute is not a text");
        }
        *out += is_attribute(writer->pickle, name, with_limit);
    }
    return CTM_OK;
}

static ctm_status put_all(struct writer *writer, uint32_t dict, bool with_limit)
{
    struct ctmi_pickle_walk walk = ctmi_pickle_walk_begin(writer->pickle, dict);
    uint32_t name, value, count;
    ctm_status status = count_attributes(writer, dict, with_limit, &count);
    if (status != CTM_OK || count == 0) {
        return status;
    }
    status = put_head(writer, TAG_DICT, count);
    while (status == CTM_OK && ctmi_pickle_walk_next(&walk, &name) &&
           ctmi_pickle_walk_next(&walk, &value)) {
        if (!is_attribute(writer->pickle, name, with_limit)) {
            continue;
        }
        status = put_nested(writer, name);
        if (status == CTM_OK) {
            status = put_nested(writer, value);
        }
    }
    return status;
}

ctm_status ctmi_pickle_attributes(const struct ctmi_pickle *pickle, uint32_t dict, bool with_limit,
                                  void **out, size_t *out_length, ctm_file_error *error)
{
    struct writer writer = {.pickle = pickle, .error = error};
    writer.limit = 4 * (uint64_t)pickle->size + SPARE_LENGTH;
    ctm_status status = put_all(&writer, dict, with_limit);
    if (status != CTM_OK) {
        ctmi_mem_free(writer.out.memory);
        return status;
    }
    *out = writer.out.memory;
    *out_length = writer.out.count;
    return CTM_OK;
}
