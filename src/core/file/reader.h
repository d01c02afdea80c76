/* file/reader.h: the parts of reading a snapshot file, for decode and its tests.
 *
 * Model: three steps, each trusting only what those before have shown. layout: header, directory,
 * checksums, so that each section is known to lie in the file; load: rows into a snapshot's
 * columns; check: every reference and count in them. Only then is the snapshot sealed.
 */
#ifndef CTM_FILE_READER_H
#define CTM_FILE_READER_H

#include "ctm/file.h"
#include "file/format.h"
#include "read/snapshot.h"

struct ctm_section {
    uint64_t offset, length, rows; /* offset 0: not in the file */
    uint64_t row_size;
};

struct ctm_reader {
    const unsigned char *bytes;                  /* borrowed: what of the file is in memory */
    uint64_t size;                               /* of the whole file */
    struct ctm_section sections[CTM_FILE_KINDS]; /* by kind */
    ctm_file_error *error;                       /* borrowed; never NULL */
};

/* Notes the fault, returns CTM_ERR_FORMAT. */
ctm_status ctm_reader_fail(struct ctm_reader *reader, uint64_t offset, const char *reason);
/* The same, at a byte of a row. */
ctm_status ctm_reader_fail_row(struct ctm_reader *reader, enum ctm_file_kind kind, uint64_t row,
                               uint32_t byte, const char *reason);

/* Checks the header alone; of the file only its size and first 64 bytes need be there. */
CTM_NODISCARD ctm_status ctm_reader_header(struct ctm_reader *reader);
/* Header, directory, checksums; fills `sections`. CTM_ERR_FORMAT. */
CTM_NODISCARD ctm_status ctm_reader_layout(struct ctm_reader *reader);
/* Checks the rows of `snapshot`, loaded but not sealed. CTM_ERR_FORMAT, CTM_ERR_NOMEM. */
CTM_NODISCARD ctm_status ctm_reader_check(struct ctm_reader *reader, const ctm_snapshot *snapshot);

#endif
