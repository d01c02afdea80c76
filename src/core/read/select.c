/* read/select.c: other live blocks of the same tables: those of the peak, those that somebody chose.
 *
 * Model: tables and ids stay; each site gets new counters, and is left out if it has no live
 * block then. So two passes over the sites: count, fill.
 */
#include "read/snapshot.h"

/* The site `id` with its new counters; false: it is left out. */
typedef bool select_site(const ctm_snapshot *snapshot, uint32_t id, const uint64_t *keep,
                         ctm_site *out);

static bool site_at_peak(const ctm_snapshot *snapshot, uint32_t id, const uint64_t *keep,
                         ctm_site *out)
{
    (void)keep;
    *out = snapshot->sites[id];
    if (out->at_peak == 0) return false;
    if (out->allocated < out->at_peak) out->allocated = out->at_peak;
    out->freed = out->allocated - out->at_peak;
    return true;
}

static bool site_kept(const ctm_snapshot *snapshot, uint32_t id, const uint64_t *keep,
                      ctm_site *out)
{
    *out = snapshot->sites[id];
    out->allocated = keep[id];
    out->freed = out->at_peak = 0;
    return keep[id] > 0;
}

/* The result is not sealed: its info may still be changed. */
static ctm_status select_sites(const ctm_snapshot *from, select_site *site, const uint64_t *keep,
                               ctm_snapshot **out)
{
    uint32_t sites = 0, next = 1;
    ctm_site row;
    for (uint32_t id = 1; id <= from->info.sites; id++)
        sites += site(from, id, keep, &row);
    ctm_status status = ctm_snapshot_alloc_like(from, sites, out);
    for (uint32_t id = 1; id <= from->info.sites && status == CTM_OK; id++) {
        if (site(from, id, keep, &row)) (*out)->sites[next++] = row;
    }
    return status;
}

static ctm_status finish(ctm_snapshot *snapshot, ctm_snapshot **out)
{
    ctm_status status = ctm_snapshot_seal(snapshot);
    if (status == CTM_OK)
        *out = snapshot;
    else
        ctm_snapshot_unref(snapshot);
    return status;
}

ctm_status ctm_snapshot_at_peak(const ctm_snapshot *snapshot, ctm_snapshot **out)
{
    ctm_snapshot *selected;
    if (!snapshot->info.peak_known) return CTM_ERR_NOT_FOUND;
    ctm_status status = select_sites(snapshot, site_at_peak, NULL, &selected);
    return status == CTM_OK ? finish(selected, out) : status;
}

ctm_status ctm_snapshot_keep(const ctm_snapshot *snapshot, const uint64_t *keep, ctm_snapshot **out)
{
    ctm_snapshot *selected;
    for (uint32_t id = 1; id <= snapshot->info.sites; id++) {
        if (keep[id] > ctm_site_live(&snapshot->sites[id])) return CTM_ERR_INVALID;
    }
    ctm_status status = select_sites(snapshot, site_kept, keep, &selected);
    if (status != CTM_OK) return status;
    selected->info.peak_bytes = selected->info.tracer_bytes = 0;
    selected->info.peak_known = false;
    return finish(selected, out);
}
