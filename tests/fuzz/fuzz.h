/* fuzz.h: what the fuzz targets share.
 *
 * Model: a target is a file fuzz_NAME.c with one LLVMFuzzerTestOneInput, which takes any bytes and aborts
 * when something does not hold. libFuzzer makes the bytes (make fuzz), or replay.c takes them from files
 * (seeds/NAME, in every run of the tests).
 */
#ifndef CTM_TESTS_FUZZ_H
#define CTM_TESTS_FUZZ_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../libctm/sizes.h"
#include "ctm/ctm.h"

/* Before main: the targets go for many chunks and short windows. */
__attribute__((constructor)) static void fuzz_sizes(void)
{
    sizes_small();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(condition)                                                             \
    do {                                                                            \
        if (!(condition)) {                                                         \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
            abort();                                                                \
        }                                                                           \
    } while (0)

/* Exactly so long, so that a sanitizer sees a step behind the end. The caller frees it. */
static inline uint8_t *fuzz_copy(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size > 0 ? size : 1);
    MUST(copy != NULL);
    if (size > 0) {
        memcpy(copy, data, size);
    }
    return copy;
}

/* Every table and all the info, byte by byte. */
static inline void fuzz_must_be_identical(const ctm_snapshot *a, const ctm_snapshot *b)
{
    ctm_snapshot_info one, two;
    memset(&one, 0, sizeof one);
    memset(&two, 0, sizeof two);
    ctm_snapshot_info_get(a, &one);
    ctm_snapshot_info_get(b, &two);
    MUST(one.nframe == two.nframe && one.sites == two.sites && one.strings == two.strings);
    MUST(one.tracebacks == two.tracebacks && one.frames == two.frames);
    MUST(one.functions == two.functions && one.label_sets == two.label_sets);
    MUST(one.command == two.command && one.pid == two.pid && one.taken_ns == two.taken_ns);
    MUST(one.started_ns == two.started_ns && one.sample_interval == two.sample_interval);
    MUST(one.live_blocks == two.live_blocks && one.current_bytes == two.current_bytes);
    MUST(one.peak_bytes == two.peak_bytes && one.tracer_bytes == two.tracer_bytes);
    MUST(one.peak_known == two.peak_known && one.churn_known == two.churn_known);
#define SAME_ROWS(what, count, type) \
    MUST(memcmp(what(a), what(b), ((size_t)(count) + 1) * sizeof(type)) == 0)
    SAME_ROWS(ctm_snapshot_sites, one.sites, ctm_site);
    SAME_ROWS(ctm_snapshot_tracebacks, one.tracebacks, ctm_traceback);
    SAME_ROWS(ctm_snapshot_frames, one.frames, ctm_frame);
    SAME_ROWS(ctm_snapshot_functions, one.functions, ctm_function);
    SAME_ROWS(ctm_snapshot_labels, one.label_sets, ctm_label);
#undef SAME_ROWS
    for (uint32_t id = 0; id <= one.strings; id++) {
        size_t length, other;
        const char *text = ctm_snapshot_string(a, id, &length);
        const char *same = ctm_snapshot_string(b, id, &other);
        MUST(length == other && memcmp(text, same, length + 1) == 0);
    }
    const ctm_loss *losses, *same_losses;
    const uint32_t n = ctm_snapshot_losses(a, &losses);
    MUST(n == ctm_snapshot_losses(b, &same_losses));
    MUST(n == 0 || memcmp(losses, same_losses, n * sizeof *losses) == 0);
    for (uint32_t id = 0; id <= one.tracebacks; id++) {
        MUST(ctm_snapshot_traceback_length(a, id) == ctm_snapshot_traceback_length(b, id));
    }
}

/* Encoded, decoded and encoded again it is the same. */
static inline void fuzz_must_round_trip(const ctm_snapshot *snapshot, const void *attributes,
                                        size_t length)
{
    ctm_snapshot *back;
    ctm_file_error error = {0, NULL};
    void *bytes, *again, *attributes_back = NULL;
    size_t size, again_size, length_back = 0;
    MUST(ctm_snapshot_encode(snapshot, attributes, length, &bytes, &size) == CTM_OK);
    MUST(ctm_snapshot_decode(bytes, size, &back, &attributes_back, &length_back, &error) == CTM_OK);
    fuzz_must_be_identical(snapshot, back);
    MUST(length_back == length);
    MUST(length == 0 || memcmp(attributes, attributes_back, length) == 0);
    MUST(ctm_snapshot_encode(back, attributes_back, length_back, &again, &again_size) == CTM_OK);
    MUST(size == again_size && memcmp(bytes, again, size) == 0);
    free(bytes);
    free(again);
    free(attributes_back);
    ctm_snapshot_unref(back);
}

#endif
