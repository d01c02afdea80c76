/* snapshot/merge.c: see snapshot/merge.h. */
#include "snapshot/merge.h"

#include "tables/remap.h"

static const char *string_of(const void *strings, uint32_t id, size_t *out_length)
{
    return ctm_snapshot_string(strings, id, out_length);
}

ctm_status ctmi_store_add_tables(struct ctmi_store *store, const ctm_snapshot *source,
                                 uint32_t *traceback_map, uint32_t *label_map, uint32_t base_labels)
{
    struct ctmi_row_source rows = {.columns = source->rows, .strings = source, .string = string_of};
    struct ctmi_remap remap = {.to = store, .from = &rows};
    remap.ids[CTMI_TABLE_TRACEBACKS] = traceback_map;
    remap.ids[CTMI_TABLE_LABELS] = label_map;
    ctmi_snapshot_counts(&source->info, rows.counts);
    ctm_status status = ctmi_remap_init(&remap);
    if (status != CTM_OK) {
        return status;
    }
    /* A label of a set replaces the label with the same key of its parent, and so of `base_labels`. */
    remap.ids[CTMI_TABLE_LABELS][0] = base_labels;
    status =
        ctmi_remap_tables(&remap, label_map != NULL ? CTMI_TABLE_SITES - 1 : CTMI_TABLE_TRACEBACKS);
    ctmi_remap_free(&remap);
    return status;
}
