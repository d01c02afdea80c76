/* fuzz_stdlib.c: reading bytes as a snapshot of the standard module.
 *
 * Model: memory is part of the promise, so each input is read with a bound on it in mind: the attributes that come out are
 * checked against theirs, the engine's own limit (-rss_limit_mb) watches the rest. What comes out has to be a snapshot that can be
 * written, read again and asked.
 */
#include <stdint.h>
#include <stdlib.h>

#include "ctm/file.h"
#include "ctm/statistics.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void ask(ctm_snapshot *snapshot)
{
    static const ctm_key keys[] = {CTM_BY_FILENAME, CTM_BY_LINENO, CTM_BY_TRACEBACK};
    for (int i = 0; i < 3; i++) {
        ctm_statistics *statistics;
        if (ctm_snapshot_statistics(snapshot, keys[i], false, &statistics) == CTM_OK) {
            ctm_statistics_free(statistics);
        }
    }
}

static void read_again(const ctm_snapshot *snapshot)
{
    ctm_snapshot *again;
    void *bytes;
    size_t size;
    bool equal = false;
    if (ctm_snapshot_encode(snapshot, NULL, 0, &bytes, &size) != CTM_OK) {
        return;
    }
    if (ctm_snapshot_decode(bytes, size, &again, NULL, NULL, NULL) != CTM_OK) {
        abort();
    }
    if (ctm_snapshot_equal(snapshot, again, &equal) != CTM_OK || !equal) {
        abort();
    }
    ctm_snapshot_unref(again);
    free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ctm_snapshot *snapshot;
    void *attributes;
    size_t length;
    ctm_file_error error = {UINT64_MAX, NULL};
    const ctm_status status =
        ctm_snapshot_decode_stdlib(data, size, &snapshot, &attributes, &length, &error);
    if (status == CTM_ERR_FORMAT && (error.reason == NULL || error.offset > size)) {
        abort();
    }
    if (status != CTM_OK) {
        return 0;
    }
    if (length > 5 * size + (1u << 20)) {
        abort();
    }
    ask(snapshot);
    read_again(snapshot);
    free(attributes);
    ctm_snapshot_unref(snapshot);
    return 0;
}
