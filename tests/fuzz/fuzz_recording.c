/* fuzz_recording.c: opening bytes as a recording and asking it everything.
 *
 * Model: checksums keep random bytes away from what is behind them, so the input is taken in two ways: as it is, and with the
 * checksums of header and blocks put right. A moment's snapshot can be written and read again.
 */
#include "base/crc32c.h"
#include "formats/recording_format.h"
#include "fuzz.h"

static void repair(uint8_t *bytes, size_t size)
{
    struct ctmi_crc32c crc;
    ctmi_crc32c_init(&crc);
    if (size < CTMI_RECORDING_HEADER_SIZE) {
        return;
    }
    ctmi_put_u32(bytes + 60, ctmi_crc32c_get(&crc, bytes, 60));
    size_t at = CTMI_RECORDING_HEADER_SIZE;
    while (size - at >= CTMI_BLOCK_HEAD_SIZE) {
        const size_t left = size - at - CTMI_BLOCK_HEAD_SIZE, length = ctmi_get_u32(bytes + at);
        if (length > left) {
            return;
        }
        const uint32_t sum = ctmi_crc32c_more(&crc, ctmi_crc32c_get(&crc, bytes + at, 8),
                                              bytes + at + CTMI_BLOCK_HEAD_SIZE, length);
        ctmi_put_u32(bytes + at + 8, sum);
        at += CTMI_BLOCK_HEAD_SIZE + length;
    }
}

static void ask_series(ctm_recording *recording, size_t moments)
{
    static const ctm_place place = {.filename = "a.py", .filename_length = 4, .lineno = 1};
    static const ctm_key keys[] = {CTM_BY_FILENAME, CTM_BY_LINENO, CTM_BY_FUNCTION};
    uint64_t *sums = malloc((2 * moments + 1) * sizeof(uint64_t));
    if (sums == NULL) {
        return;
    }
    for (int i = 0; i < 3; i++) {
        if (ctm_recording_series(recording, 0, moments, keys[i], &place, 1, sums, sums + moments) !=
            CTM_OK) {
            break;
        }
    }
    free(sums);
}

static void ask(const uint8_t *bytes, size_t size)
{
    ctm_recording *recording;
    ctm_file_error error;
    if (ctm_recording_decode(bytes, size, &recording, &error) != CTM_OK) {
        return;
    }
    const size_t moments = ctm_recording_info_get(recording)->moments;
    const ctm_loss *losses;
    const uint32_t n = ctm_recording_losses(recording, &losses);
    for (uint32_t i = 0; i < n; i++) {
        if (losses[i].kind[0] == '\0' || strlen(losses[i].detail) >= CTM_LOSS_DETAIL) {
            abort();
        }
    }
    for (size_t i = moments; i-- > 0 && i + 20 > moments;) {
        ctm_snapshot *snapshot;
        const ctm_status status = ctm_recording_snapshot(recording, i, &snapshot);
        if (status == CTM_OK) {
            fuzz_must_round_trip(snapshot, NULL, 0);
            ctm_snapshot_unref(snapshot);
        } else if (status != CTM_ERR_LIMIT && status != CTM_ERR_NOMEM) {
            abort(); /* what was good when it was opened is good now */
        }
    }
    if (moments < 1000) {
        ask_series(recording, moments);
    }
    ctm_recording_free(recording);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy = fuzz_copy(data, size);
    ask(copy, size);
    repair(copy, size);
    ask(copy, size);
    free(copy);
    return 0;
}
