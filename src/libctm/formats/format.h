/* formats/format.h: the versions of the three formats, and the layout of a snapshot file (docs/formats/snapshot.md),
 * shared by both sides.
 *
 * Model: a header of 64 bytes, a directory, and sections at multiples of 8 bytes. All numbers are little-endian and are
 * written and read byte by byte, so the byte order and alignment of the machine do not matter.
 *
 *   header    0 magic (8) | 8 byte order | 12 major (2) minor (2) | 16 header size | 20 sections
 *            24 file size (8) | 32 directory offset (8) | 40 directory row size | 44 flags
 *            48 zero (8) | 56 checksum of the directory | 60 checksum of header bytes 0-59
 *   directory 0 kind | 4 flags | 8 offset (8) | 16 length (8) | 24 rows (8) | 32 row size
 *            36 checksum of the section
 */
#ifndef CTMI_FORMATS_FORMAT_H
#define CTMI_FORMATS_FORMAT_H

#include <stdint.h>

#include "base/bytes.h"
#include "tables/schema.h"

/* --- the versions of recordings (recording_format.h) and black boxes (black_box_format.h). They have rows of each table,
 * whose sizes and number a reader knows by the version only, so a reader refuses another one. */
#define CTMI_RECORDING_MAJOR 1u
#define CTMI_RECORDING_MINOR 1u
#define CTMI_BOX_VERSION 1u
_Static_assert(CTMI_RECORDING_MAJOR >= CTMI_TABLES - 6u && CTMI_BOX_VERSION >= CTMI_TABLES - 6u,
               "each table beyond the seven of version 1 is a new version");

/* --- the snapshot file --- */

/* As in PNG: a byte over 127 and both kinds of line end detect a file that was damaged in transport. */
#define CTMI_FILE_MAGIC \
    "\x89"              \
    "CTM\r\n\x1a\n"
#define CTMI_FILE_MAGIC_SIZE 8u
#define CTMI_FILE_BYTE_ORDER 0x01020304u
#define CTMI_FILE_MAJOR 1u      /* raised when older readers cannot read the file */
#define CTMI_FILE_MINOR 1u      /* raised when they can read it without a new field */
#define CTMI_FILE_SAMPLED 1u    /* flag in INFO: there is a sample interval */
#define CTMI_FILE_PEAK_KNOWN 1u /* bit of the facts in INFO: the blocks at the peak are known */
#define CTMI_FILE_HEADER_SIZE 64u
#define CTMI_FILE_DIRECTORY_ROW 40u
#define CTMI_FILE_ALIGNMENT 8u
#define CTMI_FILE_MAX_SECTIONS 4096u
#define CTMI_FILE_INFO_SIZE 80u
#define CTMI_FILE_INFO_LEAST_SIZE 40u /* in the first version */
#define CTMI_FILE_LOSS_SIZE 512u

/* Those of the tables are in the list of tables: CTMI_FILE_FUNCTIONS, CTMI_FILE_FRAMES … */
enum ctmi_file_kind {
    CTMI_FILE_INFO = 1, /* one row: the totals */
#define TABLE(ID, one, many, number, section, ...) CTMI_FILE_##ID = (section),
    CTMI_CONTENT_TABLES(TABLE)
#undef TABLE
        CTMI_FILE_STRING_OFFSETS = 2, /* the offset of each string in STRING_BYTES, and the end */
    CTMI_FILE_STRING_BYTES = 3,       /* NUL-terminated UTF-8 */
    CTMI_FILE_ATTRIBUTES = 8,         /* the caller's bytes */
    CTMI_FILE_LOSSES = 10,            /* omitted if there are none */
    CTMI_FILE_KINDS = 11,
};

#define TABLE(ID, ...) \
    _Static_assert(CTMI_FILE_##ID < CTMI_FILE_KINDS, "CTMI_FILE_KINDS is too small");
CTMI_CONTENT_TABLES(TABLE)
#undef TABLE

/* Set in a directory row: a reader that does not know the kind must refuse the file. */
#define CTMI_FILE_REQUIRED 1u

/* Returns the minor version of a file with a section of this kind. A file has the greatest of its sections, so a file
 * without a new section is the same as before. */
static inline uint16_t ctmi_file_minor_of(uint32_t kind)
{
    return kind == CTMI_FILE_LOSSES ? 2 : CTMI_FILE_MINOR;
}

/* Returns the section of a table; of the strings, the section of their offsets. */
static inline enum ctmi_file_kind ctmi_file_kind_of(enum ctmi_table table)
{
    switch (table) {
#define TABLE(ID, ...) \
    case CTMI_TABLE_##ID: return CTMI_FILE_##ID;
        CTMI_CONTENT_TABLES(TABLE)
#undef TABLE
    default: return CTMI_FILE_STRING_OFFSETS;
    }
}

/* Returns the table that has the section; CTMI_TABLE_STRINGS: no other table has it. */
static inline enum ctmi_table ctmi_file_table_of(uint32_t kind)
{
    switch (kind) {
#define TABLE(ID, ...) \
    case CTMI_FILE_##ID: return CTMI_TABLE_##ID;
        CTMI_CONTENT_TABLES(TABLE)
#undef TABLE
    default: return CTMI_TABLE_STRINGS;
    }
}

/* Returns the bytes of a row, by kind, in this version. */
static inline uint32_t ctmi_file_row_size(uint32_t kind)
{
    const enum ctmi_table table = ctmi_file_table_of(kind);
    if (table != CTMI_TABLE_STRINGS) {
        return ctmi_schemas[table].content_size;
    }
    return kind == CTMI_FILE_INFO             ? CTMI_FILE_INFO_SIZE
           : kind == CTMI_FILE_STRING_OFFSETS ? sizeof(uint64_t)
           : kind == CTMI_FILE_LOSSES         ? CTMI_FILE_LOSS_SIZE
                                              : 1;
}

/* Returns the bytes of a row in the first version, which are the least that a reader needs. */
static inline uint32_t ctmi_file_least_row_size(uint32_t kind)
{
    const enum ctmi_table table = ctmi_file_table_of(kind);
    if (table != CTMI_TABLE_STRINGS) {
        return ctmi_schema_least_size(&ctmi_schemas[table]);
    }
    return kind == CTMI_FILE_INFO ? CTMI_FILE_INFO_LEAST_SIZE : ctmi_file_row_size(kind);
}

#endif
