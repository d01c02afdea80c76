/* snapshot/snapshot.c: allocation, reference counts and plain queries of a snapshot.
 *
 * Model: see snapshot/snapshot.h. The slab has the struct and then the columns, each aligned to 8 bytes.
 */
#include "snapshot/snapshot.h"

#include <string.h>

#include "base/memory.h"
#include "base/weight.h"

#define COLUMN_ALIGNMENT ((uint64_t)8)
#define MOST_ESTIMATED 0x1p62 /* well below INT64_MAX, because sums are rounded at each site */

/* Returns the aligned offset of a new column in the slab. *used never decreases; after an overflow it stays UINT64_MAX,
 * which exceeds any possible size. */
static uint64_t slab_add_column(uint64_t *used, uint64_t rows, uint64_t row_size)
{
    uint64_t start, size;
    if (__builtin_add_overflow(*used, COLUMN_ALIGNMENT - 1, &start) ||
        __builtin_mul_overflow(rows, row_size, &size) ||
        __builtin_add_overflow(start & ~(COLUMN_ALIGNMENT - 1), size, used)) {
        *used = UINT64_MAX;
        return 0;
    }
    return start & ~(COLUMN_ALIGNMENT - 1);
}

/* The offsets of the columns in the slab. */
struct slab_layout {
    uint64_t rows[CTMI_ROWS_TABLES]; /* of the strings: the column of their offsets */
    uint64_t live_sums, lengths, bytes, size;
};

static void slab_plan(const ctm_snapshot_info *info, uint64_t string_bytes,
                      struct slab_layout *plan)
{
    uint64_t used = sizeof(struct ctm_snapshot);
    uint32_t counts[CTMI_ROWS_TABLES];
    ctmi_snapshot_counts(info, counts);
    plan->live_sums = slab_add_column(&used, counts[CTMI_TABLE_SITES], sizeof(uint64_t));
    plan->rows[CTMI_TABLE_STRINGS] =
        slab_add_column(&used, (uint64_t)counts[CTMI_TABLE_STRINGS] + 1, sizeof(uint64_t));
    for (int table = CTMI_TABLE_STRINGS + 1; table < CTMI_ROWS_TABLES; table++) {
        plan->rows[table] = slab_add_column(&used, counts[table], ctmi_schemas[table].content_size);
    }
    plan->lengths = slab_add_column(&used, counts[CTMI_TABLE_TRACEBACKS], sizeof(uint32_t));
    plan->bytes = slab_add_column(&used, string_bytes, 1);
    plan->size = used;
}

static void set_row_zero(ctm_snapshot *snapshot)
{
    for (int table = CTMI_TABLE_STRINGS + 1; table < CTMI_ROWS_TABLES; table++) {
        memset(snapshot->rows[table], 0, ctmi_schemas[table].content_size);
    }
    snapshot->live_sums[0] = 0;
    snapshot->lengths[0] = 0;
    snapshot->string_offsets[0] = 0;
    snapshot->string_offsets[1] = 1;
    snapshot->string_bytes[0] = '\0';
}

ctm_status ctmi_snapshot_alloc(const ctm_snapshot_info *info, uint64_t string_bytes,
                               ctm_snapshot **out)
{
    struct slab_layout plan;
    slab_plan(info, string_bytes, &plan);
    char *slab = plan.size > PTRDIFF_MAX ? NULL : ctmi_mem_alloc((size_t)plan.size);
    if (slab == NULL) {
        return CTM_ERR_NOMEM;
    }
    ctm_snapshot *snapshot = (ctm_snapshot *)(void *)slab;
    atomic_init(&snapshot->references, 1);
    snapshot->info = *info;
    snapshot->losses = NULL;
    snapshot->n_losses = 0;
    for (int table = 0; table < CTMI_ROWS_TABLES; table++) {
        snapshot->rows[table] = slab + plan.rows[table];
    }
    snapshot->live_sums = (uint64_t *)(void *)(slab + plan.live_sums);
    snapshot->lengths = (uint32_t *)(void *)(slab + plan.lengths);
    snapshot->string_bytes = slab + plan.bytes;
    set_row_zero(snapshot);
    *out = snapshot;
    return CTM_OK;
}

ctm_status ctmi_snapshot_alloc_like(const ctm_snapshot *from, uint32_t sites, ctm_snapshot **out)
{
    ctm_snapshot_info info = from->info;
    uint32_t counts[CTMI_ROWS_TABLES];
    ctm_snapshot *to;
    info.sites = sites;
    ctm_status status = ctmi_snapshot_alloc(&info, ctmi_snapshot_string_bytes(from), &to);
    if (status != CTM_OK) {
        return status;
    }
    ctmi_snapshot_counts(&info, counts);
    for (int table = CTMI_TABLE_STRINGS + 1; table < CTMI_TABLE_SITES; table++) {
        memcpy(to->rows[table], from->rows[table],
               (size_t)counts[table] * ctmi_schemas[table].content_size);
    }
    memcpy(to->string_offsets, from->string_offsets, (info.strings + (size_t)2) * sizeof(uint64_t));
    memcpy(to->string_bytes, from->string_bytes, (size_t)ctmi_snapshot_string_bytes(from));
    status = ctmi_snapshot_set_losses(to, from->losses, from->n_losses);
    if (status == CTM_OK) {
        *out = to;
    } else {
        ctm_snapshot_unref(to);
    }
    return status;
}

ctm_status ctmi_snapshot_set_losses(ctm_snapshot *snapshot, const ctm_loss *rows, uint32_t n)
{
    if (n == 0) {
        return CTM_OK;
    }
    ctm_loss *losses = ctmi_mem_alloc(n * sizeof *losses);
    if (losses == NULL) {
        return CTM_ERR_NOMEM;
    }
    memcpy(losses, rows, n * sizeof *losses);
    snapshot->losses = losses;
    snapshot->n_losses = n;
    return CTM_OK;
}

uint32_t ctm_snapshot_losses(const ctm_snapshot *snapshot, const ctm_loss **out)
{
    *out = snapshot->losses;
    return snapshot->n_losses;
}

/* Checks that the numbers of blocks and bytes that a sample stands for fit too. */
static ctm_status check_estimates(const ctm_snapshot *snapshot)
{
    const uint64_t interval = snapshot->info.sample_interval;
    double blocks = 0, bytes = 0;
    for (uint32_t id = 1; interval != 0 && id <= snapshot->info.sites; id++) {
        const ctm_site *site = &snapshot->sites[id];
        const double n = (double)ctmi_site_live(site) * ctmi_weight(site->block_size, interval);
        blocks += n;
        bytes += n * (double)site->block_size;
    }
    return blocks < MOST_ESTIMATED && bytes < MOST_ESTIMATED ? CTM_OK : CTM_ERR_LIMIT;
}

/* False: a sum exceeds INT64_MAX. */
static bool add_blocks(const ctm_site *site, uint64_t blocks, uint64_t *sum_blocks,
                       uint64_t *sum_bytes)
{
    uint64_t bytes;
    return !__builtin_mul_overflow(blocks, site->block_size, &bytes) &&
           !__builtin_add_overflow(*sum_bytes, bytes, sum_bytes) && *sum_bytes <= INT64_MAX &&
           !__builtin_add_overflow(*sum_blocks, blocks, sum_blocks) && *sum_blocks <= INT64_MAX;
}

/* Sets live_sums, live_blocks, current_bytes, churn_known. */
static ctm_status seal_sites(ctm_snapshot *snapshot)
{
    uint64_t blocks = 0, bytes = 0, peak_blocks = 0, peak_bytes = 0;
    bool any_freed = false;
    for (uint32_t id = 1; id <= snapshot->info.sites; id++) {
        const ctm_site *site = &snapshot->sites[id];
        if (!add_blocks(site, ctmi_site_live(site), &blocks, &bytes) ||
            !add_blocks(site, site->at_peak, &peak_blocks, &peak_bytes)) {
            return CTM_ERR_LIMIT;
        }
        snapshot->live_sums[id] = blocks;
        any_freed |= site->freed != 0;
    }
    snapshot->info.live_blocks = blocks;
    snapshot->info.current_bytes = bytes;
    snapshot->info.churn_known = snapshot->info.peak_known || any_freed;
    return check_estimates(snapshot);
}

ctm_status ctmi_snapshot_seal(ctm_snapshot *snapshot)
{
    for (uint32_t id = 1; id <= snapshot->info.tracebacks; id++) {
        snapshot->lengths[id] = snapshot->lengths[snapshot->tracebacks[id].parent] + 1;
    }
    return seal_sites(snapshot);
}

#ifdef CTM_ASSERTS
static void assert_strings(const ctm_snapshot *snapshot)
{
    const uint64_t *offsets = snapshot->string_offsets;
    CTMI_ASSERT(offsets[0] == 0 && offsets[1] == 1);
    for (uint64_t id = 0; id <= snapshot->info.strings; id++) {
        CTMI_ASSERT(offsets[id] < offsets[id + 1]);
        CTMI_ASSERT(snapshot->string_bytes[offsets[id + 1] - 1] == 0);
    }
}

static void assert_references(const ctm_snapshot *snapshot)
{
    uint32_t counts[CTMI_ROWS_TABLES];
    ctmi_snapshot_counts(&snapshot->info, counts);
    for (enum ctmi_table table = CTMI_TABLE_STRINGS + 1; table < CTMI_ROWS_TABLES; table++) {
        const char *rows = snapshot->rows[table];
        for (uint32_t id = 1; id < counts[table]; id++) {
            const void *content = rows + (size_t)id * ctmi_schemas[table].content_size;
            CTMI_ASSERT(ctmi_content_fault(table, content, id, counts) == NULL);
        }
    }
    for (uint32_t id = 1; id <= snapshot->info.tracebacks; id++) {
        CTMI_ASSERT(snapshot->lengths[id] <= CTM_MAX_NFRAME);
    }
    CTMI_ASSERT(snapshot->info.command <= snapshot->info.strings);
}

/* ctm_snapshot_trace_site searches live_sums, so they do not fall. */
static void assert_sites(const ctm_snapshot *snapshot)
{
    uint64_t blocks = 0;
    for (uint32_t id = 1; id <= snapshot->info.sites; id++) {
        const ctm_site *site = &snapshot->sites[id];
        CTMI_ASSERT(site->freed <= site->allocated && site->at_peak <= site->allocated);
        CTMI_ASSERT(site->at_peak == 0 || snapshot->info.peak_known);
        CTMI_ASSERT(site->reserved == 0);
        blocks += ctmi_site_live(site);
        CTMI_ASSERT(snapshot->live_sums[id] == blocks);
    }
    CTMI_ASSERT(snapshot->info.live_blocks == blocks);
}

void ctmi_snapshot_assert_sound(const ctm_snapshot *snapshot)
{
    assert_strings(snapshot);
    assert_references(snapshot);
    assert_sites(snapshot);
}
#endif

ctm_snapshot *ctm_snapshot_ref(ctm_snapshot *snapshot)
{
    atomic_fetch_add_explicit(&snapshot->references, 1, memory_order_relaxed);
    return snapshot;
}

void ctm_snapshot_unref(ctm_snapshot *snapshot)
{
    if (snapshot == NULL) {
        return;
    }
    /* acq_rel: the last reads of other threads come before the free. */
    if (atomic_fetch_sub_explicit(&snapshot->references, 1, memory_order_acq_rel) != 1) {
        return;
    }
    ctmi_mem_free(snapshot->losses);
    ctmi_mem_free(snapshot);
}

void ctm_snapshot_info_get(const ctm_snapshot *snapshot, ctm_snapshot_info *out)
{
    *out = snapshot->info;
}

const ctm_site *ctm_snapshot_sites(const ctm_snapshot *snapshot)
{
    return snapshot->sites;
}

const ctm_traceback *ctm_snapshot_tracebacks(const ctm_snapshot *snapshot)
{
    return snapshot->tracebacks;
}

const ctm_frame *ctm_snapshot_frames(const ctm_snapshot *snapshot)
{
    return snapshot->frames;
}

const ctm_function *ctm_snapshot_functions(const ctm_snapshot *snapshot)
{
    return snapshot->functions;
}

const ctm_label *ctm_snapshot_labels(const ctm_snapshot *snapshot)
{
    return snapshot->labels;
}

const char *ctm_snapshot_string(const ctm_snapshot *snapshot, uint32_t id, size_t *out_length)
{
    if (id > snapshot->info.strings) {
        id = 0;
    }
    if (out_length != NULL) {
        *out_length = ctmi_snapshot_string_length(snapshot, id);
    }
    return snapshot->string_bytes + snapshot->string_offsets[id];
}

uint32_t ctm_snapshot_traceback_length(const ctm_snapshot *snapshot, uint32_t traceback)
{
    return traceback > snapshot->info.tracebacks ? 0 : snapshot->lengths[traceback];
}

uint32_t ctm_snapshot_trace_site(const ctm_snapshot *snapshot, uint64_t index)
{
    if (index >= snapshot->info.live_blocks) {
        return 0;
    }
    /* Find the first site whose sum exceeds `index`; it exists and has live blocks. */
    uint32_t low = 1, high = snapshot->info.sites;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (snapshot->live_sums[middle] > index) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    CTMI_ASSERT(snapshot->live_sums[low] > index && snapshot->live_sums[low - 1] <= index);
    return low;
}
