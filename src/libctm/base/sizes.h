/* base/sizes.h: the first sizes of tables and windows, and the number of peak stamps.
 *
 * Model: as shipped these are constants. A test may set others before it makes an object, so that after a few rows a
 * table has many chunks, a window ends, and the stamps restart. An object keeps the sizes that it was made with. A file
 * whose layout depends on a size is read only by processes with the same size.
 *
 * Threads: set before any object is made.
 */
#ifndef CTMI_BASE_SIZES_H
#define CTMI_BASE_SIZES_H

#include <stddef.h>
#include <stdint.h>

struct ctmi_sizes {
    uint32_t rows_first_log2;  /* chunk k of a table has 1 << (this + k) rows; 9 at least */
    uint32_t spare_sites;      /* for unplaced blocks, one for each block size; a power of two */
    uint32_t overflow_first;   /* entries of the block map's overflow; a power of two */
    uint32_t peak_stamps;      /* after so many stamps they restart at 1 */
    size_t window;             /* bytes of a recording read at a time, unless a block is larger */
    uint32_t label_values;     /* of each key that are kept: tracer/labels.h */
    uint32_t kept_labels;      /* label sets that are kept, at most */
    uint32_t temporary_labels; /* the others, at most */
};

/* What objects are made with from now on. */
const struct ctmi_sizes *ctmi_sizes(void);
/* For tests. Borrowed for good; NULL: as shipped. */
void ctmi_sizes_set(const struct ctmi_sizes *sizes);

#endif
