/* query/select.c: snapshots with the same tables and other live blocks: those of the peak, or chosen ones.
 *
 * Model: tables and ids stay the same; the sites get new counters. A snapshot of chosen blocks omits the sites
 * without any. The snapshot of the peak has all sites, because the number of blocks ever allocated is known for each.
 */
#include "snapshot/snapshot.h"

static ctm_status finish(ctm_snapshot *snapshot, ctm_snapshot **out)
{
    ctm_status status = ctmi_snapshot_seal(snapshot);
    if (status == CTM_OK) {
        ctmi_snapshot_assert_sound(snapshot);
        *out = snapshot;
    } else {
        ctm_snapshot_unref(snapshot);
    }
    return status;
}

ctm_status ctm_snapshot_at_peak(const ctm_snapshot *snapshot, ctm_snapshot **out)
{
    ctm_snapshot *peak;
    if (!snapshot->info.peak_known) {
        return CTM_ERR_NOT_FOUND;
    }
    ctm_status status = ctmi_snapshot_alloc_like(snapshot, snapshot->info.sites, &peak);
    if (status != CTM_OK) {
        return status;
    }
    for (uint32_t id = 1; id <= snapshot->info.sites; id++) {
        ctm_site row = snapshot->sites[id];
        if (row.allocated < row.at_peak) {
            row.allocated = row.at_peak;
        }
        row.freed = row.allocated - row.at_peak;
        peak->sites[id] = row;
    }
    return finish(peak, out);
}

ctm_status ctm_snapshot_select(const ctm_snapshot *snapshot, const uint64_t *counts,
                               ctm_snapshot **out)
{
    ctm_snapshot *kept;
    uint32_t sites = 0, next = 1;
    for (uint32_t id = 1; id <= snapshot->info.sites; id++) {
        if (counts[id] > ctmi_site_live(&snapshot->sites[id])) {
            return CTM_ERR_INVALID;
        }
        sites += counts[id] > 0;
    }
    ctm_status status = ctmi_snapshot_alloc_like(snapshot, sites, &kept);
    if (status != CTM_OK) {
        return status;
    }
    for (uint32_t id = 1; id <= snapshot->info.sites; id++) {
        if (counts[id] == 0) {
            continue;
        }
        ctm_site row = snapshot->sites[id];
        row.allocated = counts[id];
        row.freed = row.at_peak = 0;
        kept->sites[next++] = row;
    }
    CTMI_ASSERT(next == sites + 1);
    kept->info.peak_bytes = kept->info.tracer_bytes = 0;
    kept->info.peak_known = false;
    return finish(kept, out);
}
