/* ctm/file.h: snapshot files.
 *
 * Model: a file has a header with a directory of sections, then the snapshot's tables (docs/formats/snapshot.md). The
 * reader checks everything before use and runs no code. The writer writes a temporary file beside the target and
 * renames it, so the target is always the complete old file or the complete new one.
 */
#ifndef CTM_FILE_H
#define CTM_FILE_H

#include "ctm/snapshot.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The fault at which reading failed. */
typedef struct ctm_file_error {
    uint64_t offset;    /* byte offset of the fault in the file */
    const char *reason; /* static text, never NULL */
} ctm_file_error;

/* Writes a snapshot file. `attributes` are opaque bytes of the caller's, stored as a section of their own (NULL with
 * length 0: none). CTM_ERR_IO with errno; CTM_ERR_NOMEM. Any thread. */
CTM_API CTM_NODISCARD ctm_status ctm_snapshot_write(const ctm_snapshot *snapshot, const char *path,
                                                    const void *attributes, size_t length);
/* The same bytes in memory; the caller frees *out with free(). */
CTM_API CTM_NODISCARD ctm_status ctm_snapshot_encode(const ctm_snapshot *snapshot,
                                                     const void *attributes, size_t length,
                                                     void **out, size_t *out_length);

/* Whether `bytes` begin like a snapshot file. */
CTM_API bool ctm_file_is_snapshot(const void *bytes, size_t length);
/* Reads a snapshot file, which must be a regular file. The caller owns *out, and frees *out_attributes, a copy, with
 * free(); out_attributes may be NULL. CTM_ERR_FORMAT with `error`, which may be NULL; CTM_ERR_IO with errno;
 * CTM_ERR_NOMEM. Any thread. decode does the same for bytes in memory. */
CTM_API CTM_NODISCARD ctm_status ctm_snapshot_read(const char *path, ctm_snapshot **out,
                                                   void **out_attributes, size_t *out_length,
                                                   ctm_file_error *error);
CTM_API CTM_NODISCARD ctm_status ctm_snapshot_decode(const void *bytes, size_t size,
                                                     ctm_snapshot **out, void **out_attributes,
                                                     size_t *out_length, ctm_file_error *error);

/* Replaces the file `path` by `bytes`. On CTM_ERR_IO (errno set) and CTM_ERR_NOMEM it keeps its old content. Symbolic
 * links are followed. A pipe, a device or the like is written to directly. Nothing is synced to disk.
 * ctm_snapshot_write writes this way; use it for bytes that were processed further (compressed). Any thread. */
CTM_API CTM_NODISCARD ctm_status ctm_file_replace(const char *path, const void *bytes, size_t size);

/* Whether `bytes` begin like a pickle. */
CTM_API bool ctm_file_is_pickle(const void *bytes, size_t length);
/* Reads a file that the standard module's Snapshot.dump wrote: a pickle of one tracemalloc.Snapshot of Python 3.8 to
 * 3.15. (3.8 has no total_nframe: it becomes the number of frames.) The pickle is read as data: no code is run and no
 * name is looked up. Memory is in proportion to `size`, whatever the bytes say. The traces keep their order.
 * *out_attributes (out_attributes may be NULL) becomes the snapshot's other attributes, and `traceback_limit` if it is
 * outside [1; CTM_MAX_NFRAME], as a dict in the encoding of docs/formats/snapshot.md; NULL with length 0: there are none.
 * The caller frees it with free(). CTM_ERR_FORMAT with `error`, which may be NULL; CTM_ERR_NOMEM; CTM_ERR_LIMIT, also
 * if `size` is 4 GiB or more. */
CTM_API CTM_NODISCARD ctm_status ctm_snapshot_decode_stdlib(const void *bytes, size_t size,
                                                            ctm_snapshot **out,
                                                            void **out_attributes,
                                                            size_t *out_length,
                                                            ctm_file_error *error);

#ifdef __cplusplus
}
#endif
#endif
