/* sinks/recorder.h: what a recorder is made of; private to the sinks.
 *
 * Model: one thread owns all of a recorder but for what `lock` guards. Each tick it reads the tables into a buffer
 * (recorder_read.c, inside the tracer's gate) and then writes the buffer to the file (recorder_file.c, outside of any
 * lock). Others ask for a tick or for the end, and wait for it.
 *
 * `seen` remembers, for each site, what is on file, and only what differs is put. Everything begins anew when the
 * tracer's generation changes: a new span.
 */
#ifndef CTMI_SINKS_RECORDER_H
#define CTMI_SINKS_RECORDER_H

#include <pthread.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "ctm/recording.h"
#include "formats/recording_writer.h"
#include "tracer/shard.h"

/* Counters of a site that are on file. */
struct ctmi_seen {
    uint64_t allocated, freed;
};

/* What is on file of one shard. */
struct ctmi_recorded_shard {
    uint32_t counts[CTMI_ROWS_TABLES]; /* rows, row 0 included */
    struct ctmi_seen *seen;            /* owned; by site id */
    uint32_t capacity;
    struct ctmi_forecast forecast;
};

struct ctm_recorder {
    struct ctmi_sink sink; /* first */
    ctm_tracer *tracer;    /* constant, borrowed */
    uint64_t interval;     /* constant: nanoseconds */
    uint64_t began;        /* constant: monotonic time of the start */
    pthread_t thread;      /* whoever starts and stops */
    bool joined;           /* the same: the recording has ended, there is no thread any more */
    bool threadless;       /* the same: there is none between pause and resume */
    bool leaked;           /* the same: it hangs, or is not in this process: nothing may be freed */

    /* The thread's alone, from its start to its end. */
    _Atomic int fd; /* owned; -1: closed. The child of a fork reads it */
    dev_t device;   /* of the file: is fd still ours? */
    ino_t inode;
    _Atomic size_t memory; /* bytes that it takes; read by anyone */
    uint64_t written;      /* bytes in the file */
    struct ctmi_crc32c crc;
    struct ctmi_buffer out, changes; /* what is to be written; the changes of the tick being read */
    struct ctmi_recorded_shard shards[CTM_SHARDS];
    uint32_t generation;            /* of the span on file; 0: none yet */
    bool tracing;                   /* was it, in that span? */
    uint64_t bytes, blocks;         /* sums over `seen` */
    uint64_t annotations_version;   /* of the losses on file, in this span; 0: none */
    struct ctmi_end_annotation end; /* as of the last tick */
    unsigned char header[CTMI_RECORDING_HEADER_SIZE]; /* as it is on file */

    pthread_mutex_t lock; /* guards all below; nothing else is locked inside it */
    pthread_cond_t wake;  /* the thread waits here */
    pthread_cond_t done;  /* the others wait here */
    uint64_t asked;       /* ticks that were asked for */
    uint64_t read;        /* of these: the tables were read */
    uint64_t put;         /* of these: they are in the file */
    bool stopping, at_exit;
    bool pausing; /* the thread is to end, the recording to go on */
    bool paused;  /* it does so */
    ctm_recorder_state state;
};

/* --- the file (recorder_file.c) --- */

/* A regular file of ours alone, with what it held; else -1 with errno. */
int ctmi_recorder_open_file(const char *path, struct stat *out, bool *out_new);
/* A recording that could not be begun leaves no file that was not there, nor an empty one. */
void ctmi_recorder_remove_file(struct ctm_recorder *recorder, const char *path, bool is_new);
void ctmi_recorder_close_file(struct ctm_recorder *recorder);
/* Writes `out`. errno of what went wrong, 0 if all is written. */
int ctmi_recorder_write_out(struct ctm_recorder *recorder, const char **out_reason);
/* Says in the header why the recording ends here. It has its place already, so this needs no room. */
void ctmi_recorder_write_lack(struct ctm_recorder *recorder, int error);

/* --- the tables (recorder_read.c) --- */

/* Reads the tables and appends to `out` what has changed. False: out of memory. The thread's. */
bool ctmi_recorder_read(struct ctm_recorder *recorder);
/* Nanoseconds since the recording began. */
uint64_t ctmi_recorder_time(const struct ctm_recorder *recorder);
/* Bytes of memory in use; the thread's. */
size_t ctmi_recorder_memory(const struct ctm_recorder *recorder);
void ctmi_recorder_free_shards(struct ctm_recorder *recorder);

#endif
