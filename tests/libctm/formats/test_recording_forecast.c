/* test_recording_forecast.c: lists of changes, written and read again.
 *
 * Model: random changes of many sites, tick after tick, in patterns that meet and miss the forecast: steady paces, rests,
 * extremes. What is read must be what was written, and a steady program must cost next to nothing.
 */
#define CHECK_SET_UP set_up
#include "check.h"
#include "ctm/ctm.h"
#include "formats/recording_writer.h"

#define SITES 500u
#define TICKS 60u

static struct ctmi_crc32c crc;
static uint64_t allocated[TICKS][SITES + 1],
    live[TICKS][SITES + 1]; /* as they stand after the tick */

static void put_rows(struct ctmi_buffer *out)
{
    const uint32_t counts[CTMI_ROWS_TABLES] = {0, 0, 0, 0, 0, SITES};
    const ctm_recording_span span = {.tracing = true, .nframe = 1};
    size_t begin = ctmi_block_begin(out, CTMI_BLOCK_SPAN);
    ctmi_put_span(out, &span);
    ctmi_block_end(out, &crc, begin);
    begin = ctmi_block_begin(out, CTMI_BLOCK_ROWS);
    ctmi_put_rows_head(out, 0, counts);
    for (uint32_t id = 1; id <= SITES; id++) {
        ctmi_put_site(out, &(ctm_site){.block_size = id});
    }
    ctmi_block_end(out, &crc, begin);
}

static void put_tick(struct ctmi_buffer *out, struct ctmi_forecast *forecast, uint32_t tick)
{
    ctm_moment moment = {.time = tick};
    struct ctmi_buffer list = {0};
    struct ctmi_changes changes;
    ctmi_changes_begin(&changes, &list, forecast, 0);
    for (uint32_t id = 1; id <= SITES; id++) {
        const uint64_t before = tick ? allocated[tick - 1][id] : 0;
        const uint64_t lived = tick ? live[tick - 1][id] : 0;
        moment.blocks += live[tick][id];
        moment.bytes += live[tick][id] * id;
        ctmi_changes_site(&changes, id, allocated[tick][id] - before,
                          (int64_t)(live[tick][id] - lived));
    }
    ctmi_changes_end(&changes);
    ctmi_put_end_of_list(&list);
    const size_t begin = ctmi_block_begin(out, CTMI_BLOCK_TICK);
    ctmi_put_tick_head(out, &moment);
    ctmi_buffer_put(out, list.bytes, list.length);
    ctmi_block_end(out, &crc, begin);
    REQUIRE(!list.failed && !out->failed);
    ctmi_buffer_free(&list);
}

static void check_tick(ctm_recording *recording, uint32_t tick)
{
    ctm_snapshot *snapshot;
    ctm_snapshot_info info;
    REQUIRE(ctm_recording_snapshot(recording, tick, &snapshot) == CTM_OK);
    ctm_snapshot_info_get(snapshot, &info);
    uint32_t row = 1;
    for (uint32_t id = 1; id <= SITES; id++) {
        if (allocated[tick][id] == 0) {
            continue;
        }
        REQUIRE(row <= info.sites);
        const ctm_site *site = &ctm_snapshot_sites(snapshot)[row++];
        CHECK_EQ(site->block_size, id);
        CHECK_EQ(site->allocated, allocated[tick][id]);
        CHECK_EQ(site->allocated - site->freed, live[tick][id]);
    }
    CHECK_EQ(row - 1, info.sites);
    ctm_snapshot_unref(snapshot);
}

/* Gives the bytes of the second half of the ticks. */
static size_t round_trip(void)
{
    struct ctmi_buffer out = {0};
    struct ctmi_forecast forecast = {0};
    size_t half = 0;
    ctm_recording *recording;
    ctmi_put_recording_header(&out, &crc, 0, 1, 0);
    put_rows(&out);
    for (uint32_t tick = 0; tick < TICKS; tick++) {
        if (tick == TICKS / 2) {
            half = out.length;
        }
        put_tick(&out, &forecast, tick);
    }
    REQUIRE(ctm_recording_decode(out.bytes, out.length, &recording, NULL) == CTM_OK);
    CHECK(ctm_recording_info_get(recording)->fault.reason == NULL);
    CHECK_EQ(ctm_recording_info_get(recording)->moments, TICKS);
    for (uint32_t tick = 0; tick < TICKS; tick += tick % 7 + 1) {
        check_tick(recording, tick);
    }
    check_tick(recording, TICKS / 2);
    ctm_recording_free(recording);
    ctmi_forecast_free(&forecast);
    const size_t size = out.length - half;
    ctmi_buffer_free(&out);
    return size;
}

static void fill(uint64_t (*more)(uint64_t *random, uint32_t tick, uint32_t id), uint64_t seed)
{
    for (uint32_t tick = 0; tick < TICKS; tick++) {
        for (uint32_t id = 1; id <= SITES; id++) {
            const uint64_t before = tick ? allocated[tick - 1][id] : 0;
            const uint64_t lived = tick ? live[tick - 1][id] : 0;
            const uint64_t added = more(&seed, tick, id);
            allocated[tick][id] = before + added;
            /* Mostly freed again; at times some stay, or older ones go. */
            const uint64_t chance = check_random(&seed) % 64;
            live[tick][id] = chance == 0 && added > 0   ? lived + 1
                             : chance == 1 && lived > 0 ? lived - 1
                                                        : lived;
        }
    }
}

/* A load that varies; each line runs so many times a request. */
static uint64_t service(uint64_t *random, uint32_t tick, uint32_t id)
{
    (void)random;
    return tick % 10 == 9 ? 0 : (100 + tick * 7 % 30) * (id / 50 + 1);
}

static uint64_t chaos(uint64_t *random, uint32_t tick, uint32_t id)
{
    (void)tick, (void)id;
    const uint64_t kind = check_random(random) % 8;
    return kind < 4   ? 0
           : kind < 6 ? check_random(random) % 4
           : kind < 7 ? check_random(random) >> (check_random(random) % 50 + 14)
                      : check_random(random) % (1ull << 33);
}

/* In turns longer and shorter than what a rest may last. */
static uint64_t turns(uint64_t *random, uint32_t tick, uint32_t id)
{
    const uint32_t turn = id % 40;
    return turn > 0 && tick / turn % 2 == 0 ? 1 + check_random(random) % 2 : 0;
}

static uint64_t nothing(uint64_t *random, uint32_t tick, uint32_t id)
{
    (void)random;
    return tick == 0 ? id : 0;
}

static void test_extremes(void)
{
    memset(allocated, 0, sizeof allocated);
    memset(live, 0, sizeof live);
    static const uint64_t steps[] = {1, UINT64_MAX / 4, 0, 1u << 31, (1ull << 31) + 1,
                                     1, 1ull << 61,     0};
    for (uint32_t tick = 0; tick < TICKS; tick++) {
        for (uint32_t id = 1; id <= SITES; id++) {
            allocated[tick][id] =
                (tick ? allocated[tick - 1][id] : 0) + (tick < 7 ? steps[(tick + id) % 8] : 0);
        }
    }
    (void)round_trip();
}

static void test_service(void)
{
    fill(service, 1);
    /* 500 sites change in each: about 8 of them in their live blocks */
    CHECK(round_trip() < TICKS / 2 * 100);
}

static void test_chaos(void)
{
    fill(chaos, 2);
    (void)round_trip();
}

static void test_turns(void)
{
    fill(turns, 3);
    (void)round_trip();
}

static void test_nothing(void)
{
    fill(nothing, 4);
    (void)round_trip();
}

static void set_up(void)
{
    ctmi_crc32c_init(&crc);
}

TEST_LIST = {
    TEST(test_service), TEST(test_chaos),    TEST(test_turns),
    TEST(test_nothing), TEST(test_extremes), TEST_LIST_END,
};
