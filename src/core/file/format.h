/* file/format.h: the layout of a snapshot file (docs/file-format.md), shared by both sides.
 *
 * Model: a header of 64 bytes, sections at multiples of 8, a directory of them. All numbers
 * are little-endian and written and read byte by byte, so the host's order and alignment
 * do not matter.
 *
 *   header    0 magic (8) | 8 byte order | 12 major (2) minor (2) | 16 header size | 20 sections
 *            24 file size (8) | 32 directory offset (8) | 40 directory row size | 44 flags
 *            48 zero (8) | 56 checksum of the directory | 60 checksum of header bytes 0-59
 *   directory 0 kind | 4 flags | 8 offset (8) | 16 length (8) | 24 rows (8) | 32 row size
 *            36 checksum of the section
 */
#ifndef CTM_FILE_FORMAT_H
#define CTM_FILE_FORMAT_H

#include <stdint.h>

/* As in PNG: a byte over 127 and both kinds of line end tell a file damaged in transport. */
#define CTM_FILE_MAGIC \
    "\x89"             \
    "CTM\r\n\x1a\n"
#define CTM_FILE_MAGIC_SIZE 8u
#define CTM_FILE_BYTE_ORDER 0x01020304u
#define CTM_FILE_MAJOR 1u      /* raised when older readers cannot understand the file */
#define CTM_FILE_MINOR 2u      /* raised when they can, and only miss something */
#define CTM_FILE_MINOR_BASE 1u /* of a file without losses: it is what version 1.1 wrote */
#define CTM_FILE_SAMPLED 1u    /* flag in INFO: there is a sample interval */
#define CTM_FILE_PEAK_KNOWN 1u /* fact in INFO: the sites' blocks at the peak are known */
#define CTM_FILE_HEADER_SIZE 64u
#define CTM_FILE_DIRECTORY_ROW 40u
#define CTM_FILE_ALIGNMENT 8u
#define CTM_FILE_MAX_SECTIONS 4096u

enum ctm_file_kind {
    CTM_FILE_INFO = 1,           /* one row: the totals */
    CTM_FILE_STRING_OFFSETS = 2, /* where each string begins in STRING_BYTES, and the end */
    CTM_FILE_STRING_BYTES = 3,   /* NUL-terminated UTF-8 */
    CTM_FILE_FUNCTIONS = 4,
    CTM_FILE_FRAMES = 5,
    CTM_FILE_TRACEBACKS = 6,
    CTM_FILE_SITES = 7,
    CTM_FILE_ATTRIBUTES = 8, /* the caller's bytes */
    CTM_FILE_LABELS = 9,     /* label sets; left out if there are none */
    CTM_FILE_LOSSES = 10,    /* left out if there are none */
    CTM_FILE_KINDS = 11,
};

/* Set in a directory row: a reader that does not know the kind must refuse the file. */
#define CTM_FILE_REQUIRED 1u

/* Bytes of a row, by kind, in this version. */
static inline uint32_t ctm_file_row_size(uint32_t kind)
{
    static const uint32_t sizes[CTM_FILE_KINDS] = {0, 80, 8, 1, 12, 8, 12, 48, 1, 12, 512};
    return sizes[kind];
}

/* Bytes of a row in the first version: a reader can do with these. */
static inline uint32_t ctm_file_least_row_size(uint32_t kind)
{
    return kind == CTM_FILE_INFO || kind == CTM_FILE_SITES ? 40 : ctm_file_row_size(kind);
}

static inline uint16_t ctm_get_u16(const unsigned char *at)
{
    return (uint16_t)(at[0] | at[1] << 8);
}

static inline uint32_t ctm_get_u32(const unsigned char *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static inline uint64_t ctm_get_u64(const unsigned char *at)
{
    return (uint64_t)ctm_get_u32(at) | (uint64_t)ctm_get_u32(at + 4) << 32;
}

static inline void ctm_put_u16(unsigned char *at, uint16_t value)
{
    at[0] = (unsigned char)value;
    at[1] = (unsigned char)(value >> 8);
}

static inline void ctm_put_u32(unsigned char *at, uint32_t value)
{
    ctm_put_u16(at, (uint16_t)value);
    ctm_put_u16(at + 2, (uint16_t)(value >> 16));
}

static inline void ctm_put_u64(unsigned char *at, uint64_t value)
{
    ctm_put_u32(at, (uint32_t)value);
    ctm_put_u32(at + 4, (uint32_t)(value >> 32));
}

#endif
