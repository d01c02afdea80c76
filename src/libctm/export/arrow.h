/* export/arrow.h: what the files of the Arrow export share.
 *
 * Model: three layers. arrow_node.c makes one ArrowArray with its buffers in one block of memory
 * that its release callback frees; arrow_batch.c fills the columns of a run of sites;
 * arrow_stream.c hands batches out. arrow_schema.c says what the columns are, in the order of
 * the enum. A consumer may move any child out of its parent and release it later, on
 * another thread: so each array owns its block, and what arrays share (the names) is counted.
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
    CTMI_ARROW_COLUMNS, /* how many */
};

/* Columns of the frames in a traceback. */
enum { CTMI_ARROW_FRAME_FILENAME, CTMI_ARROW_FRAME_LINENO, CTMI_ARROW_FRAME_FUNCTION };

/* The values of a dictionary: some strings of a snapshot, each once, in the order of their ids. */
struct ctmi_arrow_names {
    _Atomic uint32_t references;
    int64_t count;
    /* All in the block that the struct is at the head of. */
    int32_t *index;   /* by string id; -1: not a value */
    int32_t *offsets; /* count + 1 rows */
    char *bytes;      /* valid UTF-8 */
};

/* wanted: by string id. One reference. CTM_ERR_NOMEM; CTM_ERR_LIMIT. */
CTM_NODISCARD ctm_status ctmi_arrow_names_new(const ctm_snapshot *snapshot,
                                              const unsigned char *wanted,
                                              struct ctmi_arrow_names **out);
void ctmi_arrow_names_unref(struct ctmi_arrow_names *names); /* NULL is allowed */
/* Copies `length` bytes, replacing what is not valid UTF-8. */
void ctmi_arrow_copy_text(char *to, const char *from, size_t length);

/* The shape of an array: buffer 0, the validity bitmap, has no bytes if nothing is null. */
struct ctmi_arrow_shape {
    int64_t length;
    int n_buffers;          /* validity included */
    size_t buffer_bytes[3]; /* of each buffer */
    int n_children;
    struct ctmi_arrow_names *names; /* borrowed; the dictionary, or NULL */
};

/* Makes *out: buffers zeroed, children released (all zero) structs to be filled, dictionary
 * complete. Whoever owns *out releases it, also if a child could not be made. */
CTM_NODISCARD ctm_status ctmi_arrow_array_new(const struct ctmi_arrow_shape *shape,
                                              struct ArrowArray *out);
static inline void *ctmi_arrow_buffer(const struct ArrowArray *array, int buffer)
{
    return (void *)array->buffers[buffer];
}

/* A run of sites, and what has to be known of them before memory is asked for. */
struct ctmi_arrow_run {
    uint32_t first, rows; /* site ids first .. first + rows - 1 */
    size_t frames;        /* in their tracebacks */
    size_t pairs;         /* in their label sets */
    size_t keys, values;  /* bytes of these pairs */
};

struct ctmi_arrow_source {
    ctm_snapshot *snapshot;             /* owned reference */
    struct ctmi_arrow_names *files;     /* owned reference */
    struct ctmi_arrow_names *functions; /* owned reference */
};

/* CTM_ERR_NOMEM; CTM_ERR_LIMIT: a number does not fit. *out is not touched then. */
CTM_NODISCARD ctm_status ctmi_arrow_batch(const struct ctmi_arrow_source *source,
                                          const struct ctmi_arrow_run *run, struct ArrowArray *out);

/* CTM_ERR_NOMEM. */
CTM_NODISCARD ctm_status ctmi_arrow_schema(struct ArrowSchema *out);

#endif
