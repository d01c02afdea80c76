/* test_sink.c: a tracer's list of sinks: who is called when, with what held, and where the peak is published.
 *
 * Model: a sink that writes down each call as a letter. It stands for any: a tracer knows no kind of sink.
 */
#include "check.h"
#include "tracer/peak.h"
#include "tracer/tracer.h"

struct notes {
    struct ctmi_sink sink; /* first */
    ctm_tracer *tracer;
    char text[64];
    bool leaves; /* removes itself when tracing stops, and in the child of a fork */
    uint64_t loss_count;
    char end[CTM_END_TEXT];
};

static void note(struct ctmi_sink *sink, char letter)
{
    struct notes *notes = (struct notes *)sink;
    const size_t length = strlen(notes->text);
    REQUIRE(length + 1 < sizeof notes->text);
    notes->text[length] = letter;
}

static void before_emptying(struct ctmi_sink *sink)
{
    note(sink, 'b');
}

static void after_emptying(struct ctmi_sink *sink)
{
    struct notes *notes = (struct notes *)sink;
    CHECK_EQ(ctmi_store_site_count(&notes->tracer->shards[0].store), 1);
    note(sink, 'a');
}

static void leave(struct ctmi_sink *sink)
{
    struct notes *notes = (struct notes *)sink;
    if (notes->leaves) {
        ctmi_sinks_remove(notes->tracer, sink);
        sink->next = sink; /* no part of the list any more: whoever goes on from here never ends */
    }
}

static void stop(struct ctmi_sink *sink)
{
    note(sink, 's');
    leave(sink);
}

static void fork_before(struct ctmi_sink *sink)
{
    note(sink, 'f');
}

static void fork_after_parent(struct ctmi_sink *sink)
{
    note(sink, 'p');
}

static void fork_after_child(struct ctmi_sink *sink)
{
    note(sink, 'c');
    leave(sink);
}

static size_t memory(const struct ctmi_sink *sink)
{
    (void)sink;
    return 1u << 30;
}

static void loss_told(struct ctmi_sink *sink, const struct ctmi_losses *losses, uint32_t place)
{
    struct notes *notes = (struct notes *)sink;
    CHECK(pthread_mutex_trylock(&notes->tracer->annotations.lock.mutex) != 0);
    notes->loss_count = losses->rows[place].count;
    note(sink, 'l');
}

static void end_told(struct ctmi_sink *sink, const struct ctmi_end_annotation *end)
{
    memcpy(((struct notes *)sink)->end, end->text, sizeof end->text);
    note(sink, 'e');
}

static const struct ctmi_sink_kind full_kind = {
    .before_emptying = before_emptying,
    .after_emptying = after_emptying,
    .stop = stop,
    .fork_before = fork_before,
    .fork_after_parent = fork_after_parent,
    .fork_after_child = fork_after_child,
    .memory = memory,
    .loss_told = loss_told,
    .end_told = end_told,
};
static const struct ctmi_sink_kind other_kind = {.stop = stop, .loss_told = loss_told};
static const struct ctmi_sink_kind empty_kind = {0};

static void add(ctm_tracer *tracer, struct notes *notes, const struct ctmi_sink_kind *kind)
{
    *notes = (struct notes){.sink = {.kind = kind}, .tracer = tracer};
    ctmi_tracer_close(tracer);
    ctmi_sinks_add(tracer, &notes->sink);
    ctmi_tracer_open(tracer);
}

static void remove_sink(ctm_tracer *tracer, struct notes *notes)
{
    ctmi_tracer_close(tracer);
    ctmi_sinks_remove(tracer, &notes->sink);
    ctmi_tracer_open(tracer);
}

static void alloc(ctm_tracer *tracer, uintptr_t address, uint64_t size)
{
    const ctm_frame_text frame = {.filename = "a.py", .lineno = 1};
    uint32_t traceback;
    ctm_shard *shard = ctm_shard_enter(tracer, 0);
    REQUIRE(shard != NULL);
    REQUIRE(ctm_shard_traceback_text(shard, &frame, 1, 1, &traceback) == CTM_OK);
    CHECK_EQ(ctm_shard_alloc(shard, 0, address, size, traceback), CTM_OK);
    ctm_shard_leave(shard);
}

static ctm_tracer *new_tracer(void)
{
    ctm_tracer *tracer;
    REQUIRE(ctm_tracer_new(&tracer) == CTM_OK);
    REQUIRE(ctm_tracer_start(tracer, 1) == CTM_OK);
    return tracer;
}

static void test_calls(void)
{
    ctm_tracer *tracer = new_tracer();
    struct notes one, two, three;
    const size_t before = ctm_tracer_memory(tracer);
    add(tracer, &one, &empty_kind);
    add(tracer, &two, &full_kind);
    add(tracer, &three, &other_kind);
    CHECK(ctmi_sinks_find(tracer, &full_kind) == &two.sink);
    CHECK(ctmi_sinks_find(tracer, &other_kind) == &three.sink);
    CHECK(ctm_tracer_memory(tracer) >= before + (1u << 30));
    alloc(tracer, 16, 100);
    CHECK_STR(two.text, ""); /* no event calls a sink */
    ctm_tracer_clear(tracer);
    CHECK_STR(two.text, "ba");
    ctm_tracer_loss(tracer, "memory", "something", 3);
    ctm_tracer_loss(tracer, "memory", "something", 4);
    ctm_tracer_loss(tracer, "memory", "something", 0); /* nothing new */
    CHECK_STR(two.text, "ball");
    CHECK_EQ(two.loss_count, 7);
    CHECK_STR(three.text, "ll");
    ctm_tracer_set_end(tracer, "exit", NULL);
    CHECK_STR(two.text, "balle");
    CHECK_STR(two.end, "exit");
    ctm_tracer_fork_before(tracer);
    ctm_tracer_fork_after_parent(tracer);
    CHECK_STR(two.text, "ballefp");
    ctm_tracer_stop(tracer);
    CHECK_STR(two.text, "ballefpsba");
    CHECK_STR(three.text, "lls");
    CHECK_STR(one.text, "");
    remove_sink(tracer, &two);
    remove_sink(tracer, &two); /* once more does nothing */
    CHECK(ctmi_sinks_find(tracer, &full_kind) == NULL);
    CHECK(ctmi_sinks_find(tracer, &empty_kind) == &one.sink);
    CHECK(ctmi_sinks_find(tracer, &other_kind) == &three.sink);
    ctm_tracer_free(tracer);
    CHECK_STR(three.text, "llss");
}

/* A sink that goes in the middle of the list, from inside a call. */
static void test_leaving(void)
{
    ctm_tracer *tracer = new_tracer();
    struct notes one, two;
    add(tracer, &one, &full_kind);
    add(tracer, &two, &other_kind);
    one.leaves = true;
    ctm_tracer_stop(tracer);
    CHECK_STR(one.text, "s"); /* the tables are emptied without it */
    CHECK_STR(two.text, "s");
    CHECK(ctmi_sinks_find(tracer, &full_kind) == NULL);
    CHECK(ctmi_sinks_find(tracer, &other_kind) == &two.sink);
    remove_sink(tracer, &two);
    add(tracer, &one, &full_kind);
    one.leaves = true;
    ctm_tracer_fork_before(tracer);
    ctm_tracer_fork_after_child(tracer); /* the one thread of a child does the same */
    CHECK_STR(one.text, "fc");
    CHECK(ctmi_sinks_find(tracer, &full_kind) == NULL);
    ctm_tracer_free(tracer);
    CHECK_STR(one.text, "fc");
}

static void publish_at(ctm_tracer *tracer, struct ctmi_published_peak *published)
{
    ctmi_tracer_stop_world(tracer);
    ctmi_peak_publish_at(tracer, published);
    ctmi_tracer_resume_world(tracer);
}

static void test_published_peak(void)
{
    ctm_tracer *tracer = new_tracer();
    struct ctmi_published_peak published = {.bytes = 1u << 20, .stamp = 1u << 20};
    alloc(tracer, 16, 100);
    publish_at(tracer, &published);
    CHECK_EQ(published.bytes, 100);
    CHECK_EQ(published.stamp, tracer->peak_stamp);
    alloc(tracer, 32, 50);
    CHECK_EQ(published.bytes, 150);
    CHECK_EQ(published.stamp, tracer->peak_stamp);
    ctm_tracer_clear(tracer);
    CHECK_EQ(published.bytes, 0);
    publish_at(tracer, NULL);
    alloc(tracer, 16, 100);
    CHECK_EQ(published.bytes, 0);
    ctm_tracer_free(tracer);
}

TEST_LIST = {
    TEST(test_calls),
    TEST(test_leaving),
    TEST(test_published_peak),
    TEST_LIST_END,
};
