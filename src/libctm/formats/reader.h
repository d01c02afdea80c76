/* formats/reader.h: the parts of reading a snapshot file, for decode and its tests.
 *
 * Model: three steps, each trusting only what those before have shown. layout: header, directory,
 * checksums, so that each section is known to lie in the file; load: rows into a snapshot's
 * columns; check: every reference and count in them. Only then is the snapshot sealed.
 */
#ifndef CTMI_FORMATS_READER_H
#define CTMI_FORMATS_READER_H

#include "ctm/file.h"
#include "formats/format.h"
#include "snapshot/snapshot.h"

struct ctmi_section {
    uint64_t offset, length, rows; /* offset 0: not in the file */
    uint64_t row_size;
};

struct ctmi_reader {
    const unsigned char *bytes;                    /* borrowed: what of the file is in memory */
    uint64_t size;                                 /* of the whole file */
    struct ctmi_section sections[CTMI_FILE_KINDS]; /* by kind */
    ctm_file_error *error;                         /* borrowed; never NULL */
};

/* Notes the fault, returns CTM_ERR_FORMAT. */
ctm_status ctmi_reader_fail(struct ctmi_reader *reader, uint64_t offset, const char *reason);
/* The same, at a byte of a row. */
ctm_status ctmi_reader_fail_row(struct ctmi_reader *reader, enum ctmi_file_kind kind, uint64_t row,
                                uint32_t byte, const char *reason);

/* Checks the header alone; of the file only its size and first 64 bytes need be there. */
CTM_NODISCARD ctm_status ctmi_reader_header(struct ctmi_reader *reader);
/* Header, directory, checksums; fills `sections`. CTM_ERR_FORMAT. */
CTM_NODISCARD ctm_status ctmi_reader_layout(struct ctmi_reader *reader);
/* Checks the rows of `snapshot`, loaded but not sealed. CTM_ERR_FORMAT, CTM_ERR_NOMEM. */
CTM_NODISCARD ctm_status ctmi_reader_check(struct ctmi_reader *reader,
                                           const ctm_snapshot *snapshot);

#endif
