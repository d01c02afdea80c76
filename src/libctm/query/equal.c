/* query/equal.c: whether two snapshots have the same traces in the same order.
 *
 * Model: a site row is a run of equal traces. Two cursors walk the runs of both snapshots side by side, so the time
 * is O(sites), however the traces are split into rows. Rows without live blocks have no traces.
 */
#include "base/memory.h"
#include "query/group.h"
#include "snapshot/join.h"

/* A cursor over the runs of a snapshot. All fields: local to one call. */
struct runs {
    const ctm_snapshot *snapshot; /* borrowed */
    const uint32_t *map; /* borrowed; traceback id -> id in the common tables; NULL: the same id */
    uint32_t site;       /* the current row; 0: before the first */
    uint64_t left;       /* blocks of `site` not compared yet */
};

/* Moves to the next row with live blocks, unless this row has some left. False at the end. */
static bool runs_advance(struct runs *runs)
{
    while (runs->left == 0 && runs->site < runs->snapshot->info.sites) {
        runs->site++;
        runs->left = ctmi_site_live(&runs->snapshot->sites[runs->site]);
    }
    return runs->left > 0;
}

static uint32_t runs_traceback(const struct runs *runs)
{
    uint32_t traceback = runs->snapshot->sites[runs->site].traceback;
    return runs->map == NULL ? traceback : runs->map[traceback];
}

/* `same`: by traceback, the smallest id of those with the same files and lines. */
static bool same_trace(const struct runs *a, const struct runs *b, const ctm_snapshot *tables,
                       const uint32_t *same)
{
    const ctm_site *one = &a->snapshot->sites[a->site], *two = &b->snapshot->sites[b->site];
    uint32_t first = runs_traceback(a), second = runs_traceback(b);
    return one->domain == two->domain && one->block_size == two->block_size &&
           same[first] == same[second] &&
           tables->tracebacks[first].total_nframe == tables->tracebacks[second].total_nframe;
}

/* The two snapshots have equal numbers of traces. */
static bool same_runs(struct runs *a, struct runs *b, const ctm_snapshot *tables,
                      const uint32_t *same)
{
    while (runs_advance(a) && runs_advance(b)) {
        if (!same_trace(a, b, tables, same)) {
            return false;
        }
        uint64_t both = a->left < b->left ? a->left : b->left;
        CTMI_ASSERT(both > 0);
        a->left -= both;
        b->left -= both;
    }
    return true;
}

static ctm_status compare_joined(const ctm_snapshot *a, const ctm_snapshot *b,
                                 const struct ctmi_join *join, bool *out)
{
    struct runs one = {.snapshot = a, .map = join->first};
    struct runs two = {.snapshot = b, .map = join->second};
    size_t rows = (size_t)join->tables->info.tracebacks + 1;
    uint32_t *same = ctmi_mem_alloc(rows * sizeof(uint32_t));
    if (same == NULL) {
        return CTM_ERR_NOMEM;
    }
    ctm_status status = ctmi_tracebacks_find(join->tables, same);
    if (status == CTM_OK) {
        *out = same_runs(&one, &two, join->tables, same);
    }
    ctmi_mem_free(same);
    return status;
}

ctm_status ctm_snapshot_equal(const ctm_snapshot *a, const ctm_snapshot *b, bool *out)
{
    struct ctmi_join join;
    if (a == b || a->info.sample_interval != b->info.sample_interval ||
        a->info.live_blocks != b->info.live_blocks ||
        a->info.current_bytes != b->info.current_bytes) {
        *out = a == b;
        return CTM_OK;
    }
    /* The casts are safe: the join only takes references, which no reader can see. */
    ctm_status status = ctmi_join_new((ctm_snapshot *)a, (ctm_snapshot *)b, &join);
    if (status != CTM_OK) {
        return status;
    }
    status = compare_joined(a, b, &join, out);
    ctmi_join_free(&join);
    return status;
}
