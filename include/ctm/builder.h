/* builder.h: making a snapshot by hand.
 *
 * Model: interning adds; finish gives the snapshot and empties the builder. CTM_ERR_INVALID: an id that does not exist, or a
 * string that is not UTF-8.
 */
#ifndef CTM_BUILDER_H
#define CTM_BUILDER_H

#include "ctm/tables.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ctm_snapshot ctm_snapshot; /* snapshot.h */
typedef struct ctm_builder ctm_builder;   /* opaque; one thread at a time */

CTM_API CTM_NODISCARD ctm_status ctm_builder_new(ctm_builder **out);
CTM_API void ctm_builder_free(ctm_builder *builder); /* NULL is allowed */
CTM_API CTM_NODISCARD ctm_status ctm_builder_string(ctm_builder *builder, const char *utf8,
                                                    size_t length, uint32_t *out);
CTM_API CTM_NODISCARD ctm_status ctm_builder_function(ctm_builder *builder, uint32_t filename,
                                                      uint32_t name, int32_t first_lineno,
                                                      uint32_t *out);
CTM_API CTM_NODISCARD ctm_status ctm_builder_frame(ctm_builder *builder, uint32_t function,
                                                   int32_t lineno, uint32_t *out);
CTM_API CTM_NODISCARD ctm_status ctm_builder_traceback(ctm_builder *builder, uint32_t parent,
                                                       uint32_t frame, int32_t total_nframe,
                                                       uint32_t *out);
/* The label set `set` (0: empty) with key = value, which takes the place of a value that the set has for the
 * key. CTM_ERR_INVALID also if `key` is empty or has more than CTM_MAX_LABEL_KEY bytes, or if the set would have
 * more than CTM_MAX_LABELS pairs. */
CTM_API CTM_NODISCARD ctm_status ctm_builder_label(ctm_builder *builder, uint32_t set, uint32_t key,
                                                   uint32_t value, uint32_t *out);
/* Appends `allocated - freed` live blocks. merge: add to the site row of the same key if
 * there is one; else always a row of its own unless the last row added has the same key
 * (so that the order of traces is kept). */
CTM_API CTM_NODISCARD ctm_status ctm_builder_site(ctm_builder *builder, const ctm_site *site,
                                                  bool merge);
/* Adds all rows of `snapshot`, whose sample interval becomes the builder's; keep (may be NULL: all) is indexed by site id and gives
 * the live blocks to keep of each site, at most what it has (else CTM_ERR_INVALID); a site
 * that had some and keeps none is left out. Order of sites is kept. All or nothing.
 * The at_peak counts are known afterwards if they are in `snapshot`, were so before or there was no site yet,
 * and no site keeps only a part. */
CTM_API CTM_NODISCARD ctm_status ctm_builder_add_snapshot(ctm_builder *builder,
                                                          const ctm_snapshot *snapshot,
                                                          const uint64_t *keep);
CTM_API void ctm_builder_set_info(ctm_builder *builder, uint32_t nframe, uint64_t peak_bytes,
                                  uint64_t tracer_bytes);
/* Are the at_peak counts of the sites known? At first not. Without, they are 0 in the snapshot. */
CTM_API void ctm_builder_set_peak_known(ctm_builder *builder, bool known);
/* As in ctm_snapshot_info; command is a string of the builder's. CTM_ERR_INVALID if it does not exist. */
CTM_API CTM_NODISCARD ctm_status ctm_builder_set_origin(ctm_builder *builder, uint64_t taken_ns,
                                                        uint64_t started_ns, uint32_t pid,
                                                        uint32_t command);
/* CTM_ERR_NOMEM; CTM_ERR_LIMIT: more than INT64_MAX live blocks or bytes, now or at the peak. The builder keeps
 * its content then. */
CTM_API CTM_NODISCARD ctm_status ctm_builder_finish(ctm_builder *builder, ctm_snapshot **out);

#ifdef __cplusplus
}
#endif
#endif
