/* formats/recording_reader.h: the parts of the reader of recordings.
 *
 * Model: a *cursor* has the tables as they were at one position of the file. It moves forward by applying block after
 * block, and back by starting again at the beginning of the span. Opening moves a cursor from the header to the last
 * valid block and stores the positions of spans and ticks; snapshots and series move it to a tick.
 *
 *   recording_source.c       bytes of the file, a window at a time
 *   recording_tables.c       payloads → tables of a cursor, every number checked
 *   recording_open.c         header, blocks, moving the cursor
 *   recording_snapshot.c     the tables of all stores → one snapshot
 *   recording_series.c       files, lines or functions over time
 *   recording_annotations.c  losses, and how the process ended
 *
 * A recording belongs to one thread at a time, with all structs here.
 */
#ifndef CTMI_FORMATS_RECORDING_READER_H
#define CTMI_FORMATS_RECORDING_READER_H

#include "base/crc32c.h"
#include "ctm/recording.h"
#include "formats/recording_forecast.h"
#include "formats/recording_format.h"
#include "tables/losses.h"
#include "tables/schema.h"

/* --- recording_source.c --- */

struct ctmi_source {
    const unsigned char *bytes; /* borrowed: the whole recording; NULL: it is read from `fd` */
    int fd;                     /* owned; -1: none */
    uint64_t size;
    unsigned char *window; /* owned: bytes of the file from window_start on */
    size_t window_size, window_capacity;
    size_t window_most; /* constant; bytes read at a time, unless a block is larger */
    uint64_t window_start;
};

CTM_NODISCARD ctm_status ctmi_source_open(struct ctmi_source *source, const char *path);
void ctmi_source_close(struct ctmi_source *source);
/* Returns `length` bytes from `offset` on, which are within `size`; borrowed until the next call. CTM_ERR_IO,
 * CTM_ERR_NOMEM; CTM_ERR_FORMAT: the file is shorter than before. */
CTM_NODISCARD ctm_status ctmi_source_get(struct ctmi_source *source, uint64_t offset, size_t length,
                                         const unsigned char **out);

/* --- recording_tables.c --- */

struct ctmi_recorded_string {
    uint64_t offset; /* in `bytes` */
    uint32_t length;
};

/* The tables of one store, each an array by id; row 0 has zeros. Owns all its arrays. */
struct ctmi_recorded {
    union { /* each table by enum ctmi_table, and by its name; sites with their counters */
        void *rows[CTMI_ROWS_TABLES];
        struct {
            struct ctmi_recorded_string *strings;
#define TABLE(ID, one, many, number, section, content, row) content *many;
            CTMI_CONTENT_TABLES(TABLE)
#undef TABLE
        };
    };
    uint32_t *lengths; /* frames of each traceback; same capacity as the tracebacks */
    char *bytes;       /* of strings */
    uint64_t bytes_length, bytes_capacity;
    uint32_t counts[CTMI_ROWS_TABLES], capacities[CTMI_ROWS_TABLES]; /* row 0 included */
    struct ctmi_forecast forecast;
};

struct ctmi_cursor {
    struct ctmi_recorded *stores[CTMI_RECORDING_STORES]; /* owned; NULL: empty */
    uint64_t position;                                   /* of the next block in the file */
    ctm_recording_span span;                             /* the span that it is in */
    uint32_t spans;                                      /* number of spans that have begun */
    size_t moments;                                      /* number of ticks applied, of all spans */
    uint64_t time;                                       /* of the last block that has one */
    uint64_t bytes, blocks;  /* sums over the sites, modulo 2^64 until compared with a tick's */
    uint64_t weighted_bytes; /* of a sample: the bytes that the blocks stand for */
    double weighted_blocks;
    struct ctmi_losses losses; /* of the last block of losses in the span */
    bool broken;               /* a block was applied in part: the tables may only be emptied */
};

/* The rest of a payload, and the reason if it was refused. */
struct ctmi_payload {
    const unsigned char *at, *end; /* borrowed */
    const char *reason;            /* static text; NULL: valid so far */
};

void ctmi_cursor_empty(struct ctmi_cursor *cursor); /* the tables only */
CTM_NODISCARD ctm_status ctmi_apply_span(struct ctmi_cursor *cursor, struct ctmi_payload *payload);
CTM_NODISCARD ctm_status ctmi_apply_rows(struct ctmi_cursor *cursor, struct ctmi_payload *payload);
CTM_NODISCARD ctm_status ctmi_apply_tick(struct ctmi_cursor *cursor, struct ctmi_payload *payload,
                                         ctm_moment *out);
uint64_t ctmi_payload_varint(struct ctmi_payload *payload); /* 0 if there is none, with a reason */
/* Stores the reason, if it is the first one, and returns CTM_ERR_FORMAT. */
ctm_status ctmi_payload_fail(struct ctmi_payload *payload, const char *reason);

/* --- recording_open.c --- */

struct ctm_recording {
    struct ctmi_source source;
    struct ctmi_crc32c crc;
    ctm_recording_info info;
    char *command;             /* owned; info.command */
    ctm_moment *moments;       /* owned: info.moments of them */
    ctm_recording_span *spans; /* owned: info.spans */
    uint64_t *span_positions;  /* owned: file offset of the block of each span */
    size_t moments_capacity, spans_capacity;
    struct ctmi_cursor cursor;
    struct ctmi_losses losses;   /* of all moments */
    char end_text[CTM_END_TEXT]; /* info.end_text */
};

/* --- recording_annotations.c --- */
CTM_NODISCARD ctm_status ctmi_apply_losses(struct ctmi_cursor *cursor,
                                           struct ctmi_payload *payload);
/* Adds the cursor's list to the recording's. */
void ctmi_recording_set_losses(struct ctm_recording *recording);
/* Reads the part of an end block after its time and kind. */
CTM_NODISCARD ctm_status ctmi_recording_read_end(struct ctm_recording *recording,
                                                 struct ctmi_payload *payload);
/* Adds a loss of the kind "file" if the recording ended before the program. */
void ctmi_recording_set_lack(const struct ctm_recording *recording, struct ctmi_losses *out);

/* Applies the block at the cursor and returns its kind and, of a tick, its moment. CTM_ERR_FORMAT: *out_error (not
 * NULL) says why. At the end of the file: kind 0. */
CTM_NODISCARD ctm_status ctmi_cursor_step(struct ctm_recording *recording, uint32_t *out_kind,
                                          ctm_moment *out_moment, ctm_file_error *out_error);
/* Moves the cursor to the position right after tick `moment`, which exists. */
CTM_NODISCARD ctm_status ctmi_cursor_seek(struct ctm_recording *recording, size_t moment);

#endif
