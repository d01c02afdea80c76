/* query/group.h: the group of each traceback, and the sums of groups.
 *
 * Model: the id of a group is a row id in the tables of a snapshot: the smallest among the rows that are equal by the
 * key. For every key, one array maps a traceback to its group, so a site costs two loads and two additions.
 * Group 0 is that of the empty traceback, which imported snapshots can have.
 * Of a sample, the numbers of each site are rounded (rounding.h) before they are added.
 */
#ifndef CTMI_QUERY_GROUP_H
#define CTMI_QUERY_GROUP_H

#include "ctm/statistics.h"
#include "snapshot/snapshot.h"

struct ctmi_amount {
    uint64_t size;  /* bytes */
    uint64_t count; /* blocks */
};

struct ctmi_sum {
    struct ctmi_amount live;      /* at the moment of the snapshot */
    struct ctmi_amount at_peak;   /* live at the moment of the peak; 0 if that is not known */
    struct ctmi_amount allocated; /* ever; this and at_peak are at most INT64_MAX */
    double variance;              /* of live.size, if sampled (base/weight.h); else 0 */
};

/* Adds the blocks of site `id` to `sum`: as many as it has, or as many as they stand for in a sample. */
void ctmi_sum_add_site(struct ctmi_sum *sum, const ctm_snapshot *snapshot, uint32_t id);

/* Constant once made. */
struct ctmi_grouping {
    ctm_snapshot *tables; /* borrowed */
    ctm_key key;
    uint32_t last; /* the greatest group id */
    uint32_t *of;  /* owned; traceback -> group */
};

/* lines[f]: the smallest frame id with the file and line of frame f. CTM_ERR_NOMEM. */
CTM_NODISCARD ctm_status ctmi_lines_find(const ctm_snapshot *tables, uint32_t *lines);
/* same[t]: the smallest traceback id with the files and lines of traceback t. CTM_ERR_NOMEM. */
CTM_NODISCARD ctm_status ctmi_tracebacks_find(const ctm_snapshot *tables, uint32_t *same);
/* same[t]: the smallest traceback id with the frames of traceback t, whatever was left out of it. CTM_ERR_NOMEM. */
CTM_NODISCARD ctm_status ctmi_same_frames_find(const ctm_snapshot *tables, uint32_t *same);

CTM_NODISCARD ctm_status ctmi_grouping_new(ctm_snapshot *tables, ctm_key key,
                                           struct ctmi_grouping *out);
void ctmi_grouping_free(struct ctmi_grouping *grouping);

/* Adds the blocks of `snapshot` to sums[0 .. last]. map: traceback id of the snapshot -> id in the grouping's
 * tables; NULL: the same id. CTM_ERR_NOMEM; CTM_ERR_LIMIT: a sum of live blocks is over INT64_MAX. */
CTM_NODISCARD ctm_status ctmi_grouping_sum(const struct ctmi_grouping *grouping, bool cumulative,
                                           const ctm_snapshot *snapshot, const uint32_t *map,
                                           struct ctmi_sum *sums);

/* Sets order[g] for each group g with wanted[g]: the order of these numbers is that in which stdlib compares
 * the groups' tracebacks. CTM_ERR_NOMEM. */
CTM_NODISCARD ctm_status ctmi_grouping_order(const struct ctmi_grouping *grouping,
                                             const unsigned char *wanted, uint64_t *order);

#endif
