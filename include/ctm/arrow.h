/* ctm/arrow.h: the sites of a snapshot as an Arrow stream.
 *
 * Model: Arrow's C data and stream interfaces are three plain structs, which are defined here as their
 * specification requires. No Arrow library is needed. Consumers (pyarrow, polars, DuckDB, arrow-rs ...) use the
 * arrays without copying them. A row is a site:
 *
 *   domain        uint32
 *   block_size    int64    bytes of each block
 *   count         int64    live blocks
 *   size          int64    bytes in them
 *   filename      string   of the most recent frame; null: the traceback is empty
 *   lineno        int32    the same
 *   function      string   the same; null also if it is not known
 *   traceback     list<struct<filename: string, lineno: int32, function: string>>, the oldest
 *                 frame first
 *   total_nframe  int32    frames of the whole stack, stored or not
 *   labels        map<string, string>
 *   allocated     int64    blocks ever allocated; null: not known
 *   freed         int64    blocks of them freed; the same
 *   at_peak       int64    blocks live at the peak; null: not known
 *   weight        double   blocks that a recorded block represents: 1, with sampling 1 or more
 *
 * `filename` and `function` are dictionary-encoded. Sites without live blocks have rows too, and two rows may have
 * the same key. Text is valid UTF-8: a surrogate becomes U+FFFD, any other invalid byte "?".
 */
#ifndef CTM_ARROW_H
#define CTM_ARROW_H

#include "ctm/snapshot.h"

#ifdef __cplusplus
extern "C" {
#endif

#ifndef ARROW_C_DATA_INTERFACE
#define ARROW_C_DATA_INTERFACE

#define ARROW_FLAG_DICTIONARY_ORDERED 1
#define ARROW_FLAG_NULLABLE 2
#define ARROW_FLAG_MAP_KEYS_SORTED 4

struct ArrowSchema {
    const char *format;
    const char *name;
    const char *metadata;
    int64_t flags;
    int64_t n_children;
    struct ArrowSchema **children;
    struct ArrowSchema *dictionary;
    void (*release)(struct ArrowSchema *);
    void *private_data;
};

struct ArrowArray {
    int64_t length;
    int64_t null_count;
    int64_t offset;
    int64_t n_buffers;
    int64_t n_children;
    const void **buffers;
    struct ArrowArray **children;
    struct ArrowArray *dictionary;
    void (*release)(struct ArrowArray *);
    void *private_data;
};

#endif

#ifndef ARROW_C_STREAM_INTERFACE
#define ARROW_C_STREAM_INTERFACE

struct ArrowArrayStream {
    int (*get_schema)(struct ArrowArrayStream *, struct ArrowSchema *out);
    int (*get_next)(struct ArrowArrayStream *, struct ArrowArray *out);
    const char *(*get_last_error)(struct ArrowArrayStream *);
    void (*release)(struct ArrowArrayStream *);
    void *private_data;
};

#endif

/* Makes a stream, which the caller releases by its callback. The stream and its arrays outlive the caller's reference
 * to the snapshot. One thread at a time may use the stream; any thread may release an array. get_next makes one batch
 * of at most 65,536 rows. It fails with ENOMEM, or with EOVERFLOW if a number is over INT64_MAX, which damaged or
 * hand-made files can have in sites without live blocks. CTM_ERR_NOMEM; CTM_ERR_LIMIT: over 2 GiB of names. */
CTM_API CTM_NODISCARD ctm_status ctm_snapshot_arrow(ctm_snapshot *snapshot,
                                                    struct ArrowArrayStream *out);

#ifdef __cplusplus
}
#endif
#endif
