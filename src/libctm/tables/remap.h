/* tables/remap.h: adds rows from another source to a store: each row gets an id there, and its references are
 * translated.
 *
 * Model: a source returns rows by table and id; it is a snapshot, another store, or the tables of a recording. `ids`
 * maps the id of each row in the source to its id in the store, so that each row is interned once. A row is added
 * together with the rows that it refers to. Only its parent, which is an earlier row of the same table, must have
 * been added before. The caller adds the sites, because their counters are added up differently.
 *
 * After a failure the store may have some rows to which no other row refers, which is harmless.
 */
#ifndef CTMI_TABLES_REMAP_H
#define CTMI_TABLES_REMAP_H

#include "tables/store.h"

/* The source of the rows. All members are borrowed from the caller. One of `columns` and `store` is not NULL. */
struct ctmi_row_source {
    uint32_t counts[CTMI_ROWS_TABLES]; /* rows of each table, row 0 included */
    void *const *columns;              /* for each table an array of contents */
    const struct ctmi_store *store;
    const void *strings; /* the first argument of `string` */
    const char *(*string)(const void *strings, uint32_t id, size_t *out_length);
};

/* Owned by one call; the caller owns or has locked the store. */
struct ctmi_remap {
    struct ctmi_store *to;              /* borrowed */
    const struct ctmi_row_source *from; /* borrowed */
    /* New ids by old; 0: not added yet. Borrowed, or parts of `memory`. */
    uint32_t *ids[CTMI_TABLE_SITES];
    uint32_t *memory; /* owned */
    uint32_t guess;   /* traceback id in the store that is tried first for the next row */
};

/* ids[table] is an array for the ids of that table, or NULL: it is allocated here. CTM_ERR_NOMEM. */
CTM_NODISCARD ctm_status ctmi_remap_init(struct ctmi_remap *remap);
/* Prepares the tables of the store that are still empty for as many rows as the source has. CTM_ERR_NOMEM. */
CTM_NODISCARD ctm_status ctmi_remap_expect(struct ctmi_remap *remap);
void ctmi_remap_free(struct ctmi_remap *remap); /* `memory` only */
/* Adds row `id` if it is not added yet. CTM_ERR_NOMEM, CTM_ERR_LIMIT; CTM_ERR_INVALID for the reasons given in
 * store.h. */
CTM_NODISCARD ctm_status ctmi_remap_row(struct ctmi_remap *remap, enum ctmi_table table,
                                        uint32_t id);
/* Called for each row before it is added, in the order of ids: loads into the cache what adding the rows after it will
 * read. If the rows that these refer to are not added yet, nothing useful is loaded. */
void ctmi_remap_prefetch_traceback(const struct ctmi_remap *remap, uint32_t id);
/* The same for sites, given by their keys in the source: all tracebacks and labels are added. site_at returns a row. */
void ctmi_remap_prefetch_site(const struct ctmi_remap *remap, uint32_t id,
                              const ctm_site *(*site_at)(const void *, uint32_t), const void *from);
/* Adds all rows of the tables up to and including `last`, in order. None is added yet. */
CTM_NODISCARD ctm_status ctmi_remap_tables(struct ctmi_remap *remap, enum ctmi_table last);

#endif
