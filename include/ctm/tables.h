/* tables.h: the rows that libctm stores, in memory and on file alike.
 *
 * Model: append-only tables. A row refers to another by its index, never by
 * pointer, so that a table can be copied, mapped or written as it is. Row 0 of
 * every table is reserved and means "none" (string 0 is the empty string).
 *
 *   strings ──< functions ──< frames ──< tracebacks ──< sites
 *         └──< label sets ─────────────────└ parent ┘──< sites
 *                └ parent ┘
 *
 * A traceback row is one node of the calling-context tree: its frame, and the
 * traceback of its caller. Reading `parent` from a row to row 0 gives the frames
 * from the most recent to the oldest. `parent` is always smaller than the row's
 * own index, so there are no cycles.
 *
 * A label set is built the same way: the set `parent` and one pair more. Along the chain, from
 * the root on, the keys rise strictly in byte order, so that equal sets are one row.
 *
 * A site is one (domain, traceback, block size, label set). Because its block size
 * is fixed, plain counts of blocks say everything about bytes.
 */
#ifndef CTM_TABLES_H
#define CTM_TABLES_H

#include "ctm/status.h"

#ifdef __cplusplus
extern "C" {
#endif

#define CTM_MAX_NFRAME 65535u                /* a traceback holds at most this many frames */
#define CTM_MAX_LABELS 255u                  /* pairs in a label set, at most */
#define CTM_MAX_LABEL_KEY 255u               /* bytes of a key, at most */
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
    uint32_t parent; /* traceback of the caller; 0: this is the oldest frame kept */
    uint32_t frame;  /* frame */
    /* How many frames the whole stack had, kept or not (stdlib's total_nframe):
     * the parent's total + 1, or, in an oldest frame, 1 + the frames left out
     * below it. Signed and unchecked, because imported snapshots may say anything. */
    int32_t total_nframe;
} ctm_traceback;

/* A label set: all of `parent`, and key = value. Set 0 is empty. */
typedef struct ctm_label {
    uint32_t parent; /* label set; its index is smaller than the row's own */
    uint32_t key;   /* string of 1 to CTM_MAX_LABEL_KEY bytes, as bytes greater than the parent's */
    uint32_t value; /* string */
} ctm_label;

typedef struct ctm_site {
    uint64_t block_size; /* bytes of each block */
    uint64_t allocated;  /* blocks ever allocated here since start or clear */
    uint64_t freed;      /* blocks of them freed; live = allocated - freed */
    uint32_t domain;     /* 0: Python's allocators; else as given to track */
    uint32_t traceback;  /* traceback */
    uint32_t labels;     /* label set */
    uint32_t reserved;   /* 0 */
    uint64_t at_peak; /* blocks that were live at the moment of the peak; 0 if that is not known */
} ctm_site;

#ifdef __cplusplus
}
#endif
#endif
