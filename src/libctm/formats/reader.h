/* formats/reader.h: the parts of the reader of snapshot files, for decode and its tests.
 *
 * Model: three steps, each of which relies only on what the earlier steps have checked. layout: header, directory and
 * checksums, so that each section is in the file. load: reads rows into a snapshot's columns. check: every reference
 * and count in them. Then the snapshot is sealed.
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

/* One thread at a time. */
struct ctmi_reader {
    const unsigned char *bytes; /* borrowed: the part of the file that is in memory */
    uint64_t size;              /* of the whole file */
    struct ctmi_section sections[CTMI_FILE_KINDS]; /* by kind */
    ctm_file_error *error;                         /* borrowed; never NULL */
};

/* Stores the fault in `error` and returns CTM_ERR_FORMAT. */
ctm_status ctmi_reader_fail(struct ctmi_reader *reader, uint64_t offset, const char *reason);
/* The same for a fault at a byte of a row. */
ctm_status ctmi_reader_fail_row(struct ctmi_reader *reader, enum ctmi_file_kind kind, uint64_t row,
                                uint32_t byte, const char *reason);

/* Checks only the header; needs only the file's size and its first 64 bytes. */
CTM_NODISCARD ctm_status ctmi_reader_header(struct ctmi_reader *reader);
/* Checks header, directory and checksums, and fills `sections`. CTM_ERR_FORMAT. */
CTM_NODISCARD ctm_status ctmi_reader_layout(struct ctmi_reader *reader);
/* Checks the rows of `snapshot`, which is loaded but not sealed. CTM_ERR_FORMAT, CTM_ERR_NOMEM. */
CTM_NODISCARD ctm_status ctmi_reader_check(struct ctmi_reader *reader,
                                           const ctm_snapshot *snapshot);

#endif
