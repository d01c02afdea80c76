/* export/arrow_stream.c: ctm_snapshot_arrow, a stream of batches; see export/arrow.h.
 *
 * Model: the stream has a reference to the snapshot, and the names, which are collected once. The size of a batch is
 * limited, so that its offsets fit 32 bits and its memory is small compared with what a consumer makes of it. A
 * batch has at least one row.
 */
#include <errno.h>
#include <string.h>

#include "base/memory.h"
#include "export/arrow.h"

#define MAX_ROWS 65536u
#define MAX_FRAMES ((size_t)1 << 20)
#define MAX_PAIRS ((size_t)1 << 20)
#define MAX_TEXT ((size_t)1 << 26) /* bytes of labels; one row may have more */

/* Used by one thread at a time. */
struct stream {
    struct ctmi_arrow_source source; /* owned */
    uint32_t next;                   /* the first site that no batch has returned yet */
    const char *error;               /* static text of the last failure, or NULL */
};

/* --- the sites of a batch --- */

/* `run` with one more site. */
static struct ctmi_arrow_run run_extend(const ctm_snapshot *snapshot, struct ctmi_arrow_run run)
{
    const ctm_site *site = &snapshot->sites[run.first + run.rows];
    run.rows++;
    run.frames += snapshot->lengths[site->traceback];
    for (uint32_t set = site->labels; set != 0; set = snapshot->labels[set].parent) {
        run.pairs++;
        run.keys += ctmi_snapshot_string_length(snapshot, snapshot->labels[set].key);
        run.values += ctmi_snapshot_string_length(snapshot, snapshot->labels[set].value);
    }
    return run;
}

static bool run_small(const struct ctmi_arrow_run *run)
{
    return run->rows <= MAX_ROWS && run->frames <= MAX_FRAMES && run->pairs <= MAX_PAIRS &&
           run->keys <= MAX_TEXT && run->values <= MAX_TEXT;
}

/* The longest run from `first` on within the limits. CTM_ERR_LIMIT: the first row alone does not fit 32 bits. */
static ctm_status run_cut(const ctm_snapshot *snapshot, uint32_t first, struct ctmi_arrow_run *out)
{
    struct ctmi_arrow_run run = run_extend(snapshot, (struct ctmi_arrow_run){.first = first});
    while (run.first + run.rows <= snapshot->info.sites) {
        struct ctmi_arrow_run longer = run_extend(snapshot, run);
        if (!run_small(&longer)) {
            break;
        }
        run = longer;
    }
    *out = run;
    return run.pairs > INT32_MAX || run.keys > INT32_MAX || run.values > INT32_MAX ? CTM_ERR_LIMIT
                                                                                   : CTM_OK;
}

/* --- the callbacks --- */

static int stream_status(struct stream *stream, ctm_status status)
{
    if (status == CTM_OK) {
        stream->error = NULL;
        return 0;
    }
    stream->error = status == CTM_ERR_NOMEM ? ctm_status_text(status)
                                            : "a number or text of a site is too large for Arrow";
    return status == CTM_ERR_NOMEM ? ENOMEM : EOVERFLOW;
}

static int stream_get_schema(struct ArrowArrayStream *self, struct ArrowSchema *out)
{
    return stream_status(self->private_data, ctmi_arrow_schema(out));
}

static int stream_get_next(struct ArrowArrayStream *self, struct ArrowArray *out)
{
    struct stream *stream = self->private_data;
    const ctm_snapshot *snapshot = stream->source.snapshot;
    struct ctmi_arrow_run run;
    if (stream->next > snapshot->info.sites) {
        memset(out, 0, sizeof *out); /* a released array means the end of the stream */
        return stream_status(stream, CTM_OK);
    }
    ctm_status status = run_cut(snapshot, stream->next, &run);
    if (status == CTM_OK) {
        status = ctmi_arrow_batch(&stream->source, &run, out);
    }
    if (status == CTM_OK) {
        stream->next += run.rows;
    }
    return stream_status(stream, status);
}

static const char *stream_get_last_error(struct ArrowArrayStream *self)
{
    return ((struct stream *)self->private_data)->error;
}

static void stream_free(struct stream *stream)
{
    ctmi_arrow_names_unref(stream->source.files);
    ctmi_arrow_names_unref(stream->source.functions);
    ctm_snapshot_unref(stream->source.snapshot);
    ctmi_mem_free(stream);
}

static void stream_release(struct ArrowArrayStream *self)
{
    stream_free(self->private_data);
    self->release = NULL;
}

/* --- the stream --- */

static ctm_status find_names(const ctm_snapshot *snapshot, struct ctmi_arrow_source *source)
{
    size_t strings = (size_t)snapshot->info.strings + 1;
    unsigned char *files = ctmi_mem_alloc(2 * strings);
    if (files == NULL) {
        return CTM_ERR_NOMEM;
    }
    unsigned char *functions = files + strings;
    memset(files, 0, 2 * strings);
    for (uint32_t id = 1; id <= snapshot->info.functions; id++) {
        files[snapshot->functions[id].filename] = 1;
        functions[snapshot->functions[id].name] = snapshot->functions[id].name != 0;
    }
    ctm_status status = ctmi_arrow_names_new(snapshot, files, &source->files);
    if (status == CTM_OK) {
        status = ctmi_arrow_names_new(snapshot, functions, &source->functions);
    }
    ctmi_mem_free(files);
    return status;
}

ctm_status ctm_snapshot_arrow(ctm_snapshot *snapshot, struct ArrowArrayStream *out)
{
    struct stream *stream = ctmi_mem_alloc(sizeof *stream);
    if (stream == NULL) {
        return CTM_ERR_NOMEM;
    }
    *stream = (struct stream){.source = {.snapshot = ctm_snapshot_ref(snapshot)}, .next = 1};
    ctm_status status = find_names(snapshot, &stream->source);
    if (status != CTM_OK) {
        stream_free(stream);
        return status;
    }
    *out = (struct ArrowArrayStream){
        .get_schema = stream_get_schema,
        .get_next = stream_get_next,
        .get_last_error = stream_get_last_error,
        .release = stream_release,
        .private_data = stream,
    };
    return CTM_OK;
}
