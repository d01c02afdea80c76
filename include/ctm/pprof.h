/* ctm/pprof.h: a call tree as fields of pprof's message Profile (profile.proto), in pieces.
 *
 * Model: what the caller writes itself (sample types, mapping, facts) and what comes from here are fields of one message, in
 * any order; only the strings are in one table, in the order in which they are written. So the caller writes its strings first
 * and says how many they are. There is a sample for each node that has a value, with one location for each frame from it to
 * the root; the blocks with an empty traceback are at frame 0. Ids of locations and functions are those of the tree, plus 1.
 * Only the frames and functions that a sample has are written. Text is valid UTF-8: a surrogate becomes an escape as in
 * Python's literals.
 *
 * https://github.com/google/pprof/blob/main/proto/profile.proto
 */
#ifndef CTM_PPROF_H
#define CTM_PPROF_H

#include "ctm/tree.h"

#ifdef __cplusplus
extern "C" {
#endif

#define CTM_PPROF_VALUES 16u /* most values of a sample */

typedef struct ctm_pprof_options {
    /* Of each sample type: the values by node, view.nodes of them; borrowed until ctm_pprof_free. */
    const int64_t *values[CTM_PPROF_VALUES];
    uint32_t n_values;
    uint32_t strings; /* that the caller has written, the empty one among them */
    uint32_t mapping; /* id of the locations' mapping */
    uint32_t no_name; /* the caller's string for a function or a file without a name */
} ctm_pprof_options;

typedef struct ctm_pprof ctm_pprof; /* opaque; one thread at a time */

/* The caller owns *out. The tree is referenced. CTM_ERR_INVALID: too many values; CTM_ERR_NOMEM. */
CTM_API CTM_NODISCARD ctm_status ctm_pprof_new(ctm_tree *tree, const ctm_pprof_options *options,
                                               ctm_pprof **out);
/* The next piece, borrowed until the next call; whole fields, about 64 KiB. *out_size 0: that was all. CTM_ERR_NOMEM: try
 * again, or give up. */
CTM_API CTM_NODISCARD ctm_status ctm_pprof_next(ctm_pprof *pprof, const unsigned char **out,
                                                size_t *out_size);
CTM_API void ctm_pprof_free(ctm_pprof *pprof); /* NULL is allowed */

#ifdef __cplusplus
}
#endif
#endif
