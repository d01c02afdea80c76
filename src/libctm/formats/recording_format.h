/* formats/recording_format.h: the layout of a recording (docs/formats/recording.md), shared by both sides.
 *
 * Model: a header of 64 bytes, then blocks, each with its length and checksum, appended over time. Numbers in the
 * header and in block heads are little-endian. Numbers in payloads are varints: seven bits per byte, the lowest
 * first, the top bit set in all bytes but the last. Signed numbers are folded first (0, -1, 1, -2 … become 0, 1, 2, 3
 * …).
 *
 *   header  0 magic (8) | 8 byte order | 12 major (2) minor (2) | 16 header size | 20 flags
 *          24 started (8) | 32 interval (8) | 40 pid (8) | 48 lack | 52 zero (8) | 60 checksum of bytes 0-59
 *   block   0 length of the payload | 4 kind | 8 checksum of bytes 0-7 and the payload | 12 payload
 */
#ifndef CTMI_FORMATS_RECORDING_FORMAT_H
#define CTMI_FORMATS_RECORDING_FORMAT_H

#include "formats/format.h"

#define CTMI_RECORDING_MAGIC \
    "\x89"                   \
    "CTR\r\n\x1a\n"
#define CTMI_RECORDING_HEADER_SIZE 64u
#define CTMI_BLOCK_HEAD_SIZE 12u
#define CTMI_VARINT_MOST 10u       /* bytes */
#define CTMI_RECORDING_STORES 256u /* numbers of stores are less than this */

enum ctmi_block_kind {
    CTMI_BLOCK_COMMAND = 1, /* text */
    CTMI_BLOCK_SPAN = 2,    /* all tables are empty from here on */
    CTMI_BLOCK_ROWS = 3,    /* new rows of the tables of one store */
    CTMI_BLOCK_TICK = 4,    /* changes of counters */
    CTMI_BLOCK_END = 5,
    CTMI_BLOCK_LOSSES = 6, /* the list of losses from here on */
};
/* Bit of the kind: a reader that does not know the kind must end there. */
#define CTMI_BLOCK_REQUIRED 0x80000000u

/* The lowest three bits of an entry of a tick's list; the other bits are its value. */
enum ctmi_entry {
    CTMI_ENTRY_END = 0,    /* end of the list: the remaining expected sites have rested */
    CTMI_ENTRY_MET = 1,    /* so many sites are as expected, and their live blocks are unchanged */
    CTMI_ENTRY_RESTED = 2, /* so many expected sites have no change */
    CTMI_ENTRY_OFF = 3,    /* an expected site; the difference from the expected blocks (signed) */
    CTMI_ENTRY_OFF_LIVE = 4, /* the same; the change of its live blocks follows */
    CTMI_ENTRY_MET_LIVE = 5, /* a site is as expected; the change of its live blocks (signed) */
    CTMI_ENTRY_NEW =
        6, /* a site that is not expected; its distance from the previous site; its counts follow */
    CTMI_ENTRY_PLAIN = 7, /* an expected site that fits no other entry; its counts follow */
};
#define CTMI_ENTRY_BITS 3u

static inline uint64_t ctmi_fold(int64_t value)
{
    return ((uint64_t)value << 1) ^ (uint64_t)(value < 0 ? -1 : 0);
}

static inline int64_t ctmi_unfold(uint64_t value)
{
    return (int64_t)(value >> 1) ^ -(int64_t)(value & 1);
}

#endif
