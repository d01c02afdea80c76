/* formats/recording_writer.h: encodes the header and the blocks of a recording.
 *
 * Model: everything is appended to a buffer. The caller writes the buffer to the file at once and empties it. A put
 * function returns no error: a buffer that could not grow is marked `failed`, has no valid content, and stays so
 * until it is emptied. Nothing here depends on files or tracers.
 */
#ifndef CTMI_FORMATS_RECORDING_WRITER_H
#define CTMI_FORMATS_RECORDING_WRITER_H

#include <stddef.h>

#include "base/crc32c.h"
#include "ctm/recording.h"
#include "formats/recording_forecast.h"
#include "formats/recording_format.h"
#include "tables/losses.h"
#include "tables/schema.h"

/* Initialized with zeros. Used by its owner only. */
struct ctmi_buffer {
    unsigned char *bytes; /* owned */
    size_t length, capacity;
    bool failed; /* out of memory */
};

void ctmi_buffer_empty(struct ctmi_buffer *buffer); /* retains memory for a usual tick */
void ctmi_buffer_free(struct ctmi_buffer *buffer);
void ctmi_buffer_put(struct ctmi_buffer *buffer, const void *bytes, size_t length);
void ctmi_buffer_varint(struct ctmi_buffer *buffer, uint64_t value);

void ctmi_put_recording_header(struct ctmi_buffer *buffer, const struct ctmi_crc32c *crc,
                               uint64_t started, uint64_t interval, uint64_t pid);
/* Stores the lack in `header`, of CTMI_RECORDING_HEADER_SIZE bytes, for a recording that ended before the program. */
void ctmi_header_set_lack(unsigned char *header, const struct ctmi_crc32c *crc,
                          ctm_recording_lack lack);

/* A block: the bytes put between begin and end are its payload. The result of begin is the argument of end. */
size_t ctmi_block_begin(struct ctmi_buffer *buffer, uint32_t kind);
void ctmi_block_end(struct ctmi_buffer *buffer, const struct ctmi_crc32c *crc, size_t begin);

/* --- payloads --- */
void ctmi_put_span(struct ctmi_buffer *buffer, const ctm_recording_span *span);
/* The head of a rows block: the number of rows of each table, which follow table by table. */
void ctmi_put_rows_head(struct ctmi_buffer *buffer, uint32_t store, const uint32_t *counts);
void ctmi_put_string(struct ctmi_buffer *buffer, const char *utf8, size_t length);
/* A row of any other table: the fields of its key. */
void ctmi_put_content(struct ctmi_buffer *buffer, enum ctmi_table table, const void *content);
/* ctmi_put_function, ctmi_put_frame …: the same for one table. */
#define TABLE(ID, one, many, number, section, content, row)                            \
    static inline void ctmi_put_##one(struct ctmi_buffer *buffer, const content *from) \
    {                                                                                  \
        ctmi_put_content(buffer, CTMI_TABLE_##ID, from);                               \
    }
CTMI_CONTENT_TABLES(TABLE)
#undef TABLE
/* The head of a tick; then for each store with changes its number and a list of changes; then an end of list. */
void ctmi_put_tick_head(struct ctmi_buffer *buffer, const ctm_moment *moment);
void ctmi_put_end_of_list(struct ctmi_buffer *buffer);

/* The list of one store: begin, then every site in ascending order of ids, changed or not, then end. Nothing is put
 * for a store without changes. */
struct ctmi_changes {               /* owned by the caller; one thread at a time */
    struct ctmi_buffer *out;        /* borrowed */
    struct ctmi_forecast *forecast; /* borrowed: of the store */
    uint32_t store;
    uint32_t last;  /* the previous site */
    bool begun;     /* the store's number is put */
    uint32_t entry; /* kind of the run that is not put yet: MET or RESTED */
    uint32_t run;   /* its length; 0: none */
    bool idle;      /* no site of the run has changed */
};
void ctmi_changes_begin(struct ctmi_changes *changes, struct ctmi_buffer *out,
                        struct ctmi_forecast *forecast, uint32_t store);
/* allocated: blocks allocated since the last tick; live: change of the live blocks (at most `allocated`). */
void ctmi_changes_site(struct ctmi_changes *changes, uint32_t site, uint64_t allocated,
                       int64_t live);
void ctmi_changes_end(struct ctmi_changes *changes);

void ctmi_put_losses(struct ctmi_buffer *buffer, const struct ctmi_losses *losses);
/* exit_status NULL: unknown. */
void ctmi_put_end(struct ctmi_buffer *buffer, uint64_t time, ctm_recording_end end,
                  const int32_t *exit_status, const char *text);

#endif
