/* ctm/scopes.h: what is allocated between two moments by one thread or task, or by all.
 *
 * Model: a scope has the blocks that are allocated with a handle of label sets (labels.h) that was made in it, and those of the scopes
 * within it. Other blocks are not its own, even if they are freed meanwhile. A block stays a scope's own when the scope has ended, so
 * that it is known at any time what still is live of it; the other figures are those at its end.
 * A scope's peak is exact, as each event of its blocks counts for each scope around it.
 *
 * A scope is held by the caller until released, and by those within it.
 *
 * If the tracer's tables are emptied (start, stop, clear), an open scope's figures are not known any more. One that has ended keeps
 * its figures, except what is live now.
 */
#ifndef CTM_SCOPES_H
#define CTM_SCOPES_H

#include "ctm/shard.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ctm_scope ctm_scope; /* opaque; owned by its tracer */

/* Of the blocks of a scope and of those within it. With sampling, bytes are estimated. */
typedef struct ctm_scope_figures {
    uint64_t live_bytes, live_blocks;           /* now */
    uint64_t grown_bytes, grown_blocks;         /* live at its end; as long as it is open: now */
    uint64_t allocated_bytes, allocated_blocks; /* until its end, with those that were freed */
    uint64_t peak_bytes; /* the most that were live at a time, until its end */
    bool has_ended;
    bool is_known; /* false: the tables were emptied before its end */
} ctm_scope_figures;

/* Called as if inside shard 0, but not between enter and leave: all of these.
 *
 * begin: a scope within `parent`, or within the nearest scope around that which has not ended; NULL: within none.
 *        The caller holds it, and releases it once. CTM_ERR_NOMEM.
 * end:   its figures are fixed. It may be called again.
 * read:  the figures at one moment. */
CTM_API CTM_NODISCARD ctm_status ctm_tracer_scope_begin(ctm_tracer *tracer, ctm_scope *parent,
                                                        ctm_scope **out);
CTM_API void ctm_scope_end(ctm_scope *scope);
CTM_API void ctm_scope_release(ctm_scope *scope);
CTM_API void ctm_scope_read(const ctm_scope *scope, ctm_scope_figures *out);
/* Whether the tables were emptied after it began. */
CTM_API bool ctm_scope_is_lost(const ctm_scope *scope);

/* A snapshot of the scope's blocks alone. Its peak is the scope's. `at_end`: what was live at its end, instead of now.
 * Values of labels that are not kept are "other". The caller owns *out. CTM_ERR_NOT_TRACING: the tables were emptied after
 * it began. CTM_ERR_NOMEM; CTM_ERR_IO as of ctm_tracer_snapshot. */
struct ctm_snapshot;
CTM_API CTM_NODISCARD ctm_status ctm_scope_snapshot(ctm_scope *scope, bool at_end,
                                                    struct ctm_snapshot **out);

/* As ctm_tracer_labels, of a set in two scopes: one of a thread or task, and one of the process. Either may be NULL. A site
 * that ctm_shard_labelled_site returns for such a handle is only for the functions of labels.h. */
CTM_API CTM_NODISCARD ctm_status ctm_tracer_labels_in(ctm_tracer *tracer,
                                                      const ctm_label_text *pairs, size_t n,
                                                      ctm_scope *scope, ctm_scope *process,
                                                      uint32_t *out);
/* As ctm_tracer_labels, of the set of `handle`, which the caller holds, in the same scopes. It has this pair, too, if it has no label
 * of that key; NULL: the same set, held once more. */
CTM_API CTM_NODISCARD ctm_status ctm_tracer_labels_with(ctm_tracer *tracer, uint32_t handle,
                                                        const ctm_label_text *pair, uint32_t *out);

#ifdef __cplusplus
}
#endif
#endif
