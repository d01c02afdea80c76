/* formats/black_box_format.h: the control block of a black box (docs/formats/black-box.md).
 *
 * Model: the file begins with this struct, as it is in memory, padded to CTMI_BOX_CONTROL_SIZE. Chunks of rows follow
 * at page boundaries, in any order. The fields before `crc` never change. The other fields are written while the
 * program runs and may be read at the same time: each number is one aligned word, and a count is raised when the row
 * is complete.
 */
#ifndef CTMI_FORMATS_BLACK_BOX_FORMAT_H
#define CTMI_FORMATS_BLACK_BOX_FORMAT_H

#include <stdatomic.h>
#include <stddef.h>

#include "ctm/black_box.h"
#include "ctm/losses.h"
#include "formats/format.h"
#include "tables/published_peak.h"
#include "tables/store.h"

#define CTMI_BOX_MAGIC \
    "\x89"             \
    "CTMBOX\n"
#define CTMI_BOX_BYTE_ORDER 0x01020304u
#define CTMI_BOX_CONTROL_SIZE 65536u
#define CTMI_BOX_COMMAND 4096u /* bytes of the command, at most */
#define CTMI_BOX_CHUNKS CTMI_BYTES_CHUNKS
_Static_assert(CTMI_ROWS_CHUNKS <= CTMI_BOX_CHUNKS, "room for the chunks of any table");

/* One table of one shard. Written by the shard's owner, or with the world stopped. */
struct ctmi_box_table {
    _Atomic uint64_t count;                  /* rows, row 0 included; 0 for CTMI_TABLE_BYTES */
    _Atomic uint64_t chunk[CTMI_BOX_CHUNKS]; /* offset in the file; 0: there is none */
};

/* A ctm_loss whose count the process raises while the file is read. */
struct ctmi_box_loss {
    _Atomic uint64_t count;
    char kind[CTM_LOSS_KIND];
    char detail[CTM_LOSS_DETAIL];
};
_Static_assert(sizeof(struct ctmi_box_loss) == 512, "as documented");

struct ctmi_box_control {
    char magic[8];
    uint32_t byte_order;
    uint32_t version;
    uint32_t control_size;
    uint32_t shards;
    uint32_t row_sizes[CTMI_TABLES]; /* bytes; 1 for CTMI_TABLE_BYTES */
    uint32_t rows_first_log2;        /* chunk k has 1 << (this + k) rows */
    uint32_t bytes_first_log2;       /* the same for CTMI_TABLE_BYTES */
    uint32_t pid;
    uint32_t nframe;
    uint32_t command_length;
    uint64_t sample_interval;
    uint64_t started_ns;
    char command[CTMI_BOX_COMMAND];
    uint32_t reserved;
    uint32_t crc; /* CRC-32C of all fields above */

    _Atomic uint64_t generation; /* odd: the tables are being emptied */
    _Atomic uint64_t ended_ns;   /* written after `end` */
    _Atomic uint32_t end;        /* ctm_black_box_ending */
    _Atomic uint32_t lack;       /* ctm_black_box_lack */
    struct ctmi_published_peak peak;
    struct ctmi_box_table tables[CTM_SHARDS][CTMI_TABLES];

    /* Zeros in the boxes of older versions, which do not have these fields. A text ends at its first NUL. */
    _Atomic uint32_t n_losses; /* raised when the row is complete */
    _Atomic uint32_t end_status_known, end_status;
    uint32_t more_reserved;
    char end_text[CTM_END_TEXT]; /* written before `end`, with the status; empty: unknown */
    struct ctmi_box_loss losses[CTM_MAX_LOSSES];
};
_Static_assert(sizeof(struct ctmi_box_control) <= CTMI_BOX_CONTROL_SIZE, "the control block");
/* As documented, for any number of tables. In version 1 the offsets are 72, 4188, 4216, 4232, 15712 and 16208. */
#define CTMI_BOX_INTERVAL ((44 + (size_t)4 * CTMI_TABLES + 7) / 8 * 8)
#define CTMI_BOX_TABLES (CTMI_BOX_INTERVAL + 4160)
#define CTMI_BOX_LOSSES (CTMI_BOX_TABLES + (size_t)328 * CTM_SHARDS * CTMI_TABLES)
_Static_assert(offsetof(struct ctmi_box_control, sample_interval) == CTMI_BOX_INTERVAL,
               "as documented");
_Static_assert(offsetof(struct ctmi_box_control, crc) == CTMI_BOX_INTERVAL + 4116, "as documented");
_Static_assert(offsetof(struct ctmi_box_control, peak) == CTMI_BOX_INTERVAL + 4144,
               "as documented");
_Static_assert(offsetof(struct ctmi_box_control, tables) == CTMI_BOX_TABLES, "as documented");
_Static_assert(offsetof(struct ctmi_box_control, n_losses) == CTMI_BOX_LOSSES, "as documented");
_Static_assert(offsetof(struct ctmi_box_control, losses) == CTMI_BOX_LOSSES + 496, "as documented");
_Static_assert(CTMI_BOX_VERSION != 1 || CTMI_BOX_LOSSES == 15712, "as documented");

#define CTMI_BOX_CRC_END offsetof(struct ctmi_box_control, crc)

/* Returns the bytes of a row on file. */
static inline uint32_t ctmi_box_row_size(enum ctmi_table table)
{
    return table == CTMI_TABLE_BYTES ? 1 : ctmi_schemas[table].row_size;
}

#endif
