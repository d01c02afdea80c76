/* export/arrow.h: the internal interface of the Arrow export.
 *
 * Model: three layers. arrow_node.c makes an ArrowArray with its buffers in one block of memory, which its release
 * callback frees. arrow_batch.c fills the columns of a range of sites. arrow_stream.c returns one batch after the
 * other. arrow_schema.c describes the columns, in the order of the enum. A consumer may move any child out of its
 * parent and release it later on another thread. So each array owns its block, and the names, which arrays share,
 * are reference-counted.
 */
#ifndef CTMI_EXPORT_ARROW_H
#define CTMI_EXPORT_ARROW_H

#include <stdatomic.h>

#include "ctm/arrow.h"
#include "snapshot/snapshot.h"

enum ctmi_arrow_column {
    CTMI_ARROW_DOMAIN,
    CTMI_ARROW_BLOCK_SIZE,
    CTMI_ARROW_COUNT,
    CTMI_ARROW_SIZE,
    CTMI_ARROW_FILENAME,
    CTMI_ARROW_LINENO,
    CTMI_ARROW_FUNCTION,
    CTMI_ARROW_TRACEBACK,
    CTMI_ARROW_TOTAL_NFRAME,
    CTMI_ARROW_LABELS,
    CTMI_ARROW_ALLOCATED,
    CTMI_ARROW_FREED,
    CTMI_ARROW_AT_PEAK,
    CTMI_ARROW_WEIGHT,
    CTMI_ARROW_COLUMNS, /* the number of columns */
};

/* The columns of the frames in column `traceback`. */
enum { CTMI_ARROW_FRAME_FILENAME, CTMI_ARROW_FRAME_LINENO, CTMI_ARROW_FRAME_FUNCTION };

/* The values of a dictionary: some strings of a snapshot, each once, in the order of their ids. Constant once made,
 * except `references`. The arrays are in the same block of memory, behind the struct. */
struct ctmi_arrow_names {
    _Atomic uint32_t references; /* any thread */
    int64_t count;
    int32_t *index;   /* by string: its index among the values; -1: not a value */
    int32_t *offsets; /* count + 1 rows */
    char *bytes;      /* valid UTF-8 */
};

/* wanted: by string. *out has one reference. CTM_ERR_NOMEM; CTM_ERR_LIMIT: over 2 GiB, or over 2^31 - 2 strings. */
CTM_NODISCARD ctm_status ctmi_arrow_names_new(const ctm_snapshot *snapshot,
                                              const unsigned char *wanted,
                                              struct ctmi_arrow_names **out);
void ctmi_arrow_names_unref(struct ctmi_arrow_names *names); /* NULL is allowed */
/* Copies `length` bytes. Replaces a surrogate by U+FFFD, any other byte that is not valid UTF-8 by "?". */
void ctmi_arrow_copy_text(char *to, const char *from, size_t length);

/* The shape of an array. Buffer 0 is the validity bitmap; it has no bytes if no value is null. */
struct ctmi_arrow_shape {
    int64_t length;
    int n_buffers;          /* validity included */
    size_t buffer_bytes[3]; /* of each buffer */
    int n_children;
    struct ctmi_arrow_names *names; /* borrowed; the dictionary, or NULL */
};

/* Makes *out: its buffers are zeroed, its dictionary is complete, its children are zero, that is released, for the
 * caller to fill. The caller releases *out, also if it cannot make a child. */
CTM_NODISCARD ctm_status ctmi_arrow_array_new(const struct ctmi_arrow_shape *shape,
                                              struct ArrowArray *out);
static inline void *ctmi_arrow_buffer(const struct ArrowArray *array, int buffer)
{
    return (void *)array->buffers[buffer];
}

/* A range of sites, and the sizes of the buffers that it needs. */
struct ctmi_arrow_run {
    uint32_t first, rows; /* site ids first .. first + rows - 1 */
    size_t frames;        /* frames in their tracebacks */
    size_t pairs;         /* pairs in their label sets */
    size_t keys, values;  /* bytes of the keys and of the values of these pairs */
};

/* What a stream reads. Constant once made. */
struct ctmi_arrow_source {
    ctm_snapshot *snapshot;             /* owned reference */
    struct ctmi_arrow_names *files;     /* owned reference */
    struct ctmi_arrow_names *functions; /* owned reference */
};

/* Fills *out with the rows of `run`. CTM_ERR_NOMEM; CTM_ERR_LIMIT: a number is over INT64_MAX. An error leaves *out
 * unchanged. */
CTM_NODISCARD ctm_status ctmi_arrow_batch(const struct ctmi_arrow_source *source,
                                          const struct ctmi_arrow_run *run, struct ArrowArray *out);

/* The caller releases *out. CTM_ERR_NOMEM. */
CTM_NODISCARD ctm_status ctmi_arrow_schema(struct ArrowSchema *out);

#endif
