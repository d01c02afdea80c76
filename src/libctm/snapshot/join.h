/* snapshot/join.h: common ids for two snapshots.
 *
 * Model: if the tables of one begin with all of the other's (two snapshots of one run mostly do:
 * the tables only grow), the longer ones serve both as they are. Else both are interned
 * anew in tables without sites.
 */
#ifndef CTMI_SNAPSHOT_JOIN_H
#define CTMI_SNAPSHOT_JOIN_H

#include "snapshot/snapshot.h"

struct ctmi_join {
    ctm_snapshot *tables;    /* owned reference: ids of both mean rows of this */
    uint32_t *traceback_map; /* owned: those of the first, then those of the second; or NULL */
    const uint32_t *first;   /* borrowed from traceback_map; NULL: ids stay as they are */
    const uint32_t *second;  /* the same */
};

/* CTM_ERR_NOMEM, CTM_ERR_LIMIT. ctmi_join_free gives back what *out owns. */
CTM_NODISCARD ctm_status ctmi_join_new(ctm_snapshot *first, ctm_snapshot *second,
                                       struct ctmi_join *out);
void ctmi_join_free(struct ctmi_join *join);

#endif
