/* snapshot/flatten.c: makes a snapshot from a store.
 *
 * Model: rows keep their ids, and chunks become columns. No row is hashed. Only sites get new ids, because sites
 * without allocations are omitted.
 */
#include <string.h>

#include "snapshot/snapshot.h"
#include "tables/store.h"

static uint64_t count_string_bytes(const struct ctmi_store *store)
{
    uint64_t bytes = 0;
    for (uint32_t id = 0; id < ctmi_store_string_count(store); id++) {
        size_t length;
        ctmi_store_string_row(store, id, &length);
        bytes += (uint64_t)length + 1;
    }
    return bytes;
}

static void copy_strings(const struct ctmi_store *store, ctm_snapshot *snapshot)
{
    uint64_t at = 0;
    for (uint32_t id = 0; id <= snapshot->info.strings; id++) {
        size_t length;
        const char *string = ctmi_store_string_row(store, id, &length);
        snapshot->string_offsets[id] = at;
        memcpy(snapshot->string_bytes + at, string, length);
        snapshot->string_bytes[at + length] = '\0';
        at += (uint64_t)length + 1;
    }
    snapshot->string_offsets[(uint64_t)snapshot->info.strings + 1] = at;
}

/* Inlined where the sizes are constants. */
static inline __attribute__((always_inline)) void copy_rows(const struct ctmi_rows *rows, char *out,
                                                            size_t content_size, size_t row_size)
{
    for (uint32_t id = 1; id < rows->count; id++) {
        memcpy(out + id * content_size, ctmi_rows_get(rows, id, row_size), content_size);
    }
}

static void copy_tables(const struct ctmi_store *store, ctm_snapshot *snapshot)
{
    copy_strings(store, snapshot);
#define TABLE(ID, one, many, number, section, content, row) \
    copy_rows(&store->many, (char *)snapshot->many, sizeof(content), sizeof(row));
    CTMI_REMAPPED_TABLES(TABLE)
#undef TABLE
}

/* Rows without allocations are not counted: they are keys that were reserved, not sites. */
static uint32_t count_sites(const struct ctmi_store *store)
{
    uint32_t sites = 0;
    for (uint32_t id = 1; id < ctmi_store_site_count(store); id++) {
        sites += ctmi_store_site_row(store, id)->site.allocated > 0;
    }
    return sites;
}

static void copy_sites(const struct ctmi_store *store, ctm_snapshot *snapshot)
{
    uint32_t next = 1;
    for (uint32_t id = 1; id < ctmi_store_site_count(store); id++) {
        struct ctmi_site_row *row = ctmi_store_site_row(store, id);
        if (row->site.allocated == 0) {
            continue;
        }
        ctm_site *site = &snapshot->sites[next++];
        *site = row->site;
        site->freed = ctmi_site_row_freed(row);
        site->at_peak = snapshot->info.peak_known ? ctmi_site_row_at_peak(store, row) : 0;
        site->reserved = 0;
    }
}

ctm_status ctmi_snapshot_from_store(const struct ctmi_store *store, const ctm_snapshot_info *info,
                                    const struct ctmi_losses *losses, ctm_snapshot **out)
{
    ctm_snapshot_info counts = *info;
#define TABLE(ID, one, many, number, ...) counts.number = store->many.count - 1;
    CTMI_ALL_TABLES(TABLE)
#undef TABLE
    counts.sites = count_sites(store);
    ctm_snapshot *snapshot;
    ctm_status status = ctmi_snapshot_alloc(&counts, count_string_bytes(store), &snapshot);
    if (status != CTM_OK) {
        return status;
    }
    copy_tables(store, snapshot);
    copy_sites(store, snapshot);
    if (losses != NULL) {
        status = ctmi_snapshot_set_losses(snapshot, losses->rows, losses->n);
    }
    if (status == CTM_OK) {
        status = ctmi_snapshot_seal(snapshot);
    }
    if (status == CTM_OK) {
        *out = snapshot;
    } else {
        ctm_snapshot_unref(snapshot);
    }
    return status;
}

void ctmi_snapshot_count_peak(ctm_snapshot *snapshot)
{
    uint64_t bytes = 0;
    if (!snapshot->info.peak_known || snapshot->info.sample_interval != 0) {
        return;
    }
    for (uint32_t id = 1; id <= snapshot->info.sites; id++) {
        bytes += snapshot->sites[id].at_peak * snapshot->sites[id].block_size;
    }
    if (bytes < snapshot->info.current_bytes) { /* the peak was missed: it is the current state */
        bytes = snapshot->info.current_bytes;
        for (uint32_t id = 1; id <= snapshot->info.sites; id++) {
            snapshot->sites[id].at_peak = ctmi_site_live(&snapshot->sites[id]);
        }
    }
    snapshot->info.peak_bytes = bytes;
}
