/* formats/recording_series.c: files, lines or functions (ctm_place) over time; see formats/recording_reader.h.
 *
 * Model: the cursor moves from tick to tick. When a site appears, its most recent frame is compared with the places,
 * and if one matches, the site is added to a list. After each tick the counters of the sites on the list are added
 * up. There are few places, and few sites match.
 */
#include <string.h>

#include "base/memory.h"
#include "base/weight.h"
#include "formats/recording_reader.h"

/* A site on the list. */
struct watched {
    uint32_t store, site, place;
};

/* Owned by one call. */
struct series {
    struct ctm_recording *recording; /* borrowed */
    ctm_key key;
    const ctm_place *places; /* borrowed */
    size_t n;
    struct watched *list; /* owned */
    size_t count, capacity;
    uint32_t seen[CTMI_RECORDING_STORES]; /* sites of each store that were compared, in this span */
    uint32_t span;                        /* 1 + the span of the list; 0: none yet */
};

static bool same_text(const struct ctmi_recorded *tables, uint32_t string, const char *text,
                      size_t length)
{
    return tables->strings[string].length == length &&
           (length == 0 ||
            memcmp(tables->bytes + tables->strings[string].offset, text, length) == 0);
}

static bool frame_is_at(const struct ctmi_recorded *tables, uint32_t frame, ctm_key key,
                        const ctm_place *place)
{
    const ctm_function *function = &tables->functions[tables->frames[frame].function];
    if (!same_text(tables, function->filename, place->filename, place->filename_length)) {
        return false;
    }
    if (key == CTM_BY_LINENO) {
        return tables->frames[frame].lineno == place->lineno;
    }
    if (key == CTM_BY_FILENAME) {
        return true;
    }
    const size_t length = place->function != NULL ? place->function_length : 0;
    return function->first_lineno == place->lineno &&
           same_text(tables, function->name, place->function, length);
}

/* Returns the index of the place that matches the site's most recent frame, or n. */
static size_t place_of(const struct series *series, const struct ctmi_recorded *tables,
                       uint32_t site)
{
    const uint32_t traceback = tables->sites[site].traceback;
    const uint32_t frame = tables->tracebacks[traceback].frame;
    size_t place = frame == 0 ? series->n : 0;
    while (place < series->n && !frame_is_at(tables, frame, series->key, &series->places[place])) {
        place++;
    }
    return place;
}

static ctm_status watch(struct series *series, uint32_t store, uint32_t site, size_t place)
{
    if (series->count == series->capacity) {
        const size_t more = series->capacity ? series->capacity * 2 : 64;
        struct watched *list = ctmi_mem_realloc(series->list, more * sizeof *list);
        if (list == NULL) {
            return CTM_ERR_NOMEM;
        }
        series->list = list;
        series->capacity = more;
    }
    series->list[series->count++] = (struct watched){store, site, (uint32_t)place};
    return CTM_OK;
}

/* Compares the sites that have appeared since the last tick. */
static ctm_status watch_new(struct series *series)
{
    const struct ctmi_cursor *cursor = &series->recording->cursor;
    if (series->span != cursor->spans) {
        memset(series->seen, 0, sizeof series->seen);
        series->count = 0;
        series->span = cursor->spans;
    }
    for (uint32_t store = 0; store < CTMI_RECORDING_STORES; store++) {
        const struct ctmi_recorded *tables = cursor->stores[store];
        uint32_t site = series->seen[store] > 0 ? series->seen[store] : 1;
        for (; tables != NULL && site < tables->counts[CTMI_TABLE_SITES]; site++) {
            const size_t place = place_of(series, tables, site);
            if (place < series->n && watch(series, store, site, place) != CTM_OK) {
                return CTM_ERR_NOMEM;
            }
        }
        series->seen[store] = site;
    }
    return CTM_OK;
}

static void add_up(const struct series *series, uint64_t *bytes, double *blocks)
{
    const struct ctmi_cursor *cursor = &series->recording->cursor;
    const uint64_t interval = cursor->span.sample_interval;
    memset(bytes, 0, series->n * sizeof *bytes);
    memset(blocks, 0, series->n * sizeof *blocks);
    for (size_t i = 0; i < series->count; i++) {
        const struct watched *at = &series->list[i];
        const ctm_site *site = &cursor->stores[at->store]->sites[at->site];
        const uint64_t live = site->allocated - site->freed;
        bytes[at->place] += live * ctmi_weighted_size(site->block_size, interval);
        blocks[at->place] += (double)live * ctmi_weight(site->block_size, interval);
    }
}

static ctm_status fill(struct series *series, size_t first, size_t count, uint64_t *out_bytes,
                       uint64_t *out_blocks, uint64_t *bytes, double *blocks)
{
    for (size_t i = 0; i < count; i++) {
        ctm_status status = ctmi_cursor_seek(series->recording, first + i);
        if (status == CTM_OK) {
            status = watch_new(series);
        }
        if (status != CTM_OK) {
            return status;
        }
        add_up(series, bytes, blocks);
        for (size_t place = 0; place < series->n; place++) {
            out_bytes[place * count + i] = bytes[place];
            out_blocks[place * count + i] = (uint64_t)(blocks[place] + 0.5);
        }
    }
    return CTM_OK;
}

ctm_status ctm_recording_series(ctm_recording *recording, size_t first, size_t count, ctm_key key,
                                const ctm_place *places, size_t n, uint64_t *out_bytes,
                                uint64_t *out_blocks)
{
    const size_t moments = recording->info.moments;
    if (first > moments || count > moments - first || n > UINT32_MAX ||
        (key != CTM_BY_FILENAME && key != CTM_BY_LINENO && key != CTM_BY_FUNCTION)) {
        return CTM_ERR_INVALID;
    }
    struct series *series = ctmi_mem_alloc(sizeof *series);
    char *sums = ctmi_mem_alloc(n * (sizeof(uint64_t) + sizeof(double)));
    ctm_status status = CTM_ERR_NOMEM;
    if (series != NULL && sums != NULL) {
        memset(series, 0, sizeof *series);
        *series = (struct series){.recording = recording, .key = key, .places = places, .n = n};
        status = fill(series, first, count, out_bytes, out_blocks, (uint64_t *)(void *)sums,
                      (double *)(void *)(sums + n * sizeof(uint64_t)));
        ctmi_mem_free(series->list);
    }
    ctmi_mem_free(series);
    ctmi_mem_free(sums);
    return status;
}
