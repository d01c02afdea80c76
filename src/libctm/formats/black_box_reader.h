/* formats/black_box_reader.h: the parts of the reader of black boxes.
 *
 * Model: everything is read into private memory with pread, because the file may be cut or written at any time, and is
 * checked there. black_box_load.c reads and checks the rows of one shard, black_box_read.c merges the shards.
 */
#ifndef CTMI_FORMATS_BLACK_BOX_READER_H
#define CTMI_FORMATS_BLACK_BOX_READER_H

#include "formats/black_box_format.h"

/* Owned by the caller; one thread at a time. */
struct ctmi_box_loader {
    int fd;
    uint64_t size;   /* of the file */
    uint64_t budget; /* bytes that may still be read: the chunks of a valid file do not overlap */
    bool changing;   /* the process may be running, or was killed */
    ctm_file_error *error;                     /* borrowed; never NULL */
    struct ctmi_box_table tables[CTMI_TABLES]; /* of the shard that is being loaded */
    struct ctmi_store store;                   /* owned: its rows, without indexes */
};

/* Reads the bytes [offset, offset + size). CTM_ERR_IO, CTM_ERR_FORMAT. */
CTM_NODISCARD ctm_status ctmi_box_read(struct ctmi_box_loader *loader, uint64_t offset, void *out,
                                       size_t size);
/* Stores the fault in `error` and returns CTM_ERR_FORMAT. */
ctm_status ctmi_box_fail(struct ctmi_box_loader *loader, uint64_t offset, const char *reason);
/* Reads the rows of a shard into `store`, which has no memory; blocks at the peak are those with the stamp
 * `peak_stamp`. CTM_ERR_FORMAT, CTM_ERR_IO, CTM_ERR_NOMEM. The caller frees the store in any case. */
CTM_NODISCARD ctm_status ctmi_box_load_shard(struct ctmi_box_loader *loader, uint32_t shard,
                                             uint64_t peak_stamp);

#endif
