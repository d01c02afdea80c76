/* test_tracer.c: the tracer, one property at a time. */
#include "check.h"

#include <sys/wait.h>
#include <unistd.h>

#include "ctm/snapshot.h"
#include "ctm/tracer.h"
#include "tracer/tracer.h"

static ctm_tracer *new_tracer(void)
{
    ctm_tracer *tracer;
    REQUIRE(ctm_tracer_new(&tracer) == CTM_OK);
    CHECK(!ctm_tracer_is_tracing(tracer));
    REQUIRE(ctm_tracer_start(tracer, 1) == CTM_OK);
    CHECK(ctm_tracer_is_tracing(tracer));
    return tracer;
}

static uint32_t traceback_at(ctm_shard *shard, int line)
{
    ctm_frame_text frame = {"a.py", "f", 1, line};
    uint32_t id = 0;
    REQUIRE(ctm_shard_traceback_text(shard, &frame, 1, 1, &id) == CTM_OK);
    return id;
}

static void check_totals(ctm_tracer *tracer, uint64_t current, uint64_t peak, uint64_t blocks,
                         int line)
{
    ctm_totals totals;
    ctm_tracer_totals(tracer, &totals);
    check_equal((int64_t)totals.current_bytes, (int64_t)current, __FILE__, line, "current");
    check_equal((int64_t)totals.peak_bytes, (int64_t)peak, __FILE__, line, "peak");
    check_equal((int64_t)totals.live_blocks, (int64_t)blocks, __FILE__, line, "blocks");
    uint64_t peak_bytes;
    const uint64_t bytes = ctm_tracer_bytes(tracer, &peak_bytes);
    check_equal((int64_t)bytes, (int64_t)current, __FILE__, line, "bytes alone");
    check_equal((int64_t)peak_bytes, (int64_t)peak, __FILE__, line, "peak alone");
}
#define CHECK_TOTALS(tracer, current, peak, blocks) \
    check_totals((tracer), (current), (peak), (blocks), __LINE__)

static void test_life(void)
{
    ctm_tracer *tracer;
    REQUIRE(ctm_tracer_new(&tracer) == CTM_OK);
    CHECK_EQ(ctm_tracer_nframe(tracer), 1);
    CHECK(ctm_shard_enter(tracer, 0) == NULL && ctm_shard_enter(tracer, 1) == NULL);
    CHECK_EQ(ctm_tracer_start(tracer, 0), CTM_ERR_INVALID);
    CHECK_EQ(ctm_tracer_start(tracer, CTM_MAX_NFRAME + 1), CTM_ERR_INVALID);
    uint32_t generation = ctm_tracer_generation(tracer);
    CHECK(generation != 0);
    CHECK_EQ(ctm_tracer_start(tracer, CTM_MAX_NFRAME), CTM_OK);
    CHECK(ctm_tracer_generation(tracer) != generation);
    generation = ctm_tracer_generation(tracer);
    CHECK_EQ(ctm_tracer_start(tracer, 5), CTM_OK); /* already tracing: nothing */
    CHECK_EQ(ctm_tracer_nframe(tracer), CTM_MAX_NFRAME);
    CHECK_EQ(ctm_tracer_generation(tracer), generation);
    CHECK(ctm_shard_enter(tracer, CTM_SHARDS) == NULL);
    ctm_tracer_clear(tracer);
    CHECK(ctm_tracer_is_tracing(tracer) && ctm_tracer_generation(tracer) != generation);
    generation = ctm_tracer_generation(tracer);
    ctm_tracer_stop(tracer);
    CHECK(!ctm_tracer_is_tracing(tracer) && ctm_tracer_generation(tracer) != generation);
    CHECK_EQ(ctm_tracer_nframe(tracer), CTM_MAX_NFRAME);
    struct ctm_snapshot *snapshot;
    CHECK_EQ(ctm_tracer_snapshot(tracer, &snapshot), CTM_ERR_NOT_TRACING);
    ctm_tracer_stop(tracer);
    ctm_tracer_free(tracer);
    ctm_tracer_free(NULL);
}

static void test_interning(void)
{
    ctm_tracer *tracer = new_tracer();
    ctm_shard *shard = ctm_shard_enter(tracer, 2);
    REQUIRE(shard != NULL);
    uint32_t file, name, function, old, young, again;
    size_t length;
    REQUIRE(ctm_shard_string(shard, "a.py", 4, &file) == CTM_OK);
    REQUIRE(ctm_shard_string(shard, "f", 1, &name) == CTM_OK);
    REQUIRE(ctm_shard_function(shard, file, name, 3, &function) == CTM_OK);
    uint32_t frame;
    REQUIRE(ctm_shard_frame(shard, function, 10, &frame) == CTM_OK);
    REQUIRE(ctm_shard_traceback(shard, 0, frame, 4, &old) == CTM_OK);
    CHECK_EQ(ctm_shard_traceback(shard, 0, frame, 0, &young), CTM_ERR_INVALID);
    CHECK_EQ(ctm_shard_traceback(shard, old, frame, 4, &young), CTM_ERR_INVALID);
    CHECK_EQ(ctm_shard_traceback(shard, old + 1, frame, 5, &young), CTM_ERR_INVALID);
    REQUIRE(ctm_shard_traceback(shard, old, frame, 5, &young) == CTM_OK);
    ctm_frame_text text[2] = {{"a.py", "f", 3, 10}, {"a.py", "f", 3, 10}};
    REQUIRE(ctm_shard_traceback_text(shard, text, 2, 5, &again) == CTM_OK);
    CHECK_EQ(again, young);
    CHECK_EQ(ctm_shard_traceback_text(shard, text, 2, 1, &again), CTM_ERR_INVALID);
    CHECK_EQ(ctm_shard_traceback_text(shard, text, 0, 1, &again), CTM_ERR_INVALID);
    CHECK_EQ(ctm_shard_traceback_row(shard, young)->parent, old);
    CHECK_EQ(ctm_shard_frame_row(shard, frame)->lineno, 10);
    CHECK_EQ(ctm_shard_function_row(shard, function)->first_lineno, 3);
    CHECK_STR(ctm_shard_string_row(shard, file, &length), "a.py");
    CHECK_STR(ctm_shard_string_row(shard, 0, NULL), "");
    CHECK(ctm_shard_string_row(shard, 99, &length) == NULL && length == 0);
    CHECK(ctm_shard_traceback_row(shard, 0) == NULL && ctm_shard_frame_row(shard, 0) == NULL);
    CHECK(ctm_shard_traceback_row(shard, 99) == NULL && ctm_shard_frame_row(shard, 99) == NULL);
    CHECK(ctm_shard_function_row(shard, 0) == NULL && ctm_shard_function_row(shard, 9) == NULL);
    ctm_shard_leave(shard);
    ctm_tracer_free(tracer);
}

static void test_alloc_and_free(void)
{
    ctm_tracer *tracer = new_tracer();
    ctm_shard *shard = ctm_shard_enter(tracer, 0);
    uint32_t here = traceback_at(shard, 1);
    CHECK_EQ(ctm_shard_alloc(shard, 0, 4096, 100, 0), CTM_ERR_INVALID);
    CHECK_EQ(ctm_shard_alloc(shard, 0, 4096, 100, here + 1), CTM_ERR_INVALID);
    CHECK_TOTALS(tracer, 0, 0, 0);
    CHECK_EQ(ctm_shard_alloc(shard, 0, 4096, 100, here), CTM_OK);
    CHECK_EQ(ctm_shard_alloc(shard, 9, 4096, 7, here), CTM_OK); /* another domain: another block */
    CHECK_EQ(ctm_shard_alloc(shard, 0, 8192, 5000000000, here), CTM_OK);
    CHECK_TOTALS(tracer, 5000000107, 5000000107, 3);
    CHECK(ctm_shard_free(shard, 0, 8192));
    CHECK(!ctm_shard_free(shard, 0, 8192));
    CHECK(!ctm_shard_free(shard, 1, 4096));
    CHECK_TOTALS(tracer, 107, 5000000107, 2);
    ctm_tracer_reset_peak(tracer);
    CHECK_TOTALS(tracer, 107, 107, 2);
    CHECK_EQ(ctm_shard_alloc(shard, 0, 4096, 0, here), CTM_OK); /* stale: replaced, size 0 */
    CHECK_TOTALS(tracer, 7, 107, 2);
    ctm_block block;
    CHECK_EQ(ctm_shard_find(shard, 0, 4096, &block), CTM_OK);
    CHECK(block.size == 0 && block.domain == 0 && block.shard == 0 && block.traceback == here);
    CHECK_EQ(ctm_shard_find(shard, 0, 8192, &block), CTM_ERR_NOT_FOUND);
    ctm_tracer_free(tracer);
}

/* The calls of a caller that remembers sites. */
static void test_sites(void)
{
    ctm_tracer *tracer = new_tracer();
    ctm_shard *shard = ctm_tracer_exclusive(tracer);
    CHECK(shard == ctm_shard_enter(tracer, 0));
    uint32_t here = traceback_at(shard, 1), there = traceback_at(shard, 2), site, other, again;
    CHECK_EQ(ctm_shard_site(shard, 0, 0, 10, 0, &site), CTM_ERR_INVALID);
    CHECK_EQ(ctm_shard_site(shard, 0, there + 1, 10, 0, &site), CTM_ERR_INVALID);
    REQUIRE(ctm_shard_site(shard, 0, here, 10, 0, &site) == CTM_OK);
    REQUIRE(ctm_shard_site(shard, 0, there, 10, 0, &other) == CTM_OK);
    REQUIRE(ctm_shard_site(shard, 0, here, 10, 0, &again) == CTM_OK);
    CHECK(site == again && site != other);
    ctm_found found;
    CHECK(!ctm_shard_seek(shard, 0, 160, &found));
    REQUIRE(ctm_shard_alloc_at(shard, 0, 160, site) == CTM_OK);
    CHECK(ctm_shard_seek(shard, 0, 160, &found));
    CHECK_EQ(ctm_shard_found_size(shard, &found), 10);
    CHECK_TOTALS(tracer, 10, 10, 1);
    ctm_shard_reattribute_at(shard, &found, other);
    CHECK(!ctm_shard_seek(shard, 0, 320, &found));
    ctm_block block;
    CHECK_EQ(ctm_shard_find(shard, 0, 160, &block), CTM_OK);
    CHECK(block.traceback == there && block.size == 10);
    CHECK_TOTALS(tracer, 10, 10, 1);
    ctm_resize resize;
    REQUIRE(ctm_shard_resize_begin_at(shard, 0, 160, site, &resize) == CTM_OK);
    ctm_shard_resize_commit(shard, &resize, 320);
    CHECK_EQ(ctm_shard_find(shard, 0, 320, &block), CTM_OK);
    CHECK_EQ(block.traceback, here);
    CHECK(ctm_shard_free(shard, 0, 320));
    ctm_snapshot *snapshot;
    REQUIRE(ctm_tracer_snapshot(tracer, &snapshot) == CTM_OK);
    const ctm_site *sites = ctm_snapshot_sites(snapshot);
    CHECK(sites[1].allocated == 2 && sites[1].freed == 2);
    CHECK(sites[2].allocated == 1 && sites[2].freed == 1);
    ctm_snapshot_unref(snapshot);
    ctm_tracer_free(tracer);
}

/* The label set is part of a site's key; a site without one is another site. */
static void test_labelled_sites(void)
{
    ctm_tracer *tracer = new_tracer();
    ctm_shard *shard = ctm_shard_enter(tracer, 0);
    const uint32_t here = traceback_at(shard, 1);
    uint32_t key, value, sets[3] = {0}, sites[3], again;
    REQUIRE(ctm_shard_string(shard, "thread", 6, &key) == CTM_OK);
    for (uint32_t i = 1; i < 3; i++) {
        REQUIRE(ctm_shard_string(shard, i == 1 ? "7" : "8", 1, &value) == CTM_OK);
        REQUIRE(ctm_shard_label(shard, 0, key, value, &sets[i]) == CTM_OK);
    }
    CHECK_EQ(ctm_shard_site(shard, 0, here, 10, sets[2] + 1, &again), CTM_ERR_INVALID);
    for (uint32_t i = 0; i < 3; i++) {
        REQUIRE(ctm_shard_site(shard, 0, here, 10, sets[i], &sites[i]) == CTM_OK);
    }
    CHECK_EQ(ctm_shard_site(shard, 0, here, 10, sets[2] + 1, &again), CTM_ERR_INVALID);
    CHECK(sites[0] != sites[1] && sites[1] != sites[2] && sites[0] != sites[2]);
    for (uint32_t turn = 0; turn < 6; turn++) { /* the site looked up before has another set */
        const uint32_t i = turn % 3;
        REQUIRE(ctm_shard_site(shard, 0, here, 10, sets[i], &again) == CTM_OK);
        CHECK_EQ(again, sites[i]);
        REQUIRE(ctm_shard_alloc_at(shard, 0, 160 * (turn + 1), again) == CTM_OK);
    }
    REQUIRE(ctm_shard_alloc(shard, 0, 1600, 10, here) == CTM_OK); /* has no label */
    CHECK(ctm_shard_free(shard, 0, 320));
    ctm_shard_leave(shard);
    ctm_snapshot *snapshot;
    REQUIRE(ctm_tracer_snapshot(tracer, &snapshot) == CTM_OK);
    static const uint64_t allocated[] = {3, 2, 2}, freed[] = {0, 1, 0};
    for (uint32_t i = 0; i < 3; i++) {
        const ctm_site *site = &ctm_snapshot_sites(snapshot)[sites[i]];
        CHECK_EQ(site->labels, sets[i]);
        CHECK_EQ(site->allocated, allocated[i]);
        CHECK_EQ(site->freed, freed[i]);
    }
    ctm_snapshot_unref(snapshot);
    ctm_tracer_free(tracer);
}

static void test_homes(void)
{
    ctm_tracer *tracer = new_tracer();
    for (uint32_t a = 0; a < CTM_SHARDS; a++) {
        for (uint32_t b = 0; b < CTM_SHARDS; b++) {
            ctm_shard *shard = ctm_shard_enter(tracer, a);
            REQUIRE(ctm_shard_alloc(shard, 0, 160, 10, traceback_at(shard, 1)) == CTM_OK);
            ctm_shard_leave(shard);
            shard = ctm_shard_enter(tracer, b);
            ctm_block block;
            CHECK_EQ(ctm_shard_find(shard, 0, 160, &block), CTM_OK);
            CHECK_EQ(block.shard, a);
            CHECK_EQ(ctm_shard_reattribute(shard, 0, 160, traceback_at(shard, 2)), CTM_OK);
            CHECK_EQ(ctm_shard_find(shard, 0, 160, &block), CTM_OK);
            CHECK(block.shard == b && block.size == 10);
            ctm_shard_leave(shard);
            CHECK_TOTALS(tracer, 10, 10, 1);
            shard = ctm_shard_enter(tracer, a);
            CHECK(ctm_shard_free(shard, 0, 160));
            CHECK_EQ(ctm_shard_reattribute(shard, 0, 160, 1), CTM_ERR_NOT_FOUND);
            ctm_shard_leave(shard);
            CHECK_TOTALS(tracer, 0, 10, 0);
        }
    }
    ctm_snapshot *snapshot;
    REQUIRE(ctm_tracer_snapshot(tracer, &snapshot) == CTM_OK);
    ctm_snapshot_info info;
    ctm_snapshot_info_get(snapshot, &info);
    CHECK(info.live_blocks == 0 && info.current_bytes == 0 && info.peak_bytes == 10);
    CHECK_EQ(info.sites, 2); /* the shards' equal sites are one */
    const ctm_site *sites = ctm_snapshot_sites(snapshot);
    CHECK(sites[1].allocated == 25 && sites[1].freed == 25);
    CHECK(sites[2].allocated == 25 && sites[2].freed == 25);
    CHECK(info.tracer_bytes > 0 && info.nframe == 1);
    ctm_snapshot_unref(snapshot);
    ctm_tracer_free(tracer);
}

static void test_resize(void)
{
    ctm_tracer *tracer = new_tracer();
    ctm_shard *shard = ctm_shard_enter(tracer, 0);
    uint32_t here = traceback_at(shard, 1);
    ctm_resize resize;
    ctm_block block;
    REQUIRE(ctm_shard_alloc(shard, 0, 160, 10, here) == CTM_OK);
    CHECK_EQ(ctm_shard_resize_begin(shard, 0, 160, 1, 0, &resize), CTM_ERR_INVALID);
    REQUIRE(ctm_shard_resize_begin(shard, 0, 160, 15, here, &resize) == CTM_OK);
    CHECK_EQ(ctm_shard_find(shard, 0, 160, &block), CTM_ERR_NOT_FOUND);
    CHECK_TOTALS(tracer, 10, 10, 1);
    ctm_shard_resize_abort(shard, &resize);
    CHECK_EQ(ctm_shard_find(shard, 0, 160, &block), CTM_OK);
    CHECK_EQ(block.size, 10);
    REQUIRE(ctm_shard_resize_begin(shard, 0, 160, 15, here, &resize) == CTM_OK);
    ctm_shard_resize_commit(shard, &resize, 320);
    CHECK_TOTALS(tracer, 15, 15, 1); /* never both at once */
    CHECK_EQ(ctm_shard_find(shard, 0, 160, &block), CTM_ERR_NOT_FOUND);
    REQUIRE(ctm_shard_resize_begin(shard, 0, 0, 20, here, &resize) == CTM_OK);
    ctm_shard_resize_commit(shard, &resize, 160);
    CHECK_TOTALS(tracer, 35, 35, 2);
    REQUIRE(ctm_shard_resize_begin(shard, 0, 160, 1, here, &resize) == CTM_OK);
    ctm_tracer_clear(tracer); /* a resize begun before a clear does nothing after it */
    here = traceback_at(shard, 1);
    ctm_shard_resize_commit(shard, &resize, 640);
    CHECK_EQ(ctm_shard_find(shard, 0, 640, &block), CTM_ERR_NOT_FOUND);
    CHECK_TOTALS(tracer, 0, 0, 0);
    REQUIRE(ctm_shard_resize_begin(shard, 0, 160, 1, here, &resize) == CTM_OK);
    ctm_tracer_stop(tracer);
    REQUIRE(ctm_tracer_start(tracer, 1) == CTM_OK);
    ctm_shard_resize_abort(shard, &resize);
    CHECK_TOTALS(tracer, 0, 0, 0);
    ctm_tracer_free(tracer);
}

static void test_memory_goes_back(void)
{
    ctm_tracer *tracer;
    REQUIRE(ctm_tracer_new(&tracer) == CTM_OK);
    size_t before = ctm_tracer_memory(tracer);
    CHECK(before > 0 && before < 64 * 1024);
    REQUIRE(ctm_tracer_start(tracer, 1) == CTM_OK);
    ctm_shard *shard = ctm_shard_enter(tracer, 0);
    for (uintptr_t i = 0; i < 100000; i++) {
        REQUIRE(ctm_shard_alloc(shard, 0, 0x7f0000000000 + i * 64, i,
                                traceback_at(shard, (int)(i % 1000) + 1)) == CTM_OK);
    }
    /* 100,000 sites of 64 bytes, 16 bytes of map for each block */
    CHECK(ctm_tracer_memory(tracer) > 8000000);
    ctm_tracer_clear(tracer);
    CHECK(ctm_tracer_memory(tracer) < before + 512 * 1024);
    ctm_tracer_stop(tracer);
    CHECK(ctm_tracer_memory(tracer) <= before + 8192); /* the top of the map, touched */
    ctm_tracer_free(tracer);
}

static void test_snapshot(void)
{
    ctm_tracer *tracer = new_tracer();
    ctm_shard *shard = ctm_shard_enter(tracer, 1);
    ctm_frame_text text[2] = {{"a.py", "f", 3, 10}, {"b.py", NULL, 0, 20}};
    uint32_t id;
    REQUIRE(ctm_shard_traceback_text(shard, text, 2, 7, &id) == CTM_OK);
    for (uintptr_t i = 1; i <= 5; i++) {
        REQUIRE(ctm_shard_alloc(shard, 3, i * 16, 8, id) == CTM_OK);
    }
    CHECK(ctm_shard_free(shard, 3, 16));
    ctm_shard_leave(shard);
    ctm_snapshot *snapshot;
    REQUIRE(ctm_tracer_snapshot(tracer, &snapshot) == CTM_OK);
    ctm_tracer_free(tracer); /* a snapshot is independent of its tracer */
    ctm_snapshot_info info;
    ctm_snapshot_info_get(snapshot, &info);
    CHECK(info.sites == 1 && info.tracebacks == 2 && info.frames == 2 && info.functions == 2);
    CHECK(info.live_blocks == 4 && info.current_bytes == 32 && info.peak_bytes == 40);
    const ctm_site *site = &ctm_snapshot_sites(snapshot)[1];
    CHECK(site->allocated == 5 && site->freed == 1 && site->domain == 3 && site->block_size == 8);
    CHECK_EQ(ctm_snapshot_traceback_length(snapshot, site->traceback), 2);
    const ctm_traceback *top = &ctm_snapshot_tracebacks(snapshot)[site->traceback];
    CHECK_EQ(top->total_nframe, 7);
    const ctm_frame *frame = &ctm_snapshot_frames(snapshot)[top->frame];
    const ctm_function *function = &ctm_snapshot_functions(snapshot)[frame->function];
    CHECK_EQ(frame->lineno, 10);
    CHECK_STR(ctm_snapshot_string(snapshot, function->filename, NULL), "a.py");
    CHECK_STR(ctm_snapshot_string(snapshot, function->name, NULL), "f");
    CHECK_EQ(ctm_snapshot_tracebacks(snapshot)[top->parent].total_nframe, 6);
    ctm_snapshot_unref(snapshot);
}

static void test_snapshot_of_many_shards(void)
{
    enum { SITES = 3000 };
    ctm_tracer *tracer = new_tracer();
    for (uint32_t i = 0; i < CTM_SHARDS; i++) {
        ctm_shard *shard = ctm_shard_enter(tracer, i);
        /* Shard 3 has most; the others' places are among its, but one each. */
        int places = i == 3 ? SITES : 10 * (int)(i + 1);
        for (int line = 1; line <= places; line++) {
            REQUIRE(ctm_shard_alloc(shard, 1, i * 100000 + (uint32_t)line, 32,
                                    traceback_at(shard, line)) == CTM_OK);
        }
        REQUIRE(ctm_shard_alloc(shard, 1, i * 100000, 32, traceback_at(shard, 9000 + (int)i)) ==
                CTM_OK);
        (void)traceback_at(shard, 8000 + (int)i); /* nothing lives here */
        ctm_shard_leave(shard);
    }
    ctm_snapshot *snapshot;
    REQUIRE(ctm_tracer_snapshot(tracer, &snapshot) == CTM_OK);
    ctm_snapshot_info info;
    ctm_snapshot_info_get(snapshot, &info);
    CHECK_EQ(info.sites, SITES + CTM_SHARDS);
    CHECK_EQ(info.tracebacks, SITES + CTM_SHARDS + 1); /* shard 3's unused one is copied along */
    CHECK_EQ(info.functions, 1);
    uint64_t blocks = SITES + 10 + 20 + 30 + 50 + CTM_SHARDS;
    CHECK_EQ(info.live_blocks, blocks);
    CHECK_EQ(info.current_bytes, blocks * 32);
    for (uint32_t id = 1; id <= info.sites; id++) {
        const ctm_site *site = &ctm_snapshot_sites(snapshot)[id];
        int line =
            ctm_snapshot_frames(snapshot)[ctm_snapshot_tracebacks(snapshot)[site->traceback].frame]
                .lineno;
        uint64_t expected =
            line >= 9000 ? 1 : 1ull + (line <= 10) + (line <= 20) + (line <= 30) + (line <= 50);
        CHECK_EQ(site->allocated, expected);
        CHECK_EQ(site->freed, 0);
    }
    ctm_snapshot_unref(snapshot);
    ctm_tracer_free(tracer);
}

static uint32_t shard_text(ctm_shard *shard, const char *text)
{
    uint32_t id;
    REQUIRE(ctm_shard_string(shard, text, strlen(text), &id) == CTM_OK);
    return id;
}

/* The same label set in every shard, under other ids; one block with it and one without. */
static void test_labels_of_many_shards(void)
{
    ctm_tracer *tracer = new_tracer();
    for (uint32_t i = 0; i < CTM_SHARDS; i++) {
        ctm_shard *shard = ctm_shard_enter(tracer, i);
        char own[20];
        uint32_t set, site, unused;
        snprintf(own, sizeof own, "shard %u", i);
        REQUIRE(ctm_shard_label(shard, 0, shard_text(shard, own), 0, &unused) == CTM_OK);
        REQUIRE(ctm_shard_label(shard, 0, shard_text(shard, "b"), shard_text(shard, own), &set) ==
                CTM_OK);
        REQUIRE(ctm_shard_label(shard, set, shard_text(shard, "b"), shard_text(shard, "same"),
                                &set) == CTM_OK);
        CHECK_EQ(ctm_shard_label(shard, set + 1, 1, 1, &unused), CTM_ERR_INVALID);
        uint32_t traceback = traceback_at(shard, 1);
        REQUIRE(ctm_shard_alloc(shard, 1, i * 100 + 1, 32, traceback) == CTM_OK);
        REQUIRE(ctmi_store_site(&shard->store, 1, traceback, 32, set, &site) == CTM_OK);
        REQUIRE(ctm_shard_alloc_at(shard, 1, i * 100 + 2, site) == CTM_OK);
        ctm_shard_leave(shard);
    }
    ctm_snapshot *snapshot;
    ctm_snapshot_info info;
    REQUIRE(ctm_tracer_snapshot(tracer, &snapshot) == CTM_OK);
    ctm_snapshot_info_get(snapshot, &info);
    CHECK_EQ(info.sites, 2);
    CHECK_EQ(info.live_blocks, 2 * CTM_SHARDS);
    const ctm_site *sites = ctm_snapshot_sites(snapshot);
    const ctm_site *with = sites[1].labels ? &sites[1] : &sites[2];
    CHECK_EQ(with->allocated, CTM_SHARDS);
    const ctm_label *label = &ctm_snapshot_labels(snapshot)[with->labels];
    CHECK_STR(ctm_snapshot_string(snapshot, label->key, NULL), "b");
    CHECK_STR(ctm_snapshot_string(snapshot, label->value, NULL), "same");
    ctm_snapshot_unref(snapshot);
    ctm_tracer_free(tracer);
}

static void test_origin(void)
{
    ctm_tracer *tracer = new_tracer();
    ctm_snapshot *snapshot;
    ctm_snapshot_info info;
    REQUIRE(ctm_tracer_snapshot(tracer, &snapshot) == CTM_OK);
    ctm_snapshot_info_get(snapshot, &info);
    CHECK(info.command == 0 && info.peak_known);
    CHECK_EQ(info.pid, getpid());
    CHECK(info.started_ns > 1600000000000000000u && info.taken_ns >= info.started_ns);
    ctm_snapshot_unref(snapshot);
    REQUIRE(ctm_tracer_set_command(tracer, "other", 5) == CTM_OK);
    REQUIRE(ctm_tracer_set_command(tracer, "a program", 9) == CTM_OK);
    ctm_tracer_clear(tracer);
    REQUIRE(ctm_tracer_snapshot(tracer, &snapshot) == CTM_OK);
    ctm_snapshot_info_get(snapshot, &info);
    CHECK_STR(ctm_snapshot_string(snapshot, info.command, NULL), "a program");
    ctm_snapshot_unref(snapshot);
    REQUIRE(ctm_tracer_set_command(tracer, NULL, 0) == CTM_OK);
    REQUIRE(ctm_tracer_snapshot(tracer, &snapshot) == CTM_OK);
    ctm_snapshot_info_get(snapshot, &info);
    CHECK_EQ(info.command, 0);
    ctm_snapshot_unref(snapshot);
    ctm_tracer_free(tracer);
}

/* --- fork --- */
static int child_goes_on(ctm_tracer *tracer)
{
    unsigned long failed_before = atomic_load(&check_failed);
    ctm_tracer_fork_after_child(tracer);
    for (uint32_t i = 0; i < CTM_SHARDS; i++) {
        ctm_shard *shard = ctm_shard_enter(tracer, i);
        CHECK(ctm_shard_free(shard, 5, 16 * (i + 1)));
        REQUIRE(ctm_shard_alloc(shard, 5, 4096 + i, 1, traceback_at(shard, 1)) == CTM_OK);
        ctm_shard_leave(shard);
    }
    CHECK_TOTALS(tracer, CTM_SHARDS, 10 * CTM_SHARDS, CTM_SHARDS);
    ctm_tracer_free(tracer);
    return atomic_load(&check_failed) == failed_before ? 0 : 1;
}

static void test_fork(void)
{
    ctm_tracer *tracer = new_tracer();
    for (uint32_t i = 0; i < CTM_SHARDS; i++) {
        ctm_shard *shard = ctm_shard_enter(tracer, i);
        REQUIRE(ctm_shard_alloc(shard, 5, 16 * (i + 1), 10, traceback_at(shard, 1)) == CTM_OK);
        ctm_shard_leave(shard);
    }
    ctm_tracer_fork_before(tracer);
    pid_t child = fork();
    if (child == 0) {
        _exit(child_goes_on(tracer));
    }
    ctm_tracer_fork_after_parent(tracer);
    int status = -1;
    REQUIRE(child > 0 && waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    CHECK_TOTALS(tracer, 10 * CTM_SHARDS, 10 * CTM_SHARDS, CTM_SHARDS);
    ctm_tracer_clear(tracer); /* takes every lock */
    ctm_tracer_free(tracer);
}

TEST_LIST = {
    TEST(test_life),
    TEST(test_interning),
    TEST(test_alloc_and_free),
    TEST(test_sites),
    TEST(test_labelled_sites),
    TEST(test_homes),
    TEST(test_resize),
    TEST(test_memory_goes_back),
    TEST(test_snapshot),
    TEST(test_snapshot_of_many_shards),
    TEST(test_labels_of_many_shards),
    TEST(test_origin),
    TEST(test_fork),
    TEST_LIST_END,
};
