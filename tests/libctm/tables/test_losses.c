/* test_losses.c: what is lost is told wherever the numbers go: lists, a tracer, its snapshots, box and recording, and
 * what is made of snapshots.
 */
#define CHECK_SET_UP set_up
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "box.h"
#include "formats/black_box_format.h"
#include "tables/losses.h"

/* --- lists --- */

static void check_row(const ctm_loss *row, const char *kind, const char *detail, uint64_t count)
{
    CHECK_STR(row->kind, kind);
    CHECK_STR(row->detail, detail);
    CHECK_EQ(row->count, count);
    CHECK(ctmi_text_is_fit(row->kind, sizeof row->kind));
    CHECK(ctmi_text_is_fit(row->detail, sizeof row->detail));
}

static void test_list(void)
{
    static struct ctmi_losses losses;
    losses.n = 0;
    CHECK_EQ(ctmi_losses_add(&losses, "memory", "a", 1), 0);
    CHECK_EQ(ctmi_losses_add(&losses, "memory", "b", 0), 1);
    CHECK_EQ(ctmi_losses_add(&losses, "memory", "a", 2), 0);
    CHECK_EQ(losses.n, 2);
    check_row(&losses.rows[0], "memory", "a", 3);
    check_row(&losses.rows[1], "memory", "b", 0);
    (void)ctmi_losses_add(&losses, "memory", "a", UINT64_MAX);
    CHECK(losses.rows[0].count == UINT64_MAX);
    ctmi_losses_drop_counted(&losses);
    CHECK_EQ(losses.n, 1);
    check_row(&losses.rows[0], "memory", "b", 0);
}

static void test_full_list(void)
{
    static struct ctmi_losses losses;
    char detail[16];
    losses.n = 0;
    for (unsigned i = 0; i < CTM_MAX_LOSSES + 5; i++) {
        snprintf(detail, sizeof detail, "%u", i);
        (void)ctmi_losses_add(&losses, "file", detail, 0);
    }
    CHECK_EQ(losses.n, CTM_MAX_LOSSES);
    check_row(&losses.rows[CTM_MAX_LOSSES - 2], "file", "30", 0);
    check_row(&losses.rows[CTM_MAX_LOSSES - 1], "more", "losses that are not listed", 6);
}

static void test_texts_made_fit(void)
{
    static const struct {
        const char *text, *fit;
    } cases[] = {
        {"plain", "plain"},       {"", ""},
        {"a\nb\x7f", "a?b?"},     {"caf\xc3\xa9", "caf\xc3\xa9"},
        {"a\x80\xff", "a??"},     {"1234567\xc3\xa9", "1234567"}, /* no half characters */
        {"12345678", "1234567"},  {"lone\xed\xb2\x80", "lone\xed\xb2\x80"},
        {"cut\xe2\x82", "cut??"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char field[8];
        memset(field, 'x', sizeof field);
        ctmi_text_fit(field, sizeof field, cases[i].text, strlen(cases[i].text));
        CHECK_STR(field, cases[i].fit);
        CHECK(ctmi_text_is_fit(field, sizeof field));
    }
    char field[8];
    ctmi_text_fit(field, sizeof field, "abcdefg", 3);
    CHECK_STR(field, "abc");
    CHECK(!ctmi_text_is_fit("1234567", 7));
    CHECK(!ctmi_text_is_fit("a\0b", 4));
    CHECK(!ctmi_text_is_fit("a\tb", 4));
}

/* --- a tracer, what is taken of it, and what is made of that --- */

static void check_losses(const ctm_snapshot *snapshot, const char *first, uint64_t count,
                         uint32_t n)
{
    const ctm_loss *losses;
    if (CHECK_EQ(ctm_snapshot_losses(snapshot, &losses), n) && n > 0) {
        CHECK_STR(losses[0].detail, first);
        CHECK_EQ(losses[0].count, count);
    }
}

static ctm_snapshot *take(ctm_tracer *tracer)
{
    ctm_snapshot *snapshot;
    REQUIRE(ctm_tracer_snapshot(tracer, &snapshot) == CTM_OK);
    return snapshot;
}

static ctm_snapshot *filtered(ctm_snapshot *snapshot)
{
    ctm_snapshot *out;
    static const ctm_filter filter = {
        .inclusive = true, .by_filename = true, .pattern = "file0.*", .pattern_length = 7};
    REQUIRE(ctm_snapshot_filter(snapshot, &filter, 1, &out) == CTM_OK);
    return out;
}

static ctm_snapshot *rebuilt(const ctm_snapshot *snapshot)
{
    ctm_snapshot *out;
    ctm_builder *builder;
    REQUIRE(ctm_builder_new(&builder) == CTM_OK);
    REQUIRE(ctm_builder_add_snapshot(builder, snapshot, NULL) == CTM_OK);
    REQUIRE(ctm_builder_finish(builder, &out) == CTM_OK);
    ctm_snapshot *second;
    REQUIRE(ctm_builder_finish(builder, &second) == CTM_OK);
    check_losses(second, "", 0, 0); /* the builder is empty again */
    ctm_snapshot_unref(second);
    ctm_builder_free(builder);
    return out;
}

static void check_and_unref(ctm_snapshot *snapshot)
{
    check_losses(snapshot, "their instructions", 0, 2);
    ctm_snapshot_unref(snapshot);
}

static void test_tracer(void)
{
    ctm_tracer *tracer;
    ctm_snapshot *out;
    REQUIRE(ctm_tracer_new(&tracer) == CTM_OK);
    REQUIRE(ctm_tracer_start(tracer, 5) == CTM_OK);
    fill(tracer, 20);
    ctm_snapshot *none = take(tracer);
    ctm_tracer_loss(tracer, "tracked_blocks", "their instructions", 0);
    ctm_tracer_loss(tracer, "memory", "no memory", 3);
    ctm_snapshot *snapshot = take(tracer);
    check_losses(none, "", 0, 0);
    check_losses(snapshot, "their instructions", 0, 2);

    check_and_unref(filtered(snapshot));
    check_and_unref(rebuilt(snapshot));
    REQUIRE(ctm_snapshot_at_peak(snapshot, &out) == CTM_OK);
    check_and_unref(out);
    REQUIRE(ctm_snapshot_by_label(snapshot, "key", &out) == CTM_OK);
    check_and_unref(out);
    uint64_t keep[32] = {0};
    REQUIRE(ctm_snapshot_select(snapshot, keep, &out) == CTM_OK);
    check_and_unref(out);

    ctm_tracer_clear(tracer); /* what happened to blocks that are forgotten is forgotten */
    out = take(tracer);
    check_losses(out, "their instructions", 0, 1);
    ctm_snapshot_unref(out);
    ctm_tracer_stop(tracer);
    REQUIRE(ctm_tracer_start(tracer, 5) == CTM_OK);
    out = take(tracer);
    check_losses(out, "", 0, 0);
    ctm_snapshot_unref(out);
    ctm_snapshot_unref(none);
    ctm_snapshot_unref(snapshot);
    ctm_tracer_free(tracer);
}

static ctm_snapshot *with_loss(const char *kind, const char *detail, uint64_t count)
{
    ctm_snapshot *snapshot;
    ctm_builder *builder;
    REQUIRE(ctm_builder_new(&builder) == CTM_OK);
    if (kind != NULL) {
        ctm_builder_loss(builder, kind, detail, count);
    }
    REQUIRE(ctm_builder_finish(builder, &snapshot) == CTM_OK);
    ctm_builder_free(builder);
    return snapshot;
}

/* The losses of all inputs, each with how many had it, if not all. */
static void test_merge(void)
{
    ctm_snapshot *inputs[] = {with_loss("file", "full", 0), with_loss("memory", "none", 2),
                              with_loss("memory", "none", 5), with_loss(NULL, NULL, 0)};
    const ctm_merge_input some[] = {
        {inputs[0], NULL, 0}, {inputs[1], NULL, 0}, {inputs[2], NULL, 0}, {inputs[3], NULL, 0}};
    ctm_snapshot *merged;
    const ctm_loss *losses;
    REQUIRE(ctm_snapshot_merge(some, 4, &merged) == CTM_OK);
    REQUIRE(ctm_snapshot_losses(merged, &losses) == 2);
    check_row(&losses[0], "file", "full (in 1 of 4 snapshots)", 0);
    check_row(&losses[1], "memory", "none (in 2 of 4 snapshots)", 7);
    ctm_snapshot_unref(merged);
    REQUIRE(ctm_snapshot_merge(some + 1, 2, &merged) == CTM_OK);
    REQUIRE(ctm_snapshot_losses(merged, &losses) == 1);
    check_row(&losses[0], "memory", "none", 7);
    ctm_snapshot_unref(merged);
    for (int i = 0; i < 4; i++) {
        ctm_snapshot_unref(inputs[i]);
    }
}

/* A text that fills its field still says in how many of the inputs it was. */
static void test_merge_long_text(void)
{
    char detail[CTM_LOSS_DETAIL];
    memset(detail, 'x', sizeof detail - 1);
    detail[sizeof detail - 1] = '\0';
    ctm_snapshot *inputs[] = {with_loss("file", detail, 0), with_loss(NULL, NULL, 0)};
    const ctm_merge_input both[] = {{inputs[0], NULL, 0}, {inputs[1], NULL, 0}};
    ctm_snapshot *merged;
    const ctm_loss *losses;
    REQUIRE(ctm_snapshot_merge(both, 2, &merged) == CTM_OK);
    REQUIRE(ctm_snapshot_losses(merged, &losses) == 1);
    CHECK_EQ(strlen(losses[0].detail), CTM_LOSS_DETAIL - 1);
    CHECK(strstr(losses[0].detail, "x (in 1 of 2 snapshots)") != NULL);
    ctm_snapshot_unref(merged);
    ctm_snapshot_unref(inputs[0]);
    ctm_snapshot_unref(inputs[1]);
}

/* --- the box --- */

static void check_box(const char *first, uint64_t count, uint32_t n)
{
    ctm_snapshot *snapshot = read_box();
    ctm_black_box *box;
    const ctm_loss *losses;
    check_losses(snapshot, first, count, n);
    REQUIRE(ctm_black_box_open(path, &box, NULL) == CTM_OK);
    CHECK_EQ(ctm_black_box_losses(box, &losses), n);
    ctm_black_box_close(box);
    ctm_snapshot_unref(snapshot);
}

static void test_box(void)
{
    ctm_tracer *tracer;
    const int32_t status = -9;
    new_tracer(&tracer);
    fill(tracer, 20);
    check_box("", 0, 0);
    ctm_tracer_loss(tracer, "memory", "no memory", 3);
    check_box("no memory", 3, 1);
    ctm_tracer_loss(tracer, "memory", "no memory", 1);
    check_box("no memory", 4, 1);
    ctm_tracer_loss(tracer, "free_lists", "somebody took them", 0);
    check_box("no memory", 4, 2);
    ctm_tracer_clear(tracer);
    check_box("somebody took them", 0, 1);
    CHECK_EQ(ctm_black_box_end(tracer, CTM_BOX_STOPPED), CTM_OK);
    CHECK_EQ(ctm_black_box_continue(tracer, path), CTM_OK); /* another file learns all */
    check_box("somebody took them", 0, 1);
    ctm_tracer_set_end(tracer, "killed by\nSIGKILL", &status);
    CHECK(!read_info().exit_status_known); /* it has not ended */
    ctm_tracer_stop(tracer);
    check_box("somebody took them", 0, 1);
    ctm_black_box *box;
    ctm_black_box_info info;
    REQUIRE(ctm_black_box_open(path, &box, NULL) == CTM_OK);
    ctm_black_box_info_get(box, &info);
    CHECK_STR(info.end_text, "killed by?SIGKILL");
    CHECK(info.exit_status_known && info.exit_status == -9);
    ctm_black_box_close(box);
    ctm_tracer_free(tracer);
}

/* A file that cannot grow says so in each snapshot of it, and the process's own snapshots do not: they are whole. */
static void test_box_that_cannot_grow(void)
{
    struct rlimit before, small;
    ctm_tracer *tracer;
    REQUIRE(getrlimit(RLIMIT_FSIZE, &before) == 0);
    small = before;
    small.rlim_cur = CTMI_BOX_CONTROL_SIZE;
    REQUIRE(setrlimit(RLIMIT_FSIZE, &small) == 0);
    new_tracer(&tracer);
    fill(tracer, 20);
    REQUIRE(setrlimit(RLIMIT_FSIZE, &before) == 0);
    check_box(
        "the black box does not hold all: the file could not grow: no space, or a limit on its size",
        0, 1);
    ctm_snapshot *own = take(tracer);
    check_losses(own, "", 0, 0);
    ctm_snapshot_unref(own);
    ctm_tracer_free(tracer);
    check_box(
        "the black box does not hold all: the file could not grow: no space, or a limit on its size",
        0, 1);
}

/* Whatever stands in the places of texts, what is read is text. */
static void test_damaged_box(void)
{
    ctm_tracer *tracer;
    new_tracer(&tracer);
    ctm_tracer_stop(tracer);
    ctm_tracer_free(tracer);
    struct ctmi_box_control control;
    const int fd = open(path, O_RDWR);
    REQUIRE(fd >= 0 && pread(fd, &control, sizeof control, 0) == (ssize_t)sizeof control);
    atomic_store(&control.n_losses, 5000);
    memset(control.losses, 0xff, sizeof control.losses);
    memset(control.end_text, 0x80, sizeof control.end_text);
    memset(control.losses[0].kind, 0, sizeof control.losses[0].kind);
    REQUIRE(pwrite(fd, &control, sizeof control, 0) == (ssize_t)sizeof control);
    close(fd);
    ctm_snapshot *snapshot = read_box();
    const ctm_loss *losses;
    const uint32_t n = ctm_snapshot_losses(snapshot, &losses);
    CHECK_EQ(n, 2); /* 31 are the same */
    for (uint32_t i = 0; i < n; i++) {
        CHECK(losses[i].kind[0] != '\0');
        CHECK(ctmi_text_is_fit(losses[i].kind, sizeof losses[i].kind));
        CHECK(ctmi_text_is_fit(losses[i].detail, sizeof losses[i].detail));
    }
    ctm_snapshot_unref(snapshot);
    CHECK(!read_info().exit_status_known);
}

/* --- the recording --- */

static void check_moment(ctm_recording *recording, size_t moment, const char *first, uint64_t count,
                         uint32_t n)
{
    ctm_snapshot *snapshot;
    REQUIRE(ctm_recording_snapshot(recording, moment, &snapshot) == CTM_OK);
    check_losses(snapshot, first, count, n);
    ctm_snapshot_unref(snapshot);
}

static ctm_recorder *record(ctm_tracer *tracer)
{
    ctm_recorder *recorder;
    REQUIRE(ctm_recorder_start(tracer, path, CTM_MAX_RECORD_INTERVAL, NULL, &recorder) == CTM_OK);
    return recorder;
}

static void test_recording(void)
{
    ctm_tracer *tracer;
    ctm_recording *recording;
    const int32_t status = 1;
    unlink(path);
    REQUIRE(ctm_tracer_new(&tracer) == CTM_OK);
    REQUIRE(ctm_tracer_start(tracer, 5) == CTM_OK);
    ctm_recorder *recorder = record(tracer);
    fill(tracer, 20);
    ctm_tracer_loss(tracer, "memory", "no memory", 3);
    REQUIRE(ctm_recorder_tick(recorder) == CTM_OK);
    ctm_tracer_loss(tracer, "free_lists", "somebody took them", 0);
    REQUIRE(ctm_recorder_tick(recorder) == CTM_OK);
    ctm_tracer_clear(tracer);
    REQUIRE(ctm_recorder_tick(recorder) == CTM_OK);
    ctm_tracer_set_end(tracer, "exit status 1, ValueError at a.py:3", &status);
    CHECK_EQ(ctm_recorder_stop(recorder, true), CTM_OK);
    ctm_recorder_free(recorder);
    ctm_tracer_free(tracer);
    REQUIRE(ctm_recording_open(path, &recording, NULL) == CTM_OK);
    const ctm_recording_info *info = ctm_recording_info_get(recording);
    REQUIRE(info->moments == 5);
    check_moment(recording, 4, "somebody took them", 0, 1);
    check_moment(recording, 2, "no memory", 3, 2);
    check_moment(recording, 0, "", 0, 0);
    check_moment(recording, 1, "no memory", 3, 1);
    CHECK_STR(info->end_text, "exit status 1, ValueError at a.py:3");
    CHECK(info->exit_status_known && info->exit_status == 1);
    const ctm_loss *losses;
    CHECK_EQ(ctm_recording_losses(recording, &losses), 2);
    ctm_recording_free(recording);
}

/* The header, which has its place, says why there are no more ticks. */
static void test_recording_that_cannot_grow(void)
{
    struct rlimit before, small;
    struct stat status;
    ctm_tracer *tracer;
    ctm_recording *recording;
    unlink(path);
    REQUIRE(getrlimit(RLIMIT_FSIZE, &before) == 0);
    REQUIRE(ctm_tracer_new(&tracer) == CTM_OK);
    REQUIRE(ctm_tracer_start(tracer, 5) == CTM_OK);
    ctm_recorder *recorder = record(tracer);
    REQUIRE(stat(path, &status) == 0);
    fill(tracer, 2000);
    small = before;
    small.rlim_cur = (rlim_t)status.st_size + 10;
    REQUIRE(setrlimit(RLIMIT_FSIZE, &small) == 0);
    CHECK_EQ(ctm_recorder_tick(recorder), CTM_ERR_IO);
    REQUIRE(setrlimit(RLIMIT_FSIZE, &before) == 0);
    ctm_recorder_free(recorder);
    ctm_tracer_free(tracer);
    REQUIRE(ctm_recording_open(path, &recording, NULL) == CTM_OK);
    const ctm_recording_info *info = ctm_recording_info_get(recording);
    CHECK_EQ(info->lack, CTM_RECORDING_NO_SPACE);
    CHECK_EQ(info->end, CTM_END_UNKNOWN);
    CHECK(info->fault.reason == NULL);
    REQUIRE(info->moments == 1);
    check_moment(
        recording, 0,
        "the recording ended before the program: the file could not grow: no space, or a limit on its size",
        0, 1);
    ctm_recording_free(recording);
}

/* From here on this process starts no thread and makes no child. */
static bool forbid_clone(void)
{
    struct sock_filter steps[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_clone, 2, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_clone3, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
    };
    const struct sock_fprog program = {sizeof steps / sizeof steps[0], steps};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

static int try_without_thread(void)
{
    ctm_tracer *tracer;
    ctm_recorder *recorder;
    alarm(60);
    REQUIRE(ctm_tracer_new(&tracer) == CTM_OK);
    REQUIRE(ctm_tracer_start(tracer, 5) == CTM_OK);
    REQUIRE(forbid_clone());
    const ctm_status status =
        ctm_recorder_start(tracer, path, CTM_MAX_RECORD_INTERVAL, NULL, &recorder);
    return status == CTM_ERR_IO && errno == EPERM ? 0 : 1;
}

static void without_thread(void)
{
    int status;
    fflush(stdout);
    const pid_t child = fork();
    if (child == 0) {
        _exit(try_without_thread());
    }
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK_EQ(status, 0);
}

/* No thread to be had: no file stays that was not there, and one that was keeps what it held. */
static void test_recording_that_cannot_begin(void)
{
    struct stat status;
    unlink(path);
    without_thread();
    CHECK(access(path, F_OK) != 0);
    FILE *file = fopen(path, "w");
    REQUIRE(file != NULL && fputs("before", file) >= 0 && fclose(file) == 0);
    without_thread();
    REQUIRE(stat(path, &status) == 0);
    CHECK_EQ(status.st_size, 6);
}

static void set_up(void)
{
    choose_path();
}

TEST_LIST = {
    TEST(test_list),
    TEST(test_full_list),
    TEST(test_texts_made_fit),
    TEST(test_tracer),
    TEST(test_merge),
    TEST(test_merge_long_text),
    TEST(test_box),
    TEST(test_box_that_cannot_grow),
    TEST(test_damaged_box),
    TEST(test_recording),
    TEST(test_recording_that_cannot_grow),
    TEST(test_recording_that_cannot_begin),
    TEST_LIST_END,
};
