/* ctm/builder.h: making a snapshot by hand.
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
/* The label set `set` (0: empty) with key = value added, or replaced if it has the key. CTM_ERR_INVALID also if `key`
 * is empty or has over CTM_MAX_LABEL_KEY bytes, or if the set would have over CTM_MAX_LABELS pairs. */
CTM_API CTM_NODISCARD ctm_status ctm_builder_label(ctm_builder *builder, uint32_t set, uint32_t key,
                                                   uint32_t value, uint32_t *out);
/* Adds a site, with `allocated - freed` live blocks. merge: adds it to the row of the same key if there is one.
 * Otherwise appends it, or adds it to the last row if that has the same key; so the traces keep their order. */
CTM_API CTM_NODISCARD ctm_status ctm_builder_site(ctm_builder *builder, const ctm_site *site,
                                                  bool merge);
/* Appends all rows of `snapshot` in their order; its sample interval becomes the builder's. counts (NULL: all) has for
 * each site id the number of live blocks to add, at most as many as it has (else CTM_ERR_INVALID); a site with live
 * blocks of which none is added is left out. An error changes nothing. Afterwards at_peak counts are known if
 * `snapshot` knows them, the builder knew them or had no site, and each site is added whole or not at all. */
CTM_API CTM_NODISCARD ctm_status ctm_builder_add_snapshot(ctm_builder *builder,
                                                          const ctm_snapshot *snapshot,
                                                          const uint64_t *counts);
CTM_API void ctm_builder_set_info(ctm_builder *builder, uint32_t nframe, uint64_t peak_bytes,
                                  uint64_t tracer_bytes);
/* Sets whether the at_peak counts of the sites are known; false at first. If not, they are 0 in the snapshot. */
CTM_API void ctm_builder_set_peak_known(ctm_builder *builder, bool known);
/* As in ctm_snapshot_info; command is a string of the builder's (else CTM_ERR_INVALID). */
CTM_API CTM_NODISCARD ctm_status ctm_builder_set_origin(ctm_builder *builder, uint64_t taken_ns,
                                                        uint64_t started_ns, uint32_t pid,
                                                        uint32_t command);
/* The caller owns *out. CTM_ERR_NOMEM; CTM_ERR_LIMIT: more than INT64_MAX live blocks or bytes, now or at the peak.
 * After an error the builder keeps its content. */
CTM_API CTM_NODISCARD ctm_status ctm_builder_finish(ctm_builder *builder, ctm_snapshot **out);

#ifdef __cplusplus
}
#endif
#endif
