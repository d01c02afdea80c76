/* snapshot/merge.c: see snapshot/merge.h. */
#include "snapshot/merge.h"

#include "base/memory.h"

/* New ids by old id. */
struct maps {
    uint32_t *strings, *functions, *frames; /* in one owned block */
    uint32_t *tracebacks, *labels;          /* the caller's */
};

static ctm_status map_strings(const ctm_snapshot *source, struct ctmi_store *store,
                              struct maps *maps)
{
    ctm_status status = CTM_OK;
    maps->strings[0] = 0;
    for (uint32_t id = 1; id <= source->info.strings && status == CTM_OK; id++) {
        size_t length;
        const char *string = ctm_snapshot_string(source, id, &length);
        status = ctmi_store_string(store, string, length, &maps->strings[id]);
    }
    return status;
}

static ctm_status map_functions(const ctm_snapshot *source, struct ctmi_store *store,
                                struct maps *maps)
{
    ctm_status status = CTM_OK;
    maps->functions[0] = 0;
    for (uint32_t id = 1; id <= source->info.functions && status == CTM_OK; id++) {
        const ctm_function *row = &source->functions[id];
        status = ctmi_store_function(store, maps->strings[row->filename], maps->strings[row->name],
                                     row->first_lineno, &maps->functions[id]);
    }
    return status;
}

static ctm_status map_frames(const ctm_snapshot *source, struct ctmi_store *store,
                             struct maps *maps)
{
    ctm_status status = CTM_OK;
    maps->frames[0] = 0;
    for (uint32_t id = 1; id <= source->info.frames && status == CTM_OK; id++) {
        const ctm_frame *row = &source->frames[id];
        status =
            ctmi_store_frame(store, maps->functions[row->function], row->lineno, &maps->frames[id]);
    }
    return status;
}

/* Is `guess` the id of the row? Costs no lookup. */
static bool is_traceback(const struct ctmi_store *store, uint32_t guess, const ctm_traceback *row)
{
    if (guess >= ctmi_store_traceback_count(store)) {
        return false;
    }
    const ctm_traceback *there = &ctmi_store_traceback_row(store, guess)->row;
    return there->parent == row->parent && there->frame == row->frame &&
           there->total_nframe == row->total_nframe;
}

/* Processes of one program meet their tracebacks in nearly the same order: so the row behind the one found last is
 * tried first. */
static ctm_status map_tracebacks(const ctm_snapshot *source, struct ctmi_store *store,
                                 struct maps *maps)
{
    uint32_t guess = 1;
    maps->tracebacks[0] = 0;
    for (uint32_t id = 1; id <= source->info.tracebacks; id++) {
        ctm_traceback row = source->tracebacks[id];
        row.parent = maps->tracebacks[row.parent];
        row.frame = maps->frames[row.frame];
        uint32_t *to = &maps->tracebacks[id];
        if (is_traceback(store, guess, &row)) {
            *to = guess++;
            continue;
        }
        const uint32_t before = ctmi_store_traceback_count(store);
        ctm_status status =
            ctmi_store_traceback(store, row.parent, row.frame, row.total_nframe, to);
        if (status != CTM_OK) {
            return status;
        }
        if (*to < before) {
            guess = *to + 1;
        }
    }
    return CTM_OK;
}

/* What a set has takes the place of what its parent, and so `base`, has. */
static ctm_status map_labels(const ctm_snapshot *source, struct ctmi_store *store, uint32_t base,
                             struct maps *maps)
{
    ctm_status status = CTM_OK;
    maps->labels[0] = base;
    for (uint32_t id = 1; id <= source->info.label_sets && status == CTM_OK; id++) {
        const ctm_label *row = &source->labels[id];
        status = ctmi_store_label(store, maps->labels[row->parent], maps->strings[row->key],
                                  maps->strings[row->value], &maps->labels[id]);
    }
    return status;
}

ctm_status ctmi_store_add_tables(struct ctmi_store *store, const ctm_snapshot *source,
                                 uint32_t *traceback_map, uint32_t *label_map, uint32_t base_labels)
{
    size_t strings = (size_t)source->info.strings + 1;
    size_t functions = (size_t)source->info.functions + 1;
    size_t frames = (size_t)source->info.frames + 1;
    uint32_t *memory = ctmi_mem_alloc((strings + functions + frames) * sizeof(uint32_t));
    if (memory == NULL) {
        return CTM_ERR_NOMEM;
    }
    struct maps maps = {
        .strings = memory,
        .functions = memory + strings,
        .frames = memory + strings + functions,
        .tracebacks = traceback_map,
        .labels = label_map,
    };
    ctm_status status = map_strings(source, store, &maps);
    if (status == CTM_OK) {
        status = map_functions(source, store, &maps);
    }
    if (status == CTM_OK) {
        status = map_frames(source, store, &maps);
    }
    if (status == CTM_OK) {
        status = map_tracebacks(source, store, &maps);
    }
    if (status == CTM_OK && label_map != NULL) {
        status = map_labels(source, store, base_labels, &maps);
    }
    ctmi_mem_free(memory);
    return status;
}
