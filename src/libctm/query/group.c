/* query/group.c: see query/group.h. */
#include "query/group.h"

#include <string.h>

#include "base/idset.h"
#include "base/memory.h"
#include "base/weight.h"
#include "query/rounding.h"

static bool same_line(const void *context, uint32_t a, uint32_t b)
{
    const ctm_snapshot *tables = context;
    return tables->frames[a].lineno == tables->frames[b].lineno &&
           ctmi_snapshot_frame_file(tables, a) == ctmi_snapshot_frame_file(tables, b);
}

ctm_status ctmi_lines_find(const ctm_snapshot *tables, uint32_t *lines)
{
    struct ctmi_idset set;
    ctm_status status = ctmi_idset_init(&set, tables->info.frames);
    if (status != CTM_OK) {
        return status;
    }
    lines[0] = 0;
    for (uint32_t id = 1; id <= tables->info.frames; id++) {
        uint64_t content = (uint64_t)ctmi_snapshot_frame_file(tables, id) << 32 |
                           (uint32_t)tables->frames[id].lineno;
        lines[id] = ctmi_idset_add(&set, id, ctmi_hash_mix(content), same_line, tables);
    }
    ctmi_idset_free(&set);
    return CTM_OK;
}

/* All fields: local to one call. */
struct stacks {
    const ctm_traceback *rows; /* borrowed */
    const uint32_t *lines;     /* borrowed; by frame; see ctmi_lines_find */
    const uint32_t
        *same; /* borrowed; by traceback; set for all parents; see ctmi_tracebacks_find */
};

static uint64_t stack_content(const struct stacks *stacks, uint32_t id)
{
    const ctm_traceback *row = &stacks->rows[id];
    return (uint64_t)stacks->same[row->parent] << 32 | stacks->lines[row->frame];
}

static bool same_stack(const void *context, uint32_t a, uint32_t b)
{
    return stack_content(context, a) == stack_content(context, b);
}

static ctm_status find_stacks(const ctm_snapshot *tables, const uint32_t *lines, uint32_t *same)
{
    struct stacks stacks = {tables->tracebacks, lines, same};
    struct ctmi_idset set;
    ctm_status status = ctmi_idset_init(&set, tables->info.tracebacks);
    if (status != CTM_OK) {
        return status;
    }
    same[0] = 0;
    for (uint32_t id = 1; id <= tables->info.tracebacks; id++) {
        uint64_t hash = ctmi_hash_mix(stack_content(&stacks, id));
        same[id] = ctmi_idset_add(&set, id, hash, same_stack, &stacks);
        CTMI_ASSERT(same[id] <= id);
    }
    ctmi_idset_free(&set);
    return CTM_OK;
}

ctm_status ctmi_tracebacks_find(const ctm_snapshot *tables, uint32_t *same)
{
    uint32_t *lines = ctmi_mem_alloc(((size_t)tables->info.frames + 1) * sizeof(uint32_t));
    if (lines == NULL) {
        return CTM_ERR_NOMEM;
    }
    ctm_status status = ctmi_lines_find(tables, lines);
    if (status == CTM_OK) {
        status = find_stacks(tables, lines, same);
    }
    ctmi_mem_free(lines);
    return status;
}

ctm_status ctmi_same_frames_find(const ctm_snapshot *tables, uint32_t *same)
{
    uint32_t *frames = ctmi_mem_alloc(((size_t)tables->info.frames + 1) * sizeof(uint32_t));
    if (frames == NULL) {
        return CTM_ERR_NOMEM;
    }
    for (uint32_t id = 0; id <= tables->info.frames; id++) {
        frames[id] = id;
    }
    const ctm_status status = find_stacks(tables, frames, same);
    ctmi_mem_free(frames);
    return status;
}

static ctm_status group_lines(struct ctmi_grouping *grouping)
{
    const ctm_snapshot *tables = grouping->tables;
    uint32_t *lines = ctmi_mem_alloc(((size_t)tables->info.frames + 1) * sizeof(uint32_t));
    if (lines == NULL) {
        return CTM_ERR_NOMEM;
    }
    ctm_status status = ctmi_lines_find(tables, lines);
    for (uint32_t id = 0; id <= tables->info.tracebacks && status == CTM_OK; id++) {
        grouping->of[id] = lines[tables->tracebacks[id].frame];
    }
    grouping->last = tables->info.frames;
    ctmi_mem_free(lines);
    return status;
}

static void group_functions(struct ctmi_grouping *grouping)
{
    const ctm_snapshot *tables = grouping->tables;
    for (uint32_t id = 0; id <= tables->info.tracebacks; id++) {
        grouping->of[id] = tables->frames[tables->tracebacks[id].frame].function;
    }
    grouping->last = tables->info.functions;
}

static void group_files(struct ctmi_grouping *grouping)
{
    const ctm_snapshot *tables = grouping->tables;
    for (uint32_t id = 0; id <= tables->info.tracebacks; id++) {
        grouping->of[id] = ctmi_snapshot_frame_file(tables, tables->tracebacks[id].frame);
    }
    grouping->last = tables->info.strings;
}

static ctm_status fill_groups(struct ctmi_grouping *grouping)
{
    switch (grouping->key) {
    case CTM_BY_TRACEBACK:
        grouping->last = grouping->tables->info.tracebacks;
        return ctmi_tracebacks_find(grouping->tables, grouping->of);
    case CTM_BY_LINENO: return group_lines(grouping);
    case CTM_BY_FUNCTION: group_functions(grouping); return CTM_OK;
    case CTM_BY_FILENAME: group_files(grouping); return CTM_OK;
    }
    return CTM_ERR_INVALID;
}

static void assert_groups(const struct ctmi_grouping *grouping)
{
#ifdef CTM_ASSERTS
    for (uint32_t id = 0; id <= grouping->tables->info.tracebacks; id++) {
        CTMI_ASSERT(grouping->of[id] <= grouping->last);
    }
#else
    (void)grouping;
#endif
}

ctm_status ctmi_grouping_new(ctm_snapshot *tables, ctm_key key, struct ctmi_grouping *out)
{
    struct ctmi_grouping grouping = {.tables = tables, .key = key};
    grouping.of = ctmi_mem_alloc(((size_t)tables->info.tracebacks + 1) * sizeof(uint32_t));
    if (grouping.of == NULL) {
        return CTM_ERR_NOMEM;
    }
    ctm_status status = fill_groups(&grouping);
    if (status == CTM_OK) {
        assert_groups(&grouping);
        *out = grouping;
    } else {
        ctmi_mem_free(grouping.of);
    }
    return status;
}

void ctmi_grouping_free(struct ctmi_grouping *grouping)
{
    ctmi_mem_free(grouping->of);
    grouping->of = NULL;
}

/* --- sums --- */

/* The sum, at most INT64_MAX. Live blocks never reach that, because sealing the snapshot has checked their total;
 * blocks ever allocated, and the numbers of a hand-made file, can. */
static uint64_t add_up(uint64_t a, uint64_t b)
{
    uint64_t sum;
    return __builtin_add_overflow(a, b, &sum) || sum > INT64_MAX ? INT64_MAX : sum;
}

static void amount_add(struct ctmi_amount *amount, uint64_t count, uint64_t size)
{
    amount->count = add_up(amount->count, count);
    amount->size = add_up(amount->size, size);
}

static void amount_join(struct ctmi_amount *amount, const struct ctmi_amount *other)
{
    amount_add(amount, other->count, other->size);
}

static void add_blocks(struct ctmi_amount *amount, uint64_t blocks, uint64_t size)
{
    uint64_t bytes;
    if (__builtin_mul_overflow(blocks, size, &bytes)) {
        bytes = UINT64_MAX;
    }
    amount_add(amount, blocks, bytes);
}

/* How the estimates of one site are made. */
struct estimate {
    double size, weight; /* each recorded block represents `weight` blocks */
    double rounding;     /* see rounding.h */
};

static void add_estimated(struct ctmi_amount *amount, uint64_t blocks,
                          const struct estimate *estimate)
{
    const double count = (double)blocks * estimate->weight;
    amount_add(amount, ctmi_rounded(count, estimate->rounding),
               ctmi_rounded(count * estimate->size, estimate->rounding));
}

static void add_site(struct ctmi_sum *sum, const ctm_site *site)
{
    add_blocks(&sum->live, ctmi_site_live(site), site->block_size);
    add_blocks(&sum->at_peak, site->at_peak, site->block_size);
    add_blocks(&sum->allocated, site->allocated, site->block_size);
}

/* The samples are independent, so their variances add up. */
static void add_sampled_site(struct ctmi_sum *sum, const ctm_site *site,
                             const struct estimate *estimate)
{
    const double weight = estimate->weight, size = estimate->size;
    add_estimated(&sum->live, ctmi_site_live(site), estimate);
    add_estimated(&sum->at_peak, site->at_peak, estimate);
    add_estimated(&sum->allocated, site->allocated, estimate);
    sum->variance += (double)ctmi_site_live(site) * weight * (weight - 1) * size * size;
}

void ctmi_sum_add_site(struct ctmi_sum *sum, const ctm_snapshot *snapshot, uint32_t id)
{
    const uint64_t interval = snapshot->info.sample_interval;
    const ctm_site *site = &snapshot->sites[id];
    if (interval == 0) {
        add_site(sum, site);
        return;
    }
    const struct estimate estimate = {
        .size = (double)site->block_size,
        .weight = ctmi_weight(site->block_size, interval),
        .rounding = ctmi_site_rounding(snapshot, site),
    };
    add_sampled_site(sum, site, &estimate);
}

static void sum_sites(const ctm_snapshot *snapshot, const uint32_t *map, const uint32_t *of,
                      struct ctmi_sum *sums)
{
    for (uint32_t id = 1; id <= snapshot->info.sites; id++) {
        const ctm_site *site = &snapshot->sites[id];
        uint32_t traceback = map == NULL ? site->traceback : map[site->traceback];
        ctmi_sum_add_site(&sums[of == NULL ? traceback : of[traceback]], snapshot, id);
    }
}

static void sum_join(struct ctmi_sum *sum, const struct ctmi_sum *other)
{
    amount_join(&sum->live, &other->live);
    amount_join(&sum->at_peak, &other->at_peak);
    amount_join(&sum->allocated, &other->allocated);
    sum->variance += other->variance;
}

/* Adds the sum of each node of the calling-context tree to its group and to its parent node. Children have greater
 * ids, so one pass from the greatest id down is enough. The sum of a node cannot overflow. That of a group can: a
 * frame that is twice in a traceback counts its blocks twice. */
static ctm_status spread_sums(const struct ctmi_grouping *grouping, struct ctmi_sum *nodes,
                              struct ctmi_sum *sums)
{
    for (uint32_t id = grouping->tables->info.tracebacks; id > 0; id--) {
        struct ctmi_sum *node = &nodes[id], *sum = &sums[grouping->of[id]];
        if (sum->live.count > INT64_MAX - node->live.count ||
            sum->live.size > INT64_MAX - node->live.size) {
            return CTM_ERR_LIMIT;
        }
        sum_join(sum, node);
        sum_join(&nodes[grouping->tables->tracebacks[id].parent], node);
    }
    return CTM_OK;
}

ctm_status ctmi_grouping_sum(const struct ctmi_grouping *grouping, bool cumulative,
                             const ctm_snapshot *snapshot, const uint32_t *map,
                             struct ctmi_sum *sums)
{
    if (!cumulative) {
        sum_sites(snapshot, map, grouping->of, sums);
        return CTM_OK;
    }
    size_t size = ((size_t)grouping->tables->info.tracebacks + 1) * sizeof(struct ctmi_sum);
    struct ctmi_sum *nodes = ctmi_mem_alloc(size);
    if (nodes == NULL) {
        return CTM_ERR_NOMEM;
    }
    memset(nodes, 0, size);
    sum_sites(snapshot, map, NULL, nodes);
    ctm_status status = spread_sums(grouping, nodes, sums);
    CTMI_ASSERT(status != CTM_OK || snapshot->info.sample_interval != 0 ||
                nodes[0].live.size == snapshot->info.current_bytes); /* all are below node 0 */
    ctmi_mem_free(nodes);
    return status;
}
