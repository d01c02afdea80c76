/* formats/black_box_reader.h: the parts of reading a black box.
 *
 * Model: everything is read into private memory with pread, because the file may be cut or written at any time, and
 * checked there. black_box_load.c reads and checks the rows of a shard, black_box_read.c puts the shards together.
 */
#ifndef CTMI_FORMATS_BLACK_BOX_READER_H
#define CTMI_FORMATS_BLACK_BOX_READER_H

#include "formats/black_box_format.h"

struct ctmi_box_loader {
    int fd;
    uint64_t size;   /* of the file */
    uint64_t budget; /* bytes that may still be read: parts of an honest file do not overlap */
    bool moving;     /* the process may be running, or was killed */
    ctm_file_error *error;                     /* borrowed; never NULL */
    struct ctmi_box_table tables[CTMI_TABLES]; /* of the shard being loaded */
    struct ctmi_store store;                   /* its rows, without indexes */
};

/* Reads all of [offset, offset + size). CTM_ERR_IO, CTM_ERR_FORMAT. */
CTM_NODISCARD ctm_status ctmi_box_read(struct ctmi_box_loader *loader, uint64_t offset, void *out,
                                       size_t size);
ctm_status ctmi_box_fail(struct ctmi_box_loader *loader, uint64_t offset, const char *reason);
/* Fills `store`, which has no memory, with the rows of a shard; site counters are settled as of `peak_stamp`. CTM_ERR_FORMAT, CTM_ERR_IO,
 * CTM_ERR_NOMEM. The caller frees the store in any case. */
CTM_NODISCARD ctm_status ctmi_box_load_shard(struct ctmi_box_loader *loader, uint32_t shard,
                                             uint64_t peak_stamp);

#endif
