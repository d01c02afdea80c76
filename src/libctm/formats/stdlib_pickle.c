/* formats/stdlib_pickle.c: makes a snapshot from the pickle that the standard module's Snapshot.dump writes.
 *
 * Model: the machine (formats/pickle.h) makes the values. Here they are checked and added to a builder in their
 * order. A traceback that many traces share is one value, so each value stores the id of the row that was made from
 * it. The number of rows is limited by the file's size, because the same frames with different total_nframe are
 * different tracebacks.
 */
#include <string.h>

#include "base/memory.h"
#include "formats/pickle.h"

enum { SPARE_FRAMES = 65536 };
#define NO_TOTAL INT32_MIN /* total of a frame: no traceback has this total */

/* The row made from a value: a text's function, a frame (with NO_TOTAL), or a traceback with this total; id 0: none. */
struct made {
    uint32_t id;
    int32_t total;
};

struct import {
    const struct ctmi_pickle *pickle; /* borrowed */
    ctm_builder *builder;             /* borrowed */
    struct made *made;                /* owned: by value id */
    uint64_t frames_left;             /* number of frames that may still be added to tracebacks */
    uint32_t where;                   /* file offset of the current trace */
    ctm_file_error *error;            /* borrowed */
};

static ctm_status fail_at(ctm_file_error *error, uint64_t offset, const char *reason)
{
    *error = (ctm_file_error){.offset = offset, .reason = reason};
    return CTM_ERR_FORMAT;
}

static ctm_status fail(struct import *import, const char *reason)
{
    return fail_at(import->error, import->where, reason);
}

static const struct ctmi_pickle_value *at(const struct import *import, uint32_t id)
{
    return ctmi_pickle_at(import->pickle, id);
}

static bool int_between(const struct ctmi_pickle_value *value, int64_t low, int64_t high)
{
    return value->kind == CTMI_PICKLED_INT && value->number >= low && value->number <= high;
}

static bool is_tuple(const struct ctmi_pickle_value *value, uint32_t least, uint32_t most)
{
    return value->kind == CTMI_PICKLED_TUPLE && value->count >= least && value->count <= most;
}

/* Adds the function of which only this file is known. */
static ctm_status add_file(struct import *import, uint32_t text, uint32_t *out)
{
    struct made *made = &import->made[text];
    const struct ctmi_pickle_value *value = at(import, text);
    uint32_t filename;
    if (made->id == 0) {
        ctm_status status = ctm_builder_string(
            import->builder, (const char *)ctmi_pickle_bytes(import->pickle, value), value->count,
            &filename);
        if (status == CTM_OK) {
            status = ctm_builder_function(import->builder, filename, 0, 0, &made->id);
        }
        if (status != CTM_OK) {
            return status;
        }
    }
    *out = made->id;
    return CTM_OK;
}

static ctm_status make_frame(struct import *import, uint32_t id, uint32_t *out)
{
    const struct ctmi_pickle_value *frame = at(import, id);
    uint32_t function;
    if (!is_tuple(frame, 2, 2)) {
        return fail(import, "a frame is not a tuple of 2");
    }
    const uint32_t *item = ctmi_pickle_item(import->pickle, frame->at);
    const struct ctmi_pickle_value *lineno = at(import, item[1]);
    if (!ctmi_pickle_is_text(at(import, item[0])) || !int_between(lineno, 0, INT32_MAX)) {
        return fail(import, "a frame is not a file name and a line number");
    }
    ctm_status status = add_file(import, item[0], &function);
    if (status != CTM_OK) {
        return status;
    }
    return ctm_builder_frame(import->builder, function, (int32_t)lineno->number, out);
}

static ctm_status add_frame(struct import *import, uint32_t id, uint32_t *out)
{
    struct made *made = &import->made[id];
    if (made->id == 0 || made->total != NO_TOTAL) {
        ctm_status status = make_frame(import, id, out);
        if (status == CTM_OK) {
            *made = (struct made){.id = *out, .total = NO_TOTAL};
        }
        return status;
    }
    *out = made->id;
    return CTM_OK;
}

/* Adds the frames from the oldest, which is the last, to the most recent. */
static ctm_status add_frames(struct import *import, const struct ctmi_pickle_value *frames,
                             int64_t total, uint32_t *out)
{
    ctm_status status = CTM_OK;
    uint32_t frame;
    *out = 0;
    for (uint32_t i = frames->count; i-- > 0 && status == CTM_OK;) {
        status = add_frame(import, *ctmi_pickle_item(import->pickle, frames->at + i), &frame);
        if (status == CTM_OK) {
            status = ctm_builder_traceback(import->builder, *out, frame, (int32_t)(total - i), out);
        }
    }
    return status;
}

static ctm_status add_traceback(struct import *import, uint32_t id, int64_t total, uint32_t *out)
{
    const struct ctmi_pickle_value *frames = at(import, id);
    struct made *made = &import->made[id];
    if (made->id != 0 && made->total == total) {
        *out = made->id;
        return CTM_OK;
    }
    if (!is_tuple(frames, 1, CTM_MAX_NFRAME)) {
        return fail(import, "the traceback is not a tuple of 1 to 65535 frames");
    }
    if (total - (int64_t)(frames->count - 1) < INT32_MIN) {
        return fail(import, "total_nframe is not a number in range");
    }
    if (frames->count > import->frames_left) {
        return fail(import, "the same frames with too many a total_nframe");
    }
    import->frames_left -= frames->count;
    ctm_status status = add_frames(import, frames, total, out);
    if (status == CTM_OK) {
        *made = (struct made){.id = *out, .total = (int32_t)total};
    }
    return status;
}

static ctm_status add_trace(struct import *import, uint32_t id)
{
    ctm_site site = {.allocated = 1};
    const struct ctmi_pickle_value *trace = at(import, id);
    import->where = trace->where;
    /* Python 3.8 had no total_nframe. */
    if (!is_tuple(trace, 3, 4)) {
        return fail(import, "a trace is not a tuple of 4");
    }
    const uint32_t *item = ctmi_pickle_item(import->pickle, trace->at);
    const struct ctmi_pickle_value *domain = at(import, item[0]), *size = at(import, item[1]);
    if (!int_between(domain, 0, UINT32_MAX)) {
        return fail(import, "the domain is not a number in range");
    }
    if (!int_between(size, 0, INT64_MAX)) {
        return fail(import, "the size is not a number in range");
    }
    if (trace->count == 4 && !int_between(at(import, item[3]), -INT32_MAX, INT32_MAX)) {
        return fail(import, "total_nframe is not a number in range");
    }
    const int64_t total =
        trace->count == 4 ? at(import, item[3])->number : at(import, item[2])->count;
    ctm_status status = add_traceback(import, item[2], total, &site.traceback);
    if (status != CTM_OK) {
        return status;
    }
    site.domain = (uint32_t)domain->number;
    site.block_size = (uint64_t)size->number;
    return ctm_builder_site(import->builder, &site, false);
}

static ctm_status add_traces(struct import *import, uint32_t list)
{
    struct ctmi_pickle_walk walk = ctmi_pickle_walk_begin(import->pickle, list);
    ctm_status status = CTM_OK;
    uint32_t id;
    const size_t size = import->pickle->values.count * sizeof(struct made);
    import->made = ctmi_mem_map(size);
    if (import->made == NULL) {
        return CTM_ERR_NOMEM;
    }
    while (status == CTM_OK && ctmi_pickle_walk_next(&walk, &id)) {
        status = add_trace(import, id);
    }
    ctmi_mem_unmap(import->made, size);
    return status;
}

/* --- the snapshot's own state --- */

/* The parts of the pickle that are read, as ids of values. */
struct parts {
    uint32_t state, traces, limit;
};

static bool is_object(const struct ctmi_pickle *pickle, uint32_t id, enum ctmi_pickle_name name)
{
    const struct ctmi_pickle_value *value = ctmi_pickle_at(pickle, id);
    return value->kind == CTMI_PICKLED_OBJECT && value->at == (uint32_t)name;
}

static ctm_status find_parts(const struct ctmi_pickle *pickle, struct parts *out,
                             ctm_file_error *error)
{
    if (!is_object(pickle, pickle->root, CTMI_NAME_SNAPSHOT)) {
        return fail_at(error, 0, "the pickle does not hold a tracemalloc.Snapshot");
    }
    const struct ctmi_pickle_value *root = ctmi_pickle_at(pickle, pickle->root);
    out->state = root->count;
    const uint32_t traces = out->state != 0 ? ctmi_pickle_find(pickle, out->state, "traces") : 0;
    if (traces == 0) {
        return fail_at(error, root->where, "the snapshot's traces are missing");
    }
    const struct ctmi_pickle_value *object = ctmi_pickle_at(pickle, traces);
    if (!is_object(pickle, traces, CTMI_NAME_TRACES)) {
        return fail_at(error, root->where, "the snapshot's traces are not a tracemalloc._Traces");
    }
    out->traces = object->count != 0 ? ctmi_pickle_find(pickle, object->count, "_traces") : 0;
    if (ctmi_pickle_at(pickle, out->traces)->kind != CTMI_PICKLED_LIST) {
        return fail_at(error, object->where, "the traces are not a list");
    }
    return CTM_OK;
}

/* Finds the traceback limit. The value None is valid; a missing limit is a fault. */
static ctm_status find_limit(const struct ctmi_pickle *pickle, struct parts *parts,
                             ctm_file_error *error)
{
    struct ctmi_pickle_walk walk = ctmi_pickle_walk_begin(pickle, parts->state);
    const uint32_t where = ctmi_pickle_at(pickle, pickle->root)->where;
    uint32_t name, value;
    bool found = false;
    while (ctmi_pickle_walk_next(&walk, &name) && ctmi_pickle_walk_next(&walk, &value)) {
        found |= ctmi_pickle_text_is(pickle, name, "traceback_limit");
    }
    if (!found) {
        return fail_at(error, where, "the snapshot's traceback_limit is missing");
    }
    parts->limit = ctmi_pickle_find(pickle, parts->state, "traceback_limit");
    const struct ctmi_pickle_value *limit = ctmi_pickle_at(pickle, parts->limit);
    if (limit->kind != CTMI_PICKLED_NONE && !int_between(limit, -INT32_MAX, INT32_MAX)) {
        return fail_at(error, where, "traceback_limit is not a number of frames");
    }
    return CTM_OK;
}

/* The pickle is freed as soon as the builder has all rows, because the builder needs memory to finish. */
static ctm_status build_snapshot(struct ctmi_pickle *pickle, const struct parts *parts,
                                 uint32_t nframe, ctm_snapshot **out, ctm_file_error *error)
{
    struct import import = {.pickle = pickle, .error = error};
    import.frames_left = (uint64_t)pickle->size + SPARE_FRAMES;
    ctm_status status = ctm_builder_new(&import.builder);
    if (status != CTM_OK) {
        return status;
    }
    status = add_traces(&import, parts->traces);
    ctmi_pickle_free(pickle);
    if (status == CTM_OK) {
        ctm_builder_set_info(import.builder, nframe, 0, 0);
        status = ctm_builder_finish(import.builder, out);
    }
    ctm_builder_free(import.builder);
    return status;
}

static ctm_status import_pickle(struct ctmi_pickle *pickle, ctm_snapshot **out,
                                void **out_attributes, size_t *out_length, ctm_file_error *error)
{
    struct parts parts;
    void *attributes = NULL;
    size_t length = 0;
    ctm_status status = find_parts(pickle, &parts, error);
    if (status == CTM_OK) {
        status = find_limit(pickle, &parts, error);
    }
    if (status != CTM_OK) {
        return status;
    }
    const struct ctmi_pickle_value *limit = ctmi_pickle_at(pickle, parts.limit);
    const bool is_nframe = int_between(limit, 1, CTM_MAX_NFRAME);
    const uint32_t nframe = is_nframe ? (uint32_t)limit->number : 0;
    status = ctmi_pickle_attributes(pickle, parts.state, !is_nframe, &attributes, &length, error);
    if (status == CTM_OK) {
        status = build_snapshot(pickle, &parts, nframe, out, error);
    }
    if (status != CTM_OK || out_attributes == NULL) {
        ctmi_mem_free(attributes);
        if (status != CTM_OK) {
            return status;
        }
    } else {
        *out_attributes = attributes;
    }
    if (out_length != NULL) {
        *out_length = length;
    }
    return CTM_OK;
}

/* Protocols 0 and 1 have no header: they begin with the name of _reconstructor. */
bool ctm_file_is_pickle(const void *bytes, size_t length)
{
    static const char old[] = "ccopy_reg\n";
    if (length > 0 && *(const unsigned char *)bytes == 0x80) {
        return true;
    }
    return length >= sizeof old - 1 && memcmp(bytes, old, sizeof old - 1) == 0;
}

ctm_status ctm_snapshot_decode_stdlib(const void *bytes, size_t size, ctm_snapshot **out,
                                      void **out_attributes, size_t *out_length,
                                      ctm_file_error *error)
{
    ctm_file_error unused;
    struct ctmi_pickle pickle;
    if (error == NULL) {
        error = &unused;
    }
    if (size == 0) {
        return fail_at(error, 0, "it is empty");
    }
    if (!ctm_file_is_pickle(bytes, size)) {
        return fail_at(error, 0, "it is neither a snapshot file nor a pickle");
    }
    ctm_status status = ctmi_pickle_read(&pickle, bytes, size, error);
    if (status == CTM_OK) {
        status = import_pickle(&pickle, out, out_attributes, out_length, error);
    }
    ctmi_pickle_free(&pickle);
    return status;
}
