/* file/replace.h: putting bytes in the place of a file, whole or not at all. */
#ifndef CTM_FILE_REPLACE_H
#define CTM_FILE_REPLACE_H

#include <stddef.h>

#include "ctm/status.h"

/* `path` afterwards holds `bytes`, or, on CTM_ERR_IO (errno set) and CTM_ERR_NOMEM, what it
 * held before. Symbolic links are followed. What is no regular file (a pipe, a
 * device) is written to directly. Nothing is synced to disk. */
CTM_NODISCARD ctm_status ctm_file_replace(const char *path, const void *bytes, size_t size);

#endif
