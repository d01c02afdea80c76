/* snapshot/join.c: see snapshot/join.h. */
#include "snapshot/join.h"

#include <string.h>

#include "base/memory.h"
#include "snapshot/merge.h"
#include "tables/store.h"

/* Contents have no padding, so rows of equal content are equal bytes. */
static bool rows_begin(const ctm_snapshot *longer, const ctm_snapshot *shorter, uint32_t count,
                       enum ctmi_table table)
{
    return memcmp(longer->rows[table], shorter->rows[table],
                  (size_t)count * ctmi_schemas[table].content_size) == 0;
}

/* Whether the tables of `longer` begin with all rows of `shorter`, for the tables that a traceback needs: those up to
 * its own in the list, because a row refers to no later table. */
static bool tables_begin(const ctm_snapshot *longer, const ctm_snapshot *shorter)
{
    uint32_t few[CTMI_ROWS_TABLES], many[CTMI_ROWS_TABLES];
    ctmi_snapshot_counts(&shorter->info, few);
    ctmi_snapshot_counts(&longer->info, many);
    for (int table = 0; table <= CTMI_TABLE_TRACEBACKS; table++) {
        if (few[table] > many[table]) {
            return false;
        }
    }
    bool same = memcmp(longer->string_offsets, shorter->string_offsets,
                       ((size_t)few[CTMI_TABLE_STRINGS] + 1) * sizeof(uint64_t)) == 0 &&
                memcmp(longer->string_bytes, shorter->string_bytes,
                       (size_t)ctmi_snapshot_string_bytes(shorter)) == 0;
    for (enum ctmi_table table = CTMI_TABLE_STRINGS + 1; table <= CTMI_TABLE_TRACEBACKS; table++) {
        same = same && rows_begin(longer, shorter, few[table], table);
    }
    return same;
}

static ctm_status intern_both(const ctm_snapshot *first, const ctm_snapshot *second, uint32_t *map,
                              ctm_snapshot **out)
{
    struct ctmi_store store;
    const ctm_snapshot_info nothing = {0};
    ctmi_store_init(&store);
    ctm_status status = ctmi_store_add_tables(&store, first, map, NULL, 0);
    if (status == CTM_OK) {
        status = ctmi_store_add_tables(&store, second, map + (size_t)first->info.tracebacks + 1,
                                       NULL, 0);
    }
    if (status == CTM_OK) {
        status = ctmi_snapshot_from_store(&store, &nothing, NULL, out);
    }
    if (status == CTM_OK) {
        ctmi_snapshot_assert_sound(*out);
    }
    ctmi_store_free_all(&store);
    return status;
}

ctm_status ctmi_join_new(ctm_snapshot *first, ctm_snapshot *second, struct ctmi_join *out)
{
    struct ctmi_join join = {0};
    if (tables_begin(first, second)) {
        join.tables = ctm_snapshot_ref(first);
    } else if (tables_begin(second, first)) {
        join.tables = ctm_snapshot_ref(second);
    }
    if (join.tables != NULL) {
        *out = join;
        return CTM_OK;
    }
    size_t one = (size_t)first->info.tracebacks + 1, two = (size_t)second->info.tracebacks + 1;
    join.traceback_map = ctmi_mem_alloc((one + two) * sizeof(uint32_t));
    if (join.traceback_map == NULL) {
        return CTM_ERR_NOMEM;
    }
    ctm_status status = intern_both(first, second, join.traceback_map, &join.tables);
    if (status != CTM_OK) {
        ctmi_mem_free(join.traceback_map);
        return status;
    }
    join.first = join.traceback_map;
    join.second = join.traceback_map + one;
    *out = join;
    return CTM_OK;
}

void ctmi_join_free(struct ctmi_join *join)
{
    ctm_snapshot_unref(join->tables);
    ctmi_mem_free(join->traceback_map);
}
