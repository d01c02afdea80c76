/* export/arrow_batch.c: the columns of a range of sites; see export/arrow.h.
 *
 * Model: one pass over the sites fills one column. The total lengths of lists and texts are known beforehand
 * (ctmi_arrow_run), so each buffer is allocated once, at its final size.
 */
#include <string.h>

#include "base/weight.h"
#include "export/arrow.h"

/* All fields: local to one call. */
struct batch {
    const struct ctmi_arrow_source *source; /* borrowed */
    const ctm_snapshot *snapshot;           /* borrowed; the source's */
    const struct ctmi_arrow_run *run;       /* borrowed */
    const ctm_site *sites;                  /* borrowed; rows of the run */
};

static size_t bitmap_bytes(size_t bits)
{
    return (bits + 7) / 8;
}

static void set_valid(struct ArrowArray *array, size_t row)
{
    unsigned char *bitmap = ctmi_arrow_buffer(array, 0);
    bitmap[row / 8] |= (unsigned char)(1u << row % 8);
}

/* An array of `rows` numbers of `width` bytes. If nullable it has a validity bitmap, with all values null. */
static ctm_status numbers_new(size_t rows, size_t width, bool nullable,
                              struct ctmi_arrow_names *names, struct ArrowArray *out)
{
    const struct ctmi_arrow_shape shape = {
        .length = (int64_t)rows,
        .n_buffers = 2,
        .buffer_bytes = {nullable ? bitmap_bytes(rows) : 0, rows * width},
        .names = names,
    };
    return ctmi_arrow_array_new(&shape, out);
}

/* --- numbers of a site --- */

/* The number of a site that a column shows. */
static uint64_t site_number(const ctm_site *site, enum ctmi_arrow_column column)
{
    switch (column) {
    case CTMI_ARROW_BLOCK_SIZE: return site->block_size;
    case CTMI_ARROW_COUNT: return ctmi_site_live(site);
    /* This cannot overflow: sealing the snapshot has checked the total. */
    case CTMI_ARROW_SIZE: return ctmi_site_live(site) * site->block_size;
    case CTMI_ARROW_ALLOCATED: return site->allocated;
    case CTMI_ARROW_FREED: return site->freed;
    default: CTMI_ASSERT(column == CTMI_ARROW_AT_PEAK); return site->at_peak;
    }
}

static bool is_known(const ctm_snapshot_info *info, enum ctmi_arrow_column column)
{
    switch (column) {
    case CTMI_ARROW_ALLOCATED:
    case CTMI_ARROW_FREED: return info->churn_known;
    case CTMI_ARROW_AT_PEAK: return info->peak_known;
    default: return true;
    }
}

static ctm_status fill_int64(const struct batch *batch, enum ctmi_arrow_column column,
                             struct ArrowArray *out)
{
    const bool known = is_known(&batch->snapshot->info, column);
    const uint32_t rows = batch->run->rows;
    ctm_status status = numbers_new(rows, sizeof(int64_t), !known, NULL, out);
    if (status != CTM_OK || !known) {
        out->null_count = status == CTM_OK ? rows : 0;
        return status;
    }
    int64_t *numbers = ctmi_arrow_buffer(out, 1);
    for (uint32_t row = 0; row < rows; row++) {
        const uint64_t number = site_number(&batch->sites[row], column);
        if (number > INT64_MAX) {
            return CTM_ERR_LIMIT;
        }
        numbers[row] = (int64_t)number;
    }
    return CTM_OK;
}

static ctm_status fill_domain(const struct batch *batch, struct ArrowArray *out)
{
    ctm_status status = numbers_new(batch->run->rows, sizeof(uint32_t), false, NULL, out);
    if (status != CTM_OK) {
        return status;
    }
    uint32_t *numbers = ctmi_arrow_buffer(out, 1);
    for (uint32_t row = 0; row < batch->run->rows; row++) {
        numbers[row] = batch->sites[row].domain;
    }
    return CTM_OK;
}

static ctm_status fill_weight(const struct batch *batch, struct ArrowArray *out)
{
    const uint64_t interval = batch->snapshot->info.sample_interval;
    ctm_status status = numbers_new(batch->run->rows, sizeof(double), false, NULL, out);
    if (status != CTM_OK) {
        return status;
    }
    double *numbers = ctmi_arrow_buffer(out, 1);
    for (uint32_t row = 0; row < batch->run->rows; row++) {
        numbers[row] = interval != 0 ? ctmi_weight(batch->sites[row].block_size, interval) : 1.0;
    }
    return CTM_OK;
}

static ctm_status fill_total_nframe(const struct batch *batch, struct ArrowArray *out)
{
    ctm_status status = numbers_new(batch->run->rows, sizeof(int32_t), false, NULL, out);
    if (status != CTM_OK) {
        return status;
    }
    int32_t *numbers = ctmi_arrow_buffer(out, 1);
    for (uint32_t row = 0; row < batch->run->rows; row++) {
        numbers[row] = batch->snapshot->tracebacks[batch->sites[row].traceback].total_nframe;
    }
    return CTM_OK;
}

/* --- frames --- */

/* The value of a frame that a column shows; false: null. Frame 0 is no frame. */
static bool frame_value(const struct batch *batch, uint32_t frame, int column, int32_t *out)
{
    const ctm_frame *row = &batch->snapshot->frames[frame];
    const ctm_function *function = &batch->snapshot->functions[row->function];
    if (frame == 0) {
        return false;
    }
    switch (column) {
    case CTMI_ARROW_FRAME_FILENAME: *out = batch->source->files->index[function->filename]; break;
    case CTMI_ARROW_FRAME_LINENO: *out = row->lineno; break;
    default: *out = batch->source->functions->index[function->name]; break;
    }
    return column != CTMI_ARROW_FRAME_FUNCTION || function->name != 0;
}

static struct ctmi_arrow_names *frame_names(const struct batch *batch, int column)
{
    return column == CTMI_ARROW_FRAME_FILENAME   ? batch->source->files
           : column == CTMI_ARROW_FRAME_FUNCTION ? batch->source->functions
                                                 : NULL;
}

static void put_frame(const struct batch *batch, uint32_t frame, int column, size_t row,
                      struct ArrowArray *out)
{
    int32_t *numbers = ctmi_arrow_buffer(out, 1), value;
    if (!frame_value(batch, frame, column, &value)) {
        out->null_count++;
        return;
    }
    numbers[row] = value;
    if (out->buffers[0] != NULL) {
        set_valid(out, row);
    }
}

/* Fills a column with a value of the most recent frame of each site. */
static ctm_status fill_top(const struct batch *batch, int column, struct ArrowArray *out)
{
    ctm_status status =
        numbers_new(batch->run->rows, sizeof(int32_t), true, frame_names(batch, column), out);
    for (uint32_t row = 0; row < batch->run->rows && status == CTM_OK; row++) {
        uint32_t traceback = batch->sites[row].traceback;
        put_frame(batch, batch->snapshot->tracebacks[traceback].frame, column, row, out);
    }
    return status;
}

/* Fills a column with a value of each frame of each site, a site's oldest frame first. */
static ctm_status fill_frames(const struct batch *batch, int column, struct ArrowArray *out)
{
    ctm_status status =
        numbers_new(batch->run->frames, sizeof(int32_t), column == CTMI_ARROW_FRAME_FUNCTION,
                    frame_names(batch, column), out);
    size_t end = 0;
    for (uint32_t row = 0; row < batch->run->rows && status == CTM_OK; row++) {
        uint32_t traceback = batch->sites[row].traceback;
        end += batch->snapshot->lengths[traceback];
        CTMI_ASSERT(end <= batch->run->frames);
        for (size_t at = end; traceback != 0;
             traceback = batch->snapshot->tracebacks[traceback].parent) {
            put_frame(batch, batch->snapshot->tracebacks[traceback].frame, column, --at, out);
        }
    }
    CTMI_ASSERT(status != CTM_OK || end == batch->run->frames);
    return status;
}

/* A list or map with `rows` rows, whose one child has `items` rows and `columns` children of its own. */
static ctm_status nested_new(size_t rows, size_t items, int columns, struct ArrowArray *out)
{
    const struct ctmi_arrow_shape list = {
        .length = (int64_t)rows,
        .n_buffers = 2,
        .buffer_bytes = {0, (rows + 1) * sizeof(int32_t)},
        .n_children = 1,
    };
    const struct ctmi_arrow_shape item = {
        .length = (int64_t)items, .n_buffers = 1, .n_children = columns};
    ctm_status status = ctmi_arrow_array_new(&list, out);
    if (status == CTM_OK) {
        status = ctmi_arrow_array_new(&item, out->children[0]);
    }
    return status;
}

static ctm_status fill_tracebacks(const struct batch *batch, struct ArrowArray *out)
{
    ctm_status status = nested_new(batch->run->rows, batch->run->frames, 3, out);
    if (status != CTM_OK) {
        return status;
    }
    int32_t *offsets = ctmi_arrow_buffer(out, 1);
    for (uint32_t row = 0; row < batch->run->rows; row++) {
        offsets[row + 1] =
            offsets[row] + (int32_t)batch->snapshot->lengths[batch->sites[row].traceback];
    }
    for (int column = 0; column < 3 && status == CTM_OK; column++) {
        status = fill_frames(batch, column, out->children[0]->children[column]);
    }
    return status;
}

/* --- labels --- */

static ctm_status texts_new(size_t rows, size_t bytes, struct ArrowArray *out)
{
    const struct ctmi_arrow_shape shape = {
        .length = (int64_t)rows,
        .n_buffers = 3,
        .buffer_bytes = {0, (rows + 1) * sizeof(int32_t), bytes},
    };
    return ctmi_arrow_array_new(&shape, out);
}

/* Appends string `id` as row `row`; the rows before are complete. */
static void put_text(const ctm_snapshot *snapshot, uint32_t id, size_t row, struct ArrowArray *out)
{
    int32_t *offsets = ctmi_arrow_buffer(out, 1);
    char *bytes = ctmi_arrow_buffer(out, 2);
    size_t length;
    const char *text = ctm_snapshot_string(snapshot, id, &length);
    ctmi_arrow_copy_text(bytes + offsets[row], text, length);
    offsets[row + 1] = offsets[row] + (int32_t)length;
}

/* The pairs of a label set are in the order of the chain of sets, the last key first. Arrow's maps have no order. */
static ctm_status fill_labels(const struct batch *batch, struct ArrowArray *out)
{
    const ctm_snapshot *snapshot = batch->snapshot;
    ctm_status status = nested_new(batch->run->rows, batch->run->pairs, 2, out);
    if (status != CTM_OK) {
        return status;
    }
    int32_t *offsets = ctmi_arrow_buffer(out, 1);
    struct ArrowArray *keys = out->children[0]->children[0];
    struct ArrowArray *values = out->children[0]->children[1];
    status = texts_new(batch->run->pairs, batch->run->keys, keys);
    if (status == CTM_OK) {
        status = texts_new(batch->run->pairs, batch->run->values, values);
    }
    size_t at = 0;
    for (uint32_t row = 0; row < batch->run->rows && status == CTM_OK; row++) {
        for (uint32_t set = batch->sites[row].labels; set != 0; at++) {
            const ctm_label *label = &snapshot->labels[set];
            put_text(snapshot, label->key, at, keys);
            put_text(snapshot, label->value, at, values);
            set = label->parent;
        }
        offsets[row + 1] = (int32_t)at;
    }
    CTMI_ASSERT(status != CTM_OK || at == batch->run->pairs);
    CTMI_ASSERT(status != CTM_OK ||
                (size_t)((int32_t *)ctmi_arrow_buffer(keys, 1))[at] == batch->run->keys);
    CTMI_ASSERT(status != CTM_OK ||
                (size_t)((int32_t *)ctmi_arrow_buffer(values, 1))[at] == batch->run->values);
    return status;
}

/* --- batches --- */

static ctm_status fill_column(const struct batch *batch, enum ctmi_arrow_column column,
                              struct ArrowArray *out)
{
    switch (column) {
    case CTMI_ARROW_DOMAIN: return fill_domain(batch, out);
    case CTMI_ARROW_FILENAME: return fill_top(batch, CTMI_ARROW_FRAME_FILENAME, out);
    case CTMI_ARROW_LINENO: return fill_top(batch, CTMI_ARROW_FRAME_LINENO, out);
    case CTMI_ARROW_FUNCTION: return fill_top(batch, CTMI_ARROW_FRAME_FUNCTION, out);
    case CTMI_ARROW_TRACEBACK: return fill_tracebacks(batch, out);
    case CTMI_ARROW_TOTAL_NFRAME: return fill_total_nframe(batch, out);
    case CTMI_ARROW_LABELS: return fill_labels(batch, out);
    case CTMI_ARROW_WEIGHT: return fill_weight(batch, out);
    default: return fill_int64(batch, column, out);
    }
}

ctm_status ctmi_arrow_batch(const struct ctmi_arrow_source *source,
                            const struct ctmi_arrow_run *run, struct ArrowArray *out)
{
    CTMI_ASSERT(run->first >= 1 && run->rows <= source->snapshot->info.sites - run->first + 1);
    const struct batch batch = {source, source->snapshot, run,
                                &source->snapshot->sites[run->first]};
    const struct ctmi_arrow_shape shape = {
        .length = run->rows, .n_buffers = 1, .n_children = CTMI_ARROW_COLUMNS};
    struct ArrowArray array;
    ctm_status status = ctmi_arrow_array_new(&shape, &array);
    if (status != CTM_OK) {
        return status;
    }
    for (int column = 0; column < CTMI_ARROW_COLUMNS && status == CTM_OK; column++) {
        status = fill_column(&batch, (enum ctmi_arrow_column)column, array.children[column]);
    }
    if (status == CTM_OK) {
        *out = array;
    } else {
        array.release(&array);
    }
    return status;
}
