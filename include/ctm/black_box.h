/* ctm/black_box.h: a tracer's tables in a file, to be read while the process runs or after it was killed.
 *
 * Model: a black box is a file with the tables of a tracer, which the tracer has as a shared mapping
 * (docs/formats/black-box.md). Events change the mapped tables in place, at no extra cost. However the process ends, the
 * file has the tables as they were at that moment. Any process may read it at any time.
 */
#ifndef CTM_BLACK_BOX_H
#define CTM_BLACK_BOX_H

#include "ctm/file.h"
#include "ctm/losses.h"
#include "ctm/tracer.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum ctm_black_box_ending {
    CTM_BOX_NOT_ENDED = 0, /* the process is running, or was killed */
    CTM_BOX_STOPPED = 1,   /* by a call */
    CTM_BOX_EXIT = 2,      /* at the exit of the process */
} ctm_black_box_ending;

/* Why a box is not complete. */
typedef enum ctm_black_box_lack {
    CTM_BOX_COMPLETE = 0,
    CTM_BOX_NO_SPACE = 1, /* the file could not grow: the disk, a quota or a limit of the process */
    CTM_BOX_CLOSED = 2,   /* the program closed the file descriptor, so the file could not grow */
    CTM_BOX_CUT = 3,      /* the file was truncated */
} ctm_black_box_lack;
/* A short English text, never NULL. Static storage; any thread. */
CTM_API const char *ctm_black_box_lack_text(ctm_black_box_lack lack);

/* --- writing: called as if inside shard 0, unless noted --- */

/* Empties the tables of `tracer` as ctm_tracer_clear does and moves them into a new file. `path` is created with mode
 * 0600; it replaces a black box that no process writes. CTM_ERR_IO with errno: EEXIST (another kind of file is there),
 * ELOOP (a symbolic link), EWOULDBLOCK (a black box in use), or an error of the system.
 * CTM_ERR_NOT_TRACING; CTM_ERR_INVALID: the tracer has a box already; CTM_ERR_NOMEM.
 *
 * Errors of the file never end tracing: see ctm_black_box_state. While there is a box, libctm has a handler for SIGBUS
 * installed. ctm_tracer_stop ends the box. The child of a fork has none. */
CTM_API CTM_NODISCARD ctm_status ctm_black_box_start(ctm_tracer *tracer, const char *path);
/* The same, but the tables keep their content, which is written to the file: for the child of a fork, or for a tracer
 * that has been tracing. CTM_ERR_IO also if there is no space for the tables; CTM_ERR_NOMEM also if they are void
 * (ctm_black_box_is_broken). An error changes nothing. */
CTM_API CTM_NODISCARD ctm_status ctm_black_box_continue(ctm_tracer *tracer, const char *path);
/* Ends the box with its content as of now; tracing continues in private memory. Does nothing if there is no box.
 * If there is no memory for a copy of the tables, the tracer continues to use the pages of the file, which must not be
 * truncated then. CTM_ERR_NOMEM: that is impossible too, because the descriptor was closed or the file truncated; the
 * box continues. */
CTM_API CTM_NODISCARD ctm_status ctm_black_box_end(ctm_tracer *tracer, ctm_black_box_ending reason);
/* Whether the tracer has a box, and what that lacks. Any thread. */
CTM_API bool ctm_black_box_state(ctm_tracer *tracer, ctm_black_box_lack *out_lack);
/* Whether a truncation of the box's file has lost counters. All numbers of the tracer are void then until the next
 * start, and ctm_tracer_snapshot returns CTM_ERR_IO. Any thread. */
CTM_API bool ctm_black_box_is_broken(ctm_tracer *tracer);

/* --- reading: any thread --- */

typedef struct ctm_black_box ctm_black_box; /* opaque; one thread at a time */

typedef struct ctm_black_box_info {
    uint64_t started_ns;      /* UNIX time */
    uint64_t ended_ns;        /* UNIX time; 0: it has not ended (see `end`) */
    uint64_t sample_interval; /* bytes; 0: every block is recorded */
    uint32_t nframe;          /* the limit of frames */
    uint32_t pid;             /* in the process's own namespace */
    ctm_black_box_ending end;
    ctm_black_box_lack lack;
    bool running; /* whether a process has the file open as its box */
    const char
        *command; /* UTF-8, NUL-terminated; borrowed until the box is closed; "": not known */
    const char *
        end_text; /* how the program ended (ctm_tracer_set_end); "": not known; borrowed until the next call */
    int32_t exit_status; /* 0 if it is not known */
    bool exit_status_known;
} ctm_black_box_info;

/* Opens a black box to read; the caller closes *out. CTM_ERR_FORMAT: it is not a black box, or a damaged one (see
 * `error`, which may be NULL). CTM_ERR_IO, CTM_ERR_NOMEM. */
CTM_API CTM_NODISCARD ctm_status ctm_black_box_open(const char *path, ctm_black_box **out,
                                                    ctm_file_error *error);
CTM_API void ctm_black_box_close(ctm_black_box *box); /* NULL is allowed */
/* The state as of now. */
CTM_API void ctm_black_box_info_get(ctm_black_box *box, ctm_black_box_info *out);
/* The losses of the box (losses.h), as of the last call of another function. Sets *out to an array, which is borrowed
 * until the next such call, and returns its length. A box that is not complete (`lack`) has a loss of the kind
 * "file". */
CTM_API uint32_t ctm_black_box_losses(ctm_black_box *box, const ctm_loss **out);
/* A snapshot of the box as of now; the caller owns it. If the process is running, each counter has its value of some
 * moment during the call. CTM_ERR_IO with EAGAIN: the process kept emptying its tables. Other errors as ctm_black_box_open. */
CTM_API CTM_NODISCARD ctm_status ctm_black_box_snapshot(ctm_black_box *box, ctm_snapshot **out,
                                                        ctm_file_error *error);
CTM_API bool ctm_file_is_black_box(const void *bytes, size_t length);

#ifdef __cplusplus
}
#endif
#endif
