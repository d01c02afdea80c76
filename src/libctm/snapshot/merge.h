/* snapshot/merge.h: adds the rows of a snapshot to a store.
 *
 * Model: rows are interned, lower tables first; the references of each row are translated by the maps of the lower
 * tables. After a failure the store may have some rows to which no other row refers, which is harmless.
 */
#ifndef CTMI_SNAPSHOT_MERGE_H
#define CTMI_SNAPSHOT_MERGE_H

#include "snapshot/snapshot.h"
#include "tables/store.h"

/* Interns all rows of `source` except its sites. traceback_map has info.tracebacks + 1 elements and receives the id
 * in `store` of each traceback. label_map is the same for label sets, with info.label_sets + 1 elements (NULL: label
 * sets are not added). Each set, also the empty one, is added to base_labels, a set of `store`. CTM_ERR_NOMEM,
 * CTM_ERR_LIMIT; CTM_ERR_INVALID: a set has too many labels. */
CTM_NODISCARD ctm_status ctmi_store_add_tables(struct ctmi_store *store, const ctm_snapshot *source,
                                               uint32_t *traceback_map, uint32_t *label_map,
                                               uint32_t base_labels);

#endif
