/* test_faults_read.c: every call of read/ and file/, with each request for memory refused in turn.
 *
 * Model: an operation is a function over a fixed situation. It is run with the first request
 * refused, then the second, and so on until a run needs no more: each refused run must
 * return CTM_ERR_NOMEM, write no output, and leave the situation as it was, which the next run
 * and the last, successful one show. The leak check of AddressSanitizer sees what got lost.
 */
#include <errno.h>
#include <unistd.h>

#include "faults.h"
#include "sample.h"

#define RUNS 40

struct situation {
    ctm_snapshot *newer, *older; /* of different tables */
    ctm_builder *builder;        /* empty between operations */
    void *bytes;                 /* `newer` as a file */
    size_t size;
    char path[200];
};

/* Returns the status; `*done` counts what a successful run gave. */
typedef ctm_status operation(struct situation *situation, uint64_t *done);

static ctm_status do_statistics(struct situation *situation, uint64_t *done)
{
    for (int key = CTM_BY_TRACEBACK; key <= CTM_BY_FUNCTION; key++) {
        ctm_statistics *statistics = NULL;
        ctm_status status = ctm_snapshot_statistics(situation->newer, (ctm_key)key,
                                                    key != CTM_BY_TRACEBACK, &statistics);
        CHECK((status == CTM_OK) == (statistics != NULL));
        if (status != CTM_OK) {
            return status;
        }
        *done += ctm_statistics_length(statistics);
        ctm_statistics_free(statistics);
    }
    return CTM_OK;
}

static ctm_status do_compare(struct situation *situation, uint64_t *done)
{
    for (int key = CTM_BY_TRACEBACK; key <= CTM_BY_FUNCTION; key++) {
        ctm_statistics *statistics = NULL;
        ctm_status status = ctm_snapshot_compare(situation->newer, situation->older, (ctm_key)key,
                                                 false, &statistics);
        CHECK((status == CTM_OK) == (statistics != NULL));
        if (status != CTM_OK) {
            return status;
        }
        *done += ctm_statistics_length(statistics);
        ctm_statistics_free(statistics);
    }
    return CTM_OK;
}

static ctm_status do_filter(struct situation *situation, uint64_t *done)
{
    const ctm_filter filter = {.by_filename = true, .pattern = "*a.py", .pattern_length = 5};
    ctm_snapshot *snapshot = NULL;
    ctm_snapshot_info info;
    ctm_status status = ctm_snapshot_filter(situation->newer, &filter, 1, &snapshot);
    CHECK((status == CTM_OK) == (snapshot != NULL));
    if (status != CTM_OK) {
        return status;
    }
    ctm_snapshot_info_get(snapshot, &info);
    *done = info.live_blocks;
    ctm_snapshot_unref(snapshot);
    return CTM_OK;
}

static ctm_status do_equal(struct situation *situation, uint64_t *done)
{
    bool equal = false;
    ctm_builder *builder = situation->builder;
    ctm_snapshot *copy = NULL;
    long fail_at = atomic_exchange(&fault_at, 0);
    /* A copy with other ids, so that equality has to translate. */
    sample_string(builder, "first of all");
    REQUIRE(ctm_builder_add_snapshot(builder, situation->newer, NULL) == CTM_OK);
    REQUIRE(ctm_builder_finish(builder, &copy) == CTM_OK);
    atomic_store(&fault_at, fail_at);
    ctm_status status = ctm_snapshot_equal(situation->newer, copy, &equal);
    CHECK_EQ(equal, status == CTM_OK);
    *done = equal;
    ctm_snapshot_unref(copy);
    return status;
}

static ctm_status do_encode(struct situation *situation, uint64_t *done)
{
    void *bytes = NULL;
    size_t size = 0;
    ctm_status status = ctm_snapshot_encode(situation->newer, "abc", 3, &bytes, &size);
    CHECK((status == CTM_OK) == (bytes != NULL));
    *done = size;
    free(bytes);
    return status;
}

static ctm_status do_decode(struct situation *situation, uint64_t *done)
{
    ctm_snapshot *snapshot = NULL;
    void *attributes = NULL;
    ctm_snapshot_info info;
    ctm_status status =
        ctm_snapshot_decode(situation->bytes, situation->size, &snapshot, &attributes, NULL, NULL);
    CHECK((status == CTM_OK) == (snapshot != NULL));
    CHECK((status == CTM_OK) == (attributes != NULL));
    if (status != CTM_OK) {
        return status;
    }
    ctm_snapshot_info_get(snapshot, &info);
    *done = info.live_blocks;
    ctm_snapshot_unref(snapshot);
    free(attributes);
    return CTM_OK;
}

static ctm_status do_write_and_read(struct situation *situation, uint64_t *done)
{
    ctm_snapshot *snapshot = NULL;
    ctm_status status = ctm_snapshot_write(situation->newer, situation->path, NULL, 0);
    CHECK((status == CTM_OK) == (access(situation->path, F_OK) == 0));
    if (status != CTM_OK) {
        return status;
    }
    status = ctm_snapshot_read(situation->path, &snapshot, NULL, NULL, NULL);
    CHECK((status == CTM_OK) == (snapshot != NULL));
    *done = status == CTM_OK;
    ctm_snapshot_unref(snapshot);
    REQUIRE(unlink(situation->path) == 0);
    return status;
}

/* The builder is filled by failing runs too, but never with sites. */
static ctm_status do_add_snapshot(struct situation *situation, uint64_t *done)
{
    ctm_status status = ctm_builder_add_snapshot(situation->builder, situation->newer, NULL);
    if (status != CTM_OK) {
        return status;
    }
    ctm_snapshot *snapshot = NULL;
    bool equal = false;
    long fail_at = atomic_exchange(&fault_at, 0);
    REQUIRE(ctm_builder_finish(situation->builder, &snapshot) == CTM_OK);
    REQUIRE(ctm_snapshot_equal(snapshot, situation->newer, &equal) == CTM_OK);
    CHECK(equal);
    atomic_store(&fault_at, fail_at);
    *done = equal;
    ctm_snapshot_unref(snapshot);
    return CTM_OK;
}

/* A finish that fails keeps what was built. */
static ctm_status do_finish(struct situation *situation, uint64_t *done)
{
    ctm_snapshot *snapshot = NULL;
    ctm_snapshot_info info;
    ctm_site site = {.block_size = 5, .allocated = 2};
    long fail_at = atomic_exchange(&fault_at, 0);
    REQUIRE(ctm_builder_site(situation->builder, &site, true) == CTM_OK);
    atomic_store(&fault_at, fail_at);
    ctm_status status = ctm_builder_finish(situation->builder, &snapshot);
    CHECK((status == CTM_OK) == (snapshot != NULL));
    if (status != CTM_OK) {
        return status;
    }
    ctm_snapshot_info_get(snapshot, &info);
    CHECK_EQ(info.sites, 1);
    CHECK(info.live_blocks % 2 == 0);
    *done = info.live_blocks; /* two for each run so far */
    ctm_snapshot_unref(snapshot);
    return CTM_OK;
}

static ctm_status do_build(struct situation *situation, uint64_t *done)
{
    ctm_builder *builder = NULL;
    uint32_t string = 0, function = 0, frame = 0, traceback = 0;
    (void)situation;
    ctm_status status = ctm_builder_new(&builder);
    CHECK((status == CTM_OK) == (builder != NULL));
    if (status == CTM_OK) {
        status = ctm_builder_string(builder, "a", 1, &string);
    }
    if (status == CTM_OK) {
        status = ctm_builder_function(builder, string, 0, 0, &function);
    }
    if (status == CTM_OK) {
        status = ctm_builder_frame(builder, function, 1, &frame);
    }
    if (status == CTM_OK) {
        status = ctm_builder_traceback(builder, 0, frame, 1, &traceback);
    }
    for (uint64_t size = 1; size < 2000 && status == CTM_OK; size++) {
        const ctm_site site = {.block_size = size, .allocated = 1, .traceback = traceback};
        status = ctm_builder_site(builder, &site, size % 2);
        *done += status == CTM_OK;
    }
    ctm_builder_free(builder);
    return status;
}

/* A batch that was refused comes at the next call. */
static ctm_status next_batch(struct ArrowArrayStream *stream, struct ArrowArray *out)
{
    const int code = stream->get_next(stream, out);
    CHECK((code == 0) == (stream->get_last_error(stream) == NULL));
    if (code == 0) {
        return CTM_OK;
    }
    CHECK_EQ(code, ENOMEM);
    REQUIRE(stream->get_next(stream, out) == 0);
    CHECK(out->release != NULL);
    out->release(out);
    return CTM_ERR_NOMEM;
}

static ctm_status do_arrow(struct situation *situation, uint64_t *done)
{
    struct ArrowArrayStream stream = {0};
    struct ArrowSchema schema = {0};
    struct ArrowArray batch;
    ctm_status status = ctm_snapshot_arrow(situation->newer, &stream);
    CHECK((status == CTM_OK) == (stream.release != NULL));
    if (status != CTM_OK) {
        return status;
    }
    if (stream.get_schema(&stream, &schema) != 0) {
        status = CTM_ERR_NOMEM;
    }
    CHECK((status == CTM_OK) == (schema.release != NULL));
    if (status == CTM_OK) {
        schema.release(&schema);
    }
    while (status == CTM_OK) {
        status = next_batch(&stream, &batch);
        if (status != CTM_OK || batch.release == NULL) {
            break;
        }
        *done += (uint64_t)batch.length;
        batch.release(&batch);
    }
    stream.release(&stream);
    return status;
}

static ctm_status do_merge(struct situation *situation, uint64_t *done)
{
    static const ctm_label_text labels[2] = {{"source", "newer"}, {"pid", "1"}};
    /* The third time the labels are not new: the index has to be made. */
    const ctm_merge_input inputs[3] = {{situation->newer, labels, 1},
                                       {situation->older, labels, 2},
                                       {situation->newer, labels, 1}};
    ctm_snapshot *merged = NULL;
    ctm_snapshot_info info;
    ctm_status status = ctm_snapshot_merge(inputs, 3, &merged);
    CHECK((status == CTM_OK) == (merged != NULL));
    if (status != CTM_OK) {
        return status;
    }
    ctm_snapshot_info_get(merged, &info);
    *done = info.live_blocks;
    ctm_snapshot_unref(merged);
    return CTM_OK;
}

/* What was refused is added by the next call, once. */
static ctm_status do_merger(struct situation *situation, uint64_t *done)
{
    ctm_merger *merger = NULL;
    ctm_snapshot *merged = NULL;
    ctm_snapshot_info one, all;
    ctm_status status = ctm_merger_new(&merger), refused = CTM_OK;
    if (status != CTM_OK) {
        return status;
    }
    for (int i = 0; i < 2; i++) {
        status = ctm_merger_add(merger, situation->newer, NULL, 0);
        if (status == CTM_OK) {
            continue;
        }
        refused = status;
        REQUIRE(ctm_merger_add(merger, situation->newer, NULL, 0) == CTM_OK);
    }
    status = ctm_merger_finish(merger, &merged);
    if (status != CTM_OK) {
        refused = status;
        REQUIRE(ctm_merger_finish(merger, &merged) == CTM_OK);
    }
    ctm_snapshot_info_get(situation->newer, &one);
    ctm_snapshot_info_get(merged, &all);
    CHECK_EQ(all.live_blocks, 2 * one.live_blocks);
    CHECK_EQ(all.current_bytes, 2 * one.current_bytes);
    *done = all.live_blocks;
    ctm_snapshot_unref(merged);
    ctm_merger_free(merger);
    return refused;
}

static ctm_status do_by_label(struct situation *situation, uint64_t *done)
{
    ctm_snapshot *labelled = NULL;
    ctm_status status = ctm_snapshot_by_label(situation->newer, "task", &labelled);
    CHECK((status == CTM_OK) == (labelled != NULL));
    *done = status == CTM_OK;
    ctm_snapshot_unref(labelled);
    return status;
}

static void check_refusals(const char *name, operation *run, struct situation *situation)
{
    long refused = 0;
    uint64_t survived = 0; /* what is done if an index cannot grow: all of it */
    for (;;) {
        uint64_t done = 0;
        atomic_store(&fault_at, refused + 1);
        ctm_status status = run(situation, &done);
        bool reached = atomic_exchange(&fault_at, 0) == 0;
        if (!reached) {
            CHECK_EQ(status, CTM_OK);
            CHECK(done > 0);
            CHECK(survived == 0 || survived == done);
            break;
        }
        if (status == CTM_OK) {
            CHECK(survived == 0 || survived == done);
            survived = done;
        } else {
            CHECK_EQ(status, CTM_ERR_NOMEM);
        }
        refused++;
        REQUIRE(refused < 100000);
    }
    printf("%s: %ld requests refused\n", name, refused);
    CHECK(refused > 0);
}

/* A pickle of one trace and one attribute. */
static ctm_status do_decode_stdlib(struct situation *situation, uint64_t *done)
{
    static const char bytes[] = "\x80\x02"
                                "ctracemalloc\nSnapshot\n)\x81}(X\6\0\0\0traces"
                                "ctracemalloc\n_Traces\n)\x81}X\7\0\0\0_traces]q\0(K\0K\1"
                                "Va.py\nK\2\x86\x85K\1tasbX\x0f\0\0\0traceback_limitK\1"
                                "X\1\0\0\0aKdub.";
    ctm_snapshot *snapshot = NULL;
    void *attributes = NULL;
    size_t length = 0;
    (void)situation;
    ctm_status status =
        ctm_snapshot_decode_stdlib(bytes, sizeof bytes - 1, &snapshot, &attributes, &length, NULL);
    CHECK((status == CTM_OK) == (snapshot != NULL));
    CHECK((status == CTM_OK) == (attributes != NULL));
    *done = length;
    free(attributes);
    ctm_snapshot_unref(snapshot);
    return status;
}

static ctm_snapshot *random_snapshot(uint64_t seed)
{
    struct sample_run runs[RUNS];
    for (int i = 0; i < RUNS; i++) {
        runs[i] = sample_random_run(&seed);
    }
    ctm_builder *builder = sample_builder(runs, RUNS, false);
    ctm_builder_loss(builder, "memory", "no memory for the place", 3);
    return sample_finish(builder);
}

static void check_operation(const char *name, operation *run)
{
    struct situation situation = {.newer = random_snapshot(1), .older = random_snapshot(2)};
    const char *temporary = getenv("TMPDIR");
    snprintf(situation.path, sizeof situation.path, "%.100s/ctm-faults-%ld",
             temporary ? temporary : "/tmp", (long)getpid());
    REQUIRE(ctm_builder_new(&situation.builder) == CTM_OK);
    REQUIRE(ctm_snapshot_encode(situation.newer, "attributes", 10, &situation.bytes,
                                &situation.size) == CTM_OK);
    check_refusals(name, run, &situation);
    free(situation.bytes);
    ctm_builder_free(situation.builder);
    ctm_snapshot_unref(situation.newer);
    ctm_snapshot_unref(situation.older);
}

/* The tests: one for each of the operations above. */
#define TEST_OF(name)                      \
    static void test_##name(void)          \
    {                                      \
        check_operation(#name, do_##name); \
    }
TEST_OF(statistics)
TEST_OF(compare)
TEST_OF(filter)
TEST_OF(equal)
TEST_OF(encode)
TEST_OF(decode)
TEST_OF(write_and_read)
TEST_OF(add_snapshot)
TEST_OF(finish)
TEST_OF(build)
TEST_OF(arrow)
TEST_OF(merge)
TEST_OF(merger)
TEST_OF(by_label)
TEST_OF(decode_stdlib)

TEST_LIST = {
    TEST(test_statistics), TEST(test_compare),  TEST(test_filter),         TEST(test_equal),
    TEST(test_encode),     TEST(test_decode),   TEST(test_write_and_read), TEST(test_add_snapshot),
    TEST(test_finish),     TEST(test_build),    TEST(test_arrow),          TEST(test_merge),
    TEST(test_merger),     TEST(test_by_label), TEST(test_decode_stdlib),  TEST_LIST_END,
};
