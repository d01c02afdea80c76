/* query/group.h: which group a traceback belongs to, and the sums of groups.
 *
 * Model: a group is named by an id in the tables of a snapshot: the smallest id of those whose
 * content is the same for its key. One array gives the group of each traceback, whatever
 * the key, so summing up is two loads and two additions a site. Group 0 is that of the empty
 * traceback (imported snapshots can have one).
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
    struct ctmi_amount live;
    struct ctmi_amount at_peak;   /* live at the moment of the peak; 0 if that is not known */
    struct ctmi_amount allocated; /* ever; this and at_peak stop at INT64_MAX */
    double variance;              /* of live.size, if it is estimated (base/weight.h); else 0 */
};

struct ctmi_grouping {
    ctm_snapshot *tables; /* borrowed */
    ctm_key key;
    uint32_t last; /* the greatest group id */
    uint32_t *of;  /* owned; the group of each traceback */
};

/* lines[f]: the smallest frame id with the file and line of frame f. CTM_ERR_NOMEM. */
CTM_NODISCARD ctm_status ctmi_lines_find(const ctm_snapshot *tables, uint32_t *lines);
/* same[t]: the smallest traceback id with the files and lines of traceback t. CTM_ERR_NOMEM. */
CTM_NODISCARD ctm_status ctmi_tracebacks_find(const ctm_snapshot *tables, uint32_t *same);

CTM_NODISCARD ctm_status ctmi_grouping_new(ctm_snapshot *tables, ctm_key key,
                                           struct ctmi_grouping *out);
void ctmi_grouping_free(struct ctmi_grouping *grouping);

/* Adds the blocks of `snapshot` to sums[0 .. last]. map: its tracebacks' ids in the
 * tables; NULL: the same. CTM_ERR_NOMEM; CTM_ERR_LIMIT: a sum of live blocks is over INT64_MAX. */
CTM_NODISCARD ctm_status ctmi_grouping_sum(const struct ctmi_grouping *grouping, bool cumulative,
                                           const ctm_snapshot *snapshot, const uint32_t *map,
                                           struct ctmi_sum *sums);

/* order[g], for each group with wanted[g]: smaller comes first as stdlib compares tracebacks.
 * CTM_ERR_NOMEM. */
CTM_NODISCARD ctm_status ctmi_grouping_order(const struct ctmi_grouping *grouping,
                                             const unsigned char *wanted, uint64_t *order);

#endif
