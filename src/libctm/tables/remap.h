/* tables/remap.h: rows of somewhere else, made rows of a store: each gets its id there, and what it refers to is translated.
 *
 * Model: a source gives rows by table and id (a snapshot, another store, the tables of a recording). `ids` remembers
 * where each row went, so that each is interned once. A row takes what it refers to with it; only its own table's rows
 * before it (its parent) must have been asked for already. Sites are the caller's: their counters add up differently.
 *
 * A failure part-way leaves rows in the store to which nobody refers: harmless.
 */
#ifndef CTMI_TABLES_REMAP_H
#define CTMI_TABLES_REMAP_H

#include "tables/store.h"

/* Where rows come from. All is the caller's. */
struct ctmi_row_source {
    const void *rows;                  /* of whatever kind the two functions know */
    uint32_t counts[CTMI_ROWS_TABLES]; /* rows of each table, row 0 included */
    /* The content of a row; neither a string nor a site. */
    const void *(*content)(const void *rows, enum ctmi_table table, uint32_t id);
    const char *(*string)(const void *rows, uint32_t id, size_t *out_length);
};

struct ctmi_remap {
    struct ctmi_store *to;              /* borrowed */
    const struct ctmi_row_source *from; /* borrowed */
    uint32_t *ids
        [CTMI_TABLE_SITES]; /* new ids by old; 0: not there yet. Borrowed, or parts of `memory` */
    uint32_t *memory;       /* owned */
    uint32_t guess;         /* traceback of the store that may be the next one */
};

/* ids[table] is room for the ids of that table, or NULL: then it is made here. CTM_ERR_NOMEM. */
CTM_NODISCARD ctm_status ctmi_remap_init(struct ctmi_remap *remap);
void ctmi_remap_free(struct ctmi_remap *remap); /* `memory` only */
/* Makes row `id`, if it is not there yet. CTM_ERR_NOMEM, CTM_ERR_LIMIT; CTM_ERR_INVALID as the store's interning gives it. */
CTM_NODISCARD ctm_status ctmi_remap_row(struct ctmi_remap *remap, enum ctmi_table table,
                                        uint32_t id);
/* The same for all rows of the tables from `first` up to and including `last`, in order. */
CTM_NODISCARD ctm_status ctmi_remap_tables(struct ctmi_remap *remap, enum ctmi_table first,
                                           enum ctmi_table last);

#endif
