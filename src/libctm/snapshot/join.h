/* snapshot/join.h: common ids for two snapshots.
 *
 * Model: if the tables of one snapshot begin with all rows of the other's, both use the longer tables with unchanged
 * ids. This is usual for two snapshots of one run, because tables only grow. Otherwise the rows of both are interned
 * in new tables without sites.
 */
#ifndef CTMI_SNAPSHOT_JOIN_H
#define CTMI_SNAPSHOT_JOIN_H

#include "snapshot/snapshot.h"

/* Owned by the caller; one thread at a time. */
struct ctmi_join {
    ctm_snapshot *tables;    /* owned reference: the rows that ids of both refer to */
    uint32_t *traceback_map; /* owned: new ids of the first, then of the second; or NULL */
    const uint32_t *first;   /* borrowed from traceback_map; NULL: ids are unchanged */
    const uint32_t *second;  /* the same */
};

/* CTM_ERR_NOMEM, CTM_ERR_LIMIT. The caller frees *out with ctmi_join_free. */
CTM_NODISCARD ctm_status ctmi_join_new(ctm_snapshot *first, ctm_snapshot *second,
                                       struct ctmi_join *out);
void ctmi_join_free(struct ctmi_join *join);

#endif
