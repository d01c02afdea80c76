/* file.h: snapshots on file.
 *
 * Model: the file is the snapshot's tables behind a header with a directory of sections
 * (docs/formats/snapshot.md); reading checks everything before use and runs no code. Writing goes
 * to a temporary file beside the target, which is then renamed: the old file stays whole
 * unless the new one is.
 */
#ifndef CTM_FILE_H
#define CTM_FILE_H

#include "ctm/snapshot.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Where and why reading failed. */
typedef struct ctm_file_error {
    uint64_t offset;    /* byte offset of the fault in the file */
    const char *reason; /* static text, never NULL */
} ctm_file_error;

/* `attributes` is an opaque section of the caller's (may be NULL with length 0).
 * CTM_ERR_IO with errno; CTM_ERR_NOMEM. Any thread. */
CTM_API CTM_NODISCARD ctm_status ctm_snapshot_write(const ctm_snapshot *snapshot, const char *path,
                                                    const void *attributes, size_t length);
/* The same bytes in memory; the caller frees *out with free(). */
CTM_API CTM_NODISCARD ctm_status ctm_snapshot_encode(const ctm_snapshot *snapshot,
                                                     const void *attributes, size_t length,
                                                     void **out, size_t *out_length);

/* True if `bytes` begin like a snapshot file (to tell foreign files apart). */
CTM_API bool ctm_file_is_snapshot(const void *bytes, size_t length);
/* `error` may be NULL; it is filled on CTM_ERR_FORMAT. *out_attributes (may be NULL) receives
 * a copy the caller frees with free(). Reads regular files only. */
CTM_API CTM_NODISCARD ctm_status ctm_snapshot_read(const char *path, ctm_snapshot **out,
                                                   void **out_attributes, size_t *out_length,
                                                   ctm_file_error *error);
CTM_API CTM_NODISCARD ctm_status ctm_snapshot_decode(const void *bytes, size_t size,
                                                     ctm_snapshot **out, void **out_attributes,
                                                     size_t *out_length, ctm_file_error *error);

/* `path` afterwards holds `bytes`, or, on CTM_ERR_IO (errno set) and CTM_ERR_NOMEM, what it held before. Symbolic
 * links are followed. What is no regular file (a pipe, a device) is written to directly. Nothing is synced to disk.
 * So ctm_snapshot_write writes; this is for bytes that went through more hands (a compressor's). Any thread. */
CTM_API CTM_NODISCARD ctm_status ctm_file_replace(const char *path, const void *bytes, size_t size);

/* True if `bytes` begin like a pickle. */
CTM_API bool ctm_file_is_pickle(const void *bytes, size_t length);
/* Reads what the standard module's Snapshot.dump writes, a pickle of one tracemalloc.Snapshot (Python 3.8 to 3.15;
 * without total_nframe, in 3.8, it is the number of frames). The pickle is read as data: no code is run, no name
 * looked up, and memory is in proportion to `size`, whatever the bytes say. The traces keep their order.
 * *out_attributes (may be NULL) receives the snapshot's other attributes, and `traceback_limit` if it is not
 * in [1; CTM_MAX_NFRAME], as a dict in the encoding that docs/formats/snapshot.md describes; NULL with length 0: there are none.
 * The caller frees it with free(). CTM_ERR_FORMAT with `error` (may be NULL); CTM_ERR_NOMEM; CTM_ERR_LIMIT,
 * also of 4 GiB or more. */
CTM_API CTM_NODISCARD ctm_status ctm_snapshot_decode_stdlib(const void *bytes, size_t size,
                                                            ctm_snapshot **out,
                                                            void **out_attributes,
                                                            size_t *out_length,
                                                            ctm_file_error *error);

#ifdef __cplusplus
}
#endif
#endif
