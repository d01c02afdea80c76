/* ctm/tables.h: the rows of libctm's tables, in memory and in files.
 *
 * Model: append-only tables. A row refers to another by its index, never by a pointer, so a table can be copied, mapped
 * or written as it is. Row 0 of every table is reserved and means "none" (string 0 is the empty string).
 *
 *   strings ──< functions ──< frames ──< tracebacks ──< sites
 *         └──< label sets ─────────────────└ parent ┘──< sites
 *                └ parent ┘
 *
 * A traceback row is one node of the calling-context tree: a frame, and the traceback of its caller. The chain of
 * `parent` from a row to row 0 has the frames from the most recent to the oldest. `parent` is always smaller than the
 * row's own index, so there are no cycles.
 *
 * A label set is a chain of the same kind: the set `parent` and one more pair. From the root on, the keys of a chain
 * are strictly ascending in byte order, so equal sets are one row.
 *
 * A site is one (domain, traceback, block size, label set). Its block size is fixed, so a count of blocks is
 * enough to compute bytes.
 */
#ifndef CTM_TABLES_H
#define CTM_TABLES_H

#include "ctm/status.h"

#ifdef __cplusplus
extern "C" {
#endif

#define CTM_MAX_NFRAME 65535u                /* frames in a traceback */
#define CTM_MAX_LABELS 255u                  /* pairs in a label set */
#define CTM_MAX_LABEL_KEY 255u               /* bytes of a label's key */
#define CTM_MAX_SAMPLE_INTERVAL (1ull << 48) /* bytes */

typedef struct ctm_function {
    uint32_t filename;    /* string */
    uint32_t name;        /* string; 0: the function is not known */
    int32_t first_lineno; /* line of the definition; 0: not known */
} ctm_function;

typedef struct ctm_frame {
    uint32_t function; /* function */
    int32_t lineno;    /* line; 0: not known */
} ctm_frame;

typedef struct ctm_traceback {
    uint32_t parent; /* traceback of the caller; 0: this is the oldest frame stored */
    uint32_t frame;  /* frame */
    /* The number of frames of the whole stack, stored or not (stdlib's total_nframe): the parent's + 1 or, if there is
     * no parent, 1 + the older frames that were left out. Signed and unchecked, because imported snapshots can
     * have any value. */
    int32_t total_nframe;
} ctm_traceback;

/* A label set: the pairs of `parent`, and key = value. Set 0 is empty. */
typedef struct ctm_label {
    uint32_t parent; /* label set; its index is smaller than the row's own */
    uint32_t
        key; /* string of 1 to CTM_MAX_LABEL_KEY bytes; greater in byte order than the parent's */
    uint32_t value; /* string */
} ctm_label;

/* One pair of a label set, for callers that have no rows. UTF-8, NUL-terminated, borrowed for the call. The key has 1 to
 * CTM_MAX_LABEL_KEY bytes. */
typedef struct ctm_label_text {
    const char *key;
    const char *value;
} ctm_label_text;

typedef struct ctm_site {
    uint64_t block_size; /* bytes of each block */
    uint64_t allocated;  /* blocks ever allocated here since start or clear */
    uint64_t freed;      /* blocks of these that were freed; live = allocated - freed */
    uint32_t domain;     /* 0: Python's allocators; else a domain of the caller's */
    uint32_t traceback;  /* traceback */
    uint32_t labels;     /* label set */
    uint32_t reserved;   /* 0 */
    uint64_t at_peak; /* blocks that were live at the moment of the peak; 0 if that is not known */
} ctm_site;

#ifdef __cplusplus
}
#endif
#endif
