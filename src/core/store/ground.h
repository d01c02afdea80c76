/* ground.h: where the chunks of a store come from, if not from private memory.
 *
 * Model: a black box lends a store chunks that are mapped from its file. The store asks for each chunk, and before it
 * writes past what it has asked for so far; it goes on with private memory where the file cannot have it, which is the
 * ground's business and not an error. Rows that are whole are counted at `published` too, in the file.
 *
 * Threads: called by the store's owner alone, inside whatever lock guards the store.
 */
#ifndef CTM_STORE_GROUND_H
#define CTM_STORE_GROUND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The tables of a store. */
enum ctm_table {
    CTM_TABLE_STRINGS,
    CTM_TABLE_FUNCTIONS,
    CTM_TABLE_FRAMES,
    CTM_TABLE_TRACEBACKS,
    CTM_TABLE_LABELS,
    CTM_TABLE_SITES,
    CTM_TABLE_BYTES, /* of the strings; last */
    CTM_TABLES,
};

struct ctm_ground {
    /* Zeroed memory for a chunk, at the same address until unmap. NULL: none at all to be had. */
    void *(*map)(struct ctm_ground *ground, enum ctm_table table, unsigned chunk, size_t size);
    /* The first `end` bytes of the chunk are going to be written. False: they cannot. */
    bool (*grow)(struct ctm_ground *ground, enum ctm_table table, unsigned chunk, size_t end);
    void (*unmap)(struct ctm_ground *ground, enum ctm_table table, unsigned chunk);
    /* The rows are about to be hashed anew: what was lost since is no longer to be found (ctm_store_forget_rows). */
    void (*look)(struct ctm_ground *ground);
};

/* A table's place on the ground. */
struct ctm_plot {
    struct ctm_ground *ground; /* borrowed; NULL: private memory */
    uint64_t *published;       /* the count of rows in the file; NULL: it is not told */
    enum ctm_table table;
};

#endif
