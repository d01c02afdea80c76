/* snapshot/merge.h: giving the rows of a snapshot ids in a store.
 *
 * Model: rows are interned, lower tables first; each row's references are translated by the maps of
 * the tables below. A failure part-way leaves more rows in the store, which nobody refers
 * to: harmless.
 */
#ifndef CTMI_SNAPSHOT_MERGE_H
#define CTMI_SNAPSHOT_MERGE_H

#include "snapshot/snapshot.h"
#include "tables/store.h"

/* Interns all rows of `source` but its sites. traceback_map has info.tracebacks + 1 rows and
 * receives the id in `store` of each traceback, label_map the same of info.label_sets + 1 (NULL: label
 * sets are left out). Every set is put on top of base_labels, a set of `store`, the empty one too.
 * CTM_ERR_NOMEM, CTM_ERR_LIMIT; CTM_ERR_INVALID: a set has too many labels. */
CTM_NODISCARD ctm_status ctmi_store_add_tables(struct ctmi_store *store, const ctm_snapshot *source,
                                               uint32_t *traceback_map, uint32_t *label_map,
                                               uint32_t base_labels);

#endif
