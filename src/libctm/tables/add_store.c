/* tables/add_store.c: see tables/add_store.h.
 *
 * Model: each row is interned once, an array for each table remembering the new id (0: not yet), and only those
 * that a site with blocks leads to. Tracebacks are walked in the order of their ids, since a parent comes before its
 * children.
 */
#include "tables/add_store.h"

#include <string.h>

#include "base/memory.h"

struct merge {
    struct ctmi_store *to;                  /* borrowed */
    const struct ctmi_store *from;          /* borrowed; of the shard being merged */
    uint32_t *strings, *functions, *frames; /* parts of one owned array, by id */
    uint32_t *tracebacks, *labels;          /* the same */
};

#define NEEDED UINT32_MAX /* in `tracebacks`, until the traceback is interned */

static ctm_status merge_string(struct merge *merge, uint32_t id, uint32_t *out)
{
    ctm_status status = CTM_OK;
    if (id != 0 && merge->strings[id] == 0) {
        size_t length;
        const char *utf8 = ctmi_store_string_row(merge->from, id, &length);
        status = ctmi_store_string(merge->to, utf8, length, &merge->strings[id]);
    }
    *out = merge->strings[id];
    return status;
}

static ctm_status merge_function(struct merge *merge, uint32_t id, uint32_t *out)
{
    ctm_status status = CTM_OK;
    if (merge->functions[id] == 0) {
        const ctm_function *row = ctmi_store_function_row(merge->from, id);
        uint32_t filename, name;
        status = merge_string(merge, row->filename, &filename);
        if (status == CTM_OK) {
            status = merge_string(merge, row->name, &name);
        }
        if (status == CTM_OK) {
            status = ctmi_store_function(merge->to, filename, name, row->first_lineno,
                                         &merge->functions[id]);
        }
    }
    *out = merge->functions[id];
    return status;
}

static ctm_status merge_frame(struct merge *merge, uint32_t id, uint32_t *out)
{
    ctm_status status = CTM_OK;
    if (merge->frames[id] == 0) {
        const ctm_frame *row = ctmi_store_frame_row(merge->from, id);
        uint32_t function;
        status = merge_function(merge, row->function, &function);
        if (status == CTM_OK) {
            status = ctmi_store_frame(merge->to, function, row->lineno, &merge->frames[id]);
        }
    }
    *out = merge->frames[id];
    return status;
}

static void mark_tracebacks(struct merge *merge)
{
    for (uint32_t id = 1; id < ctmi_store_site_count(merge->from); id++) {
        const ctm_site *site = &ctmi_store_site_row(merge->from, id)->site;
        if (site->allocated != 0) {
            merge->tracebacks[site->traceback] = NEEDED;
        }
    }
    for (uint32_t id = ctmi_store_traceback_count(merge->from) - 1; id > 0; id--) {
        if (merge->tracebacks[id] == NEEDED) {
            merge->tracebacks[ctmi_store_traceback_row(merge->from, id)->row.parent] = NEEDED;
        }
    }
    merge->tracebacks[0] = 0;
}

static ctm_status merge_tracebacks(struct merge *merge)
{
    for (uint32_t id = 1; id < ctmi_store_traceback_count(merge->from); id++) {
        if (merge->tracebacks[id] != NEEDED) {
            continue;
        }
        const ctm_traceback *row = &ctmi_store_traceback_row(merge->from, id)->row;
        uint32_t frame;
        ctm_status status = merge_frame(merge, row->frame, &frame);
        if (status == CTM_OK) {
            status = ctmi_store_traceback(merge->to, merge->tracebacks[row->parent], frame,
                                          row->total_nframe, &merge->tracebacks[id]);
        }
        if (status != CTM_OK) {
            return status;
        }
    }
    return CTM_OK;
}

static ctm_status merge_labels(struct merge *merge)
{
    ctm_status status = CTM_OK;
    for (uint32_t id = 1; id < ctmi_store_label_count(merge->from) && status == CTM_OK; id++) {
        const ctm_label *row = &ctmi_store_label_row(merge->from, id)->row;
        uint32_t key, value;
        status = merge_string(merge, row->key, &key);
        if (status == CTM_OK) {
            status = merge_string(merge, row->value, &value);
        }
        if (status == CTM_OK) {
            status = ctmi_store_label(merge->to, merge->labels[row->parent], key, value,
                                      &merge->labels[id]);
        }
    }
    return status;
}

static ctm_status merge_sites(struct merge *merge)
{
    for (uint32_t id = 1; id < ctmi_store_site_count(merge->from); id++) {
        struct ctmi_site_row *row = ctmi_store_site_row(merge->from, id);
        if (row->site.allocated == 0) {
            continue;
        }
        uint32_t to;
        ctm_status status =
            ctmi_store_site(merge->to, row->site.domain, merge->tracebacks[row->site.traceback],
                            row->site.block_size, merge->labels[row->site.labels], &to);
        if (status != CTM_OK) {
            return status;
        }
        ctm_site *site = &ctmi_store_site_row(merge->to, to)->site;
        site->allocated += row->site.allocated;
        site->freed += ctmi_site_row_freed(row);
        site->at_peak += ctmi_site_row_at_peak(merge->from, row);
    }
    return CTM_OK;
}

ctm_status ctmi_store_add_store(struct ctmi_store *to, const struct ctmi_store *from)
{
    size_t strings = ctmi_store_string_count(from), functions = ctmi_store_function_count(from);
    size_t frames = ctmi_store_frame_count(from), tracebacks = ctmi_store_traceback_count(from);
    size_t labels = ctmi_store_label_count(from);
    size_t size = (strings + functions + frames + tracebacks + labels) * sizeof(uint32_t);
    uint32_t *ids = ctmi_mem_alloc(size);
    if (ids == NULL) {
        return CTM_ERR_NOMEM;
    }
    memset(ids, 0, size);
    struct merge merge = {
        .to = to,
        .from = from,
        .strings = ids,
        .functions = ids + strings,
        .frames = ids + strings + functions,
        .tracebacks = ids + strings + functions + frames,
        .labels = ids + strings + functions + frames + tracebacks,
    };
    mark_tracebacks(&merge);
    ctm_status status = merge_tracebacks(&merge);
    if (status == CTM_OK) {
        status = merge_labels(&merge);
    }
    if (status == CTM_OK) {
        status = merge_sites(&merge);
    }
    ctmi_mem_free(ids);
    return status;
}
