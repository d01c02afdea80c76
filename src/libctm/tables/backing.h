/* backing.h: where the chunks of a store come from, if not from private memory.
 *
 * Model: a black box lends a store chunks that are mapped from its file. The store asks for each chunk, and before it
 * writes past what it has asked for so far; it goes on with private memory where the file cannot have it, which is the
 * ground's business and not an error. Rows that are whole are counted at `published` too, in the file.
 *
 * Threads: called by the store's owner alone, inside whatever lock guards the store.
 */
#ifndef CTMI_TABLES_BACKING_H
#define CTMI_TABLES_BACKING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tables/schema.h"

struct ctmi_backing {
    /* Zeroed memory for a chunk, at the same address until unmap. NULL: none at all to be had. */
    void *(*map)(struct ctmi_backing *backing, enum ctmi_table table, unsigned chunk, size_t size);
    /* The first `end` bytes of the chunk are going to be written. False: they cannot. */
    bool (*grow)(struct ctmi_backing *backing, enum ctmi_table table, unsigned chunk, size_t end);
    void (*unmap)(struct ctmi_backing *backing, enum ctmi_table table, unsigned chunk);
    /* The rows are about to be hashed anew: what was lost since is no longer to be found (ctmi_store_forget_rows). */
    void (*look)(struct ctmi_backing *backing);
};

/* A table's place on the ground. */
struct ctmi_table_backing {
    struct ctmi_backing *backing; /* borrowed; NULL: private memory */
    uint64_t *published;          /* the count of rows in the file; NULL: it is not told */
    enum ctmi_table table;
};

#endif
