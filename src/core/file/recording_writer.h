/* file/recording_writer.h: a recording's header and blocks as bytes.
 *
 * Model: everything is appended to a buffer, which the caller writes to the file in one piece and empties. Putting
 * never fails; a buffer that could not grow is marked `failed`, holds nothing good, and is so until it is emptied.
 * Nothing here knows of files or tracers.
 */
#ifndef CTM_FILE_RECORDING_WRITER_H
#define CTM_FILE_RECORDING_WRITER_H

#include <stddef.h>

#include "ctm/recording.h"
#include "file/crc32c.h"
#include "file/recording_forecast.h"
#include "file/recording_format.h"
#include "store/losses.h"

/* Its owner's; begins as zeros. */
struct ctm_buffer {
    unsigned char *bytes; /* owned */
    size_t length, capacity;
    bool failed; /* out of memory */
};

void ctm_buffer_empty(struct ctm_buffer *buffer); /* keeps memory for a usual tick */
void ctm_buffer_free(struct ctm_buffer *buffer);
void ctm_buffer_put(struct ctm_buffer *buffer, const void *bytes, size_t length);
void ctm_buffer_varint(struct ctm_buffer *buffer, uint64_t value);

void ctm_put_recording_header(struct ctm_buffer *buffer, const struct ctm_crc32c *crc,
                              uint64_t started, uint64_t interval, uint64_t pid);
/* The same header, `header` of CTM_RECORDING_HEADER_SIZE bytes, of a recording that ended before its time. */
void ctm_header_set_lack(unsigned char *header, const struct ctm_crc32c *crc,
                         ctm_recording_lack lack);

/* A block: what is put between begin and end is its payload. begin returns what end is to be given. */
size_t ctm_block_begin(struct ctm_buffer *buffer, uint32_t kind);
void ctm_block_end(struct ctm_buffer *buffer, const struct ctm_crc32c *crc, size_t begin);

/* --- payloads --- */
void ctm_put_span(struct ctm_buffer *buffer, const ctm_recording_span *span);
/* The head of a rows block: how many rows of each table follow, table by table. */
void ctm_put_rows_head(struct ctm_buffer *buffer, uint32_t store, const uint32_t *counts);
void ctm_put_string(struct ctm_buffer *buffer, const char *utf8, size_t length);
void ctm_put_function(struct ctm_buffer *buffer, const ctm_function *row);
void ctm_put_frame(struct ctm_buffer *buffer, const ctm_frame *row);
void ctm_put_traceback(struct ctm_buffer *buffer, const ctm_traceback *row);
void ctm_put_label(struct ctm_buffer *buffer, const ctm_label *row);
void ctm_put_site(struct ctm_buffer *buffer, const ctm_site *row);
/* The head of a tick; then for each store with changes its number and a list of changes; then an end of list. */
void ctm_put_tick_head(struct ctm_buffer *buffer, const ctm_moment *moment);
void ctm_put_end_of_list(struct ctm_buffer *buffer);

/* The list of one store: begin, then every site by rising id, changed or not, then end. A store without changes puts
 * nothing at all. */
struct ctm_changes {
    struct ctm_buffer *out;        /* borrowed */
    struct ctm_forecast *forecast; /* borrowed: of the store */
    uint32_t store;
    uint32_t last;  /* the site before */
    bool begun;     /* the store's number is put */
    uint32_t entry; /* of the run that is not put yet: MET or RESTED */
    uint32_t run;   /* its length; 0: none */
    bool idle;      /* nothing has changed in it */
};
void ctm_changes_begin(struct ctm_changes *changes, struct ctm_buffer *out,
                       struct ctm_forecast *forecast, uint32_t store);
/* allocated: blocks more; live: live blocks more (never more than allocated). */
void ctm_changes_site(struct ctm_changes *changes, uint32_t site, uint64_t allocated, int64_t live);
void ctm_changes_end(struct ctm_changes *changes);

void ctm_put_losses(struct ctm_buffer *buffer, const struct ctm_losses *losses);
/* exit_status NULL: not known. */
void ctm_put_end(struct ctm_buffer *buffer, uint64_t time, ctm_recording_end end,
                 const int32_t *exit_status, const char *text);

#endif
