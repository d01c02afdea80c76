/* tables/backing.h: what supplies the memory of a store's chunks, if it is not private memory.
 *
 * Model: a black box backs the chunks of a store with parts of its file. The store calls `map` for each new chunk and
 * `grow` before it writes past the bytes that it has grown the chunk to. Where the file cannot hold more, the backing
 * maps private memory instead; this is not an error. The number of complete rows is also stored in the file, at
 * `published`.
 *
 * Threads: called by the owner of the store only, under the lock that guards the store.
 */
#ifndef CTMI_TABLES_BACKING_H
#define CTMI_TABLES_BACKING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tables/schema.h"

struct ctmi_backing {
    /* Returns zeroed memory for a chunk, which does not move until unmap. NULL: out of memory. */
    void *(*map)(struct ctmi_backing *backing, enum ctmi_table table, unsigned chunk, size_t size);
    /* Called before the first `end` bytes of the chunk are written. False: they cannot be written. */
    bool (*grow)(struct ctmi_backing *backing, enum ctmi_table table, unsigned chunk, size_t end);
    void (*unmap)(struct ctmi_backing *backing, enum ctmi_table table, unsigned chunk);
    /* Called before all rows are hashed again. If rows were lost, the backing removes them from the indexes
     * (ctmi_store_forget_rows). */
    void (*look)(struct ctmi_backing *backing);
};

/* The backing of one table. Owner and lock are the store's. */
struct ctmi_table_backing {
    struct ctmi_backing *backing; /* borrowed; NULL: private memory */
    uint64_t *published;          /* borrowed: the count of rows in the file; NULL: none */
    enum ctmi_table table;
};

#endif
