/* black_box.c: a process that is killed, and what it held, read from its black box.
 *
 *   cc black_box.c $(pkg-config --cflags --libs ctm) -o black_box && ./black_box [FILE]
 *
 * The child traces blocks with libctm, with its tables in FILE. The parent reads the box twice while the child runs,
 * then kills it and reads the box again. Nothing is written at the kill: the file has the tables as they were.
 */
#define _POSIX_C_SOURCE 200809L /* kill */
#include <ctm/ctm.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { HELD = 1000, HELD_SIZE = 4000 };

/* --- the child --- */

static ctm_status allocate(ctm_tracer *tracer, uintptr_t address, size_t size, int line)
{
    const ctm_frame_text frame = {.filename = "worker.c", .function = "load", .lineno = line};
    uint32_t traceback;
    ctm_shard *shard = ctm_shard_enter(tracer, 1);
    if (shard == NULL) {
        return CTM_ERR_NOT_TRACING;
    }
    ctm_status status = ctm_shard_traceback_text(shard, &frame, 1, 1, &traceback);
    if (status == CTM_OK) {
        status = ctm_shard_alloc(shard, 0, address, size, traceback);
    }
    ctm_shard_leave(shard);
    return status;
}

/* Does not return, because the parent kills it. Writes to `ready` when there are blocks to be seen. */
static int work(const char *path, int ready)
{
    ctm_tracer *tracer;
    ctm_status status = ctm_tracer_new(&tracer);
    if (status == CTM_OK) {
        status = ctm_tracer_set_command(tracer, "worker", 6);
    }
    if (status == CTM_OK) {
        status = ctm_tracer_start(tracer, 1);
    }
    if (status == CTM_OK) {
        status = ctm_black_box_start(tracer, path);
    }
    for (uintptr_t n = 0; n < HELD && status == CTM_OK; n++) {
        status = allocate(tracer, 0x100000 + n * 4096, HELD_SIZE, 12);
    }
    if (status != CTM_OK) {
        fprintf(stderr, "%s: %s (%s)\n", path, ctm_status_text(status), strerror(errno));
        return 1;
    }
    if (write(ready, "", 1) != 1) {
        return 1;
    }
    for (;;) {
        pause();
    }
}

/* --- the parent --- */

static int print(const char *path)
{
    ctm_black_box *box;
    ctm_black_box_info about;
    ctm_snapshot *snapshot;
    ctm_snapshot_info info;
    ctm_file_error error = {0, ""};
    ctm_status status = ctm_black_box_open(path, &box, &error);
    if (status == CTM_OK) {
        ctm_black_box_info_get(box, &about);
        printf("%s, process %s: ", about.command, about.running ? "running" : "gone");
        status = ctm_black_box_snapshot(box, &snapshot, &error);
        ctm_black_box_close(box);
    }
    if (status != CTM_OK) {
        fprintf(stderr, "%s: %s at %llu\n", path, error.reason, (unsigned long long)error.offset);
        return 1;
    }
    ctm_snapshot_info_get(snapshot, &info);
    printf("%llu bytes in %llu blocks, %llu at the peak\n", (unsigned long long)info.current_bytes,
           (unsigned long long)info.live_blocks, (unsigned long long)info.peak_bytes);
    const int right = info.live_blocks == HELD && info.current_bytes == (uint64_t)HELD * HELD_SIZE;
    ctm_snapshot_unref(snapshot);
    return right ? 0 : 1;
}

int main(int argc, char **argv)
{
    const char *path = argc > 1 ? argv[1] : "worker.box";
    int ready[2], end;
    char byte;
    if (pipe(ready) != 0) {
        return 1;
    }
    const pid_t child = fork();
    if (child == 0) {
        _exit(work(path, ready[1]));
    }
    close(ready[1]);
    if (child < 0 || read(ready[0], &byte, 1) != 1) {
        return 1;
    }
    const int running = print(path);
    kill(child, SIGKILL);
    waitpid(child, &end, 0);
    const int killed = print(path);
    unlink(path);
    return running != 0 ? running : killed;
}
