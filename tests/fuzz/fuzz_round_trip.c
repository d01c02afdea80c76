/* fuzz_round_trip.c: any bytes as calls of a builder; its snapshot goes to a file and back.
 *
 * Model: the bytes are a program. Its ids are small numbers, valid or not: a builder refuses what does not exist.
 * What was added is added up here as well and must be what the snapshot says; the snapshot answers everything, is
 * the same after the file, and added to another builder has the same traces.
 */
#include "fuzz_ask.h"

struct input {
    const uint8_t *at, *end;
};

static uint32_t next_byte(struct input *input)
{
    return input->at < input->end ? *input->at++ : 0;
}

/* Mostly small, sometimes at the edges of what fits. */
static uint64_t next_number(struct input *input)
{
    static const uint64_t edges[] = {
        256,        65535,      INT32_MAX,     UINT32_MAX,    1ull << 32, 1ull << 48,
        1ull << 53, 1ull << 61, INT64_MAX / 2, INT64_MAX - 1, INT64_MAX,  UINT64_MAX,
    };
    const uint32_t byte = next_byte(input);
    if (byte < 128) {
        return byte;
    }
    return byte < 192 ? byte * (uint64_t)next_byte(input)
                      : edges[byte % (sizeof edges / sizeof edges[0])];
}

struct sums {
    unsigned __int128 blocks, bytes, peak_blocks, peak_bytes;
};

static void add_string(ctm_builder *builder, struct input *input)
{
    uint32_t id, length = next_byte(input);
    const size_t left = (size_t)(input->end - input->at);
    if (length > left) {
        length = (uint32_t)left;
    }
    uint8_t *text = fuzz_copy(input->at, length);
    input->at += length;
    const ctm_status status = ctm_builder_string(builder, (const char *)text, length, &id);
    MUST(status == CTM_OK || status == CTM_ERR_INVALID);
    free(text);
}

static void add_site(ctm_builder *builder, struct input *input, struct sums *sums)
{
    ctm_site site = {.block_size = next_number(input), .allocated = next_number(input)};
    site.freed = next_number(input);
    site.domain = next_byte(input) % 3;
    site.traceback = next_byte(input);
    site.labels = next_byte(input);
    site.at_peak = next_number(input);
    const bool merge = next_byte(input) % 2;
    const ctm_status status = ctm_builder_site(builder, &site, merge);
    MUST(status == CTM_OK || status == CTM_ERR_INVALID || status == CTM_ERR_LIMIT);
    if (status != CTM_OK) {
        return;
    }
    const uint64_t live = site.allocated - site.freed;
    sums->blocks += live;
    sums->bytes += (unsigned __int128)live * site.block_size;
    sums->peak_blocks += site.at_peak;
    sums->peak_bytes += (unsigned __int128)site.at_peak * site.block_size;
}

static void set_info(ctm_builder *builder, struct input *input)
{
    const uint64_t taken = next_number(input), started = next_number(input);
    const uint32_t pid = (uint32_t)next_number(input), command = next_byte(input);
    const ctm_status status = ctm_builder_set_origin(builder, taken, started, pid, command);
    MUST(status == CTM_OK || status == CTM_ERR_INVALID);
    ctm_builder_set_info(builder, (uint32_t)taken, started, pid);
}

/* Texts of any bytes: they are made fit. */
static void add_loss(ctm_builder *builder, struct input *input)
{
    char kind[256] = "", detail[1024] = "";
    const size_t left = (size_t)(input->end - input->at);
    const size_t kind_length = left < 40 ? left : 40, length = left < 1000 ? left : 1000;
    memcpy(kind, input->at, kind_length);
    memcpy(detail, input->at, length);
    input->at += kind_length;
    ctm_builder_loss(builder, kind, detail, left);
}

/* One step of the program. */
static void step(ctm_builder *builder, struct input *input, struct sums *sums, bool *peak_known)
{
    uint32_t id;
    const uint32_t what = next_byte(input) % 8;
    ctm_status status = CTM_OK;
    if (what == 0) {
        add_string(builder, input);
    } else if (what == 5 || what == 6) {
        add_site(builder, input, sums);
    } else if (what == 7) {
        set_info(builder, input);
        const uint32_t facts = next_byte(input);
        *peak_known = facts % 4 != 0;
        ctm_builder_set_peak_known(builder, *peak_known);
        if (facts >= 128) {
            add_loss(builder, input);
        }
    } else {
        const uint32_t a = next_byte(input), b = next_byte(input);
        const int32_t number = (int32_t)(uint32_t)next_number(input);
        if (what == 1) {
            status = ctm_builder_function(builder, a, b, number, &id);
        }
        if (what == 2) {
            status = ctm_builder_frame(builder, a, number, &id);
        }
        if (what == 3) {
            status = ctm_builder_traceback(builder, a, b, number, &id);
        }
        if (what == 4) {
            status = ctm_builder_label(builder, a, b, (uint32_t)number, &id);
        }
    }
    MUST(status == CTM_OK || status == CTM_ERR_INVALID || status == CTM_ERR_LIMIT);
}

/* Another builder to which all of it is added. */
static void add_to_another(const ctm_snapshot *snapshot, const ctm_snapshot_info *info)
{
    ctm_builder *builder;
    ctm_snapshot *again;
    ctm_snapshot_info after;
    bool same = false;
    MUST(ctm_builder_new(&builder) == CTM_OK);
    MUST(ctm_builder_add_snapshot(builder, snapshot, NULL) == CTM_OK);
    MUST(ctm_builder_finish(builder, &again) == CTM_OK);
    ctm_snapshot_info_get(again, &after);
    MUST(after.live_blocks == info->live_blocks && after.current_bytes == info->current_bytes);
    MUST(after.peak_known == info->peak_known);
    MUST(ctm_snapshot_equal(snapshot, again, &same) == CTM_OK && same);
    ctm_snapshot_unref(again);
    ctm_builder_free(builder);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, data + size};
    struct sums sums = {0, 0, 0, 0};
    bool peak_known = false;
    ctm_builder *builder;
    ctm_snapshot *snapshot;
    ctm_snapshot_info info;
    MUST(ctm_builder_new(&builder) == CTM_OK);
    while (input.at < input.end) {
        step(builder, &input, &sums, &peak_known);
    }
    const ctm_status status = ctm_builder_finish(builder, &snapshot);
    const bool fits = sums.blocks <= INT64_MAX && sums.bytes <= INT64_MAX;
    const bool peak_fits = sums.peak_blocks <= INT64_MAX && sums.peak_bytes <= INT64_MAX;
    MUST(status == (fits && (peak_fits || !peak_known) ? CTM_OK : CTM_ERR_LIMIT));
    if (status == CTM_OK) {
        ctm_snapshot_info_get(snapshot, &info);
        MUST(info.live_blocks == sums.blocks && info.current_bytes == sums.bytes);
        MUST(info.peak_known == peak_known);
        ask_snapshot(snapshot);
        fuzz_must_round_trip(snapshot, data, size);
        add_to_another(snapshot, &info);
        ctm_snapshot_unref(snapshot);
    }
    ctm_builder_free(builder);
    return 0;
}
