/* query/filter.c: stdlib's Filter and DomainFilter, and a filter by label, over the tables.
 *
 * Model: whether a site passes depends only on its domain and its traceback, and whether a traceback matches only on
 * (file, line) of its frames. So each file name is matched against the pattern once, and one pass over the
 * tracebacks finds those that match, because a parent precedes its children. Label sets form such a tree too. The
 * sites that pass are copied into a snapshot of the same tables. Time per filter: O(pattern x files + frames +
 * tracebacks + sites).
 */
#include <string.h>

#include "base/memory.h"
#include "ctm/statistics.h"
#include "snapshot/snapshot.h"

/* The length of a file name in which ".pyc" at the end counts as ".py". */
static size_t source_length(const char *name, size_t length)
{
    bool compiled = length >= 4 && memcmp(name + length - 4, ".pyc", 4) == 0;
    return compiled ? length - 1 : length;
}

enum { UNKNOWN = 2 };

/* Local to one call, which owns one block of memory with all the arrays. */
struct matcher {
    const ctm_snapshot *snapshot; /* borrowed */
    unsigned char *files;         /* by string: whether the pattern matches, or UNKNOWN */
    unsigned char *tracebacks;    /* by traceback: whether the filter's pattern matches */
    unsigned char *labels;        /* by label set: whether the filter's label matches */
    unsigned char *included;      /* by site: whether it passes some inclusive filter */
    unsigned char *excluded;      /* by site: whether it fails some exclusive filter */
};

static bool file_matches(struct matcher *matcher, const ctm_filter *filter, uint32_t file)
{
    if (matcher->files[file] == UNKNOWN) {
        size_t length;
        const char *name = ctm_snapshot_string(matcher->snapshot, file, &length);
        matcher->files[file] =
            ctm_fnmatch(filter->pattern, source_length(filter->pattern, filter->pattern_length),
                        name, source_length(name, length));
    }
    return matcher->files[file];
}

static bool frame_matches(struct matcher *matcher, const ctm_filter *filter, uint32_t frame)
{
    if (filter->has_lineno && matcher->snapshot->frames[frame].lineno != filter->lineno) {
        return false;
    }
    return file_matches(matcher, filter, ctmi_snapshot_frame_file(matcher->snapshot, frame));
}

/* Traceback 0 has no frame, so no pattern matches it. */
static void match_tracebacks(struct matcher *matcher, const ctm_filter *filter)
{
    const ctm_snapshot *snapshot = matcher->snapshot;
    memset(matcher->files, UNKNOWN, (size_t)snapshot->info.strings + 1);
    matcher->tracebacks[0] = false;
    for (uint32_t id = 1; id <= snapshot->info.tracebacks; id++) {
        const ctm_traceback *row = &snapshot->tracebacks[id];
        matcher->tracebacks[id] = (filter->all_frames && matcher->tracebacks[row->parent]) ||
                                  frame_matches(matcher, filter, row->frame);
    }
}

static void match_labels(struct matcher *matcher, const ctm_filter *filter)
{
    const ctm_snapshot *snapshot = matcher->snapshot;
    const uint32_t key = ctmi_snapshot_find_string(snapshot, filter->label);
    matcher->labels[0] = false;
    for (uint32_t set = 1; set <= snapshot->info.label_sets; set++) {
        const ctm_label *row = &snapshot->labels[set];
        size_t length;
        const char *value = ctm_snapshot_string(snapshot, row->value, &length);
        matcher->labels[set] =
            row->key == key ? ctm_fnmatch(filter->pattern, filter->pattern_length, value, length)
                            : matcher->labels[row->parent];
    }
}

static bool site_passes(const struct matcher *matcher, const ctm_filter *filter,
                        const ctm_site *site)
{
    if (filter->label != NULL) {
        return matcher->labels[site->labels] == filter->inclusive;
    }
    bool same_domain = !filter->has_domain || site->domain == filter->domain;
    if (!filter->by_filename) {
        return same_domain == filter->inclusive;
    }
    bool matches = matcher->tracebacks[site->traceback];
    return filter->inclusive ? matches && same_domain : !matches || !same_domain;
}

static void apply_filter(struct matcher *matcher, const ctm_filter *filter)
{
    const ctm_snapshot *snapshot = matcher->snapshot;
    if (filter->label != NULL) {
        match_labels(matcher, filter);
    } else if (filter->by_filename) {
        match_tracebacks(matcher, filter);
    }
    for (uint32_t id = 1; id <= snapshot->info.sites; id++) {
        bool passes = site_passes(matcher, filter, &snapshot->sites[id]);
        if (filter->inclusive) {
            matcher->included[id] |= passes;
        } else {
            matcher->excluded[id] |= !passes;
        }
    }
}

/* `passes`: by site. */
static ctm_status copy_passing(const ctm_snapshot *from, const unsigned char *passes,
                               ctm_snapshot **out)
{
    ctm_snapshot *to;
    uint32_t sites = 0, next = 1;
    for (uint32_t id = 1; id <= from->info.sites; id++) {
        sites += passes[id];
    }
    ctm_status status = ctmi_snapshot_alloc_like(from, sites, &to);
    if (status != CTM_OK) {
        return status;
    }
    to->info.peak_bytes = to->info.tracer_bytes = 0;
    for (uint32_t id = 1; id <= from->info.sites; id++) {
        if (passes[id]) {
            to->sites[next++] = from->sites[id];
        }
    }
    CTMI_ASSERT(next == sites + 1);
    status = ctmi_snapshot_seal(to);
    if (status == CTM_OK) {
        ctmi_snapshot_assert_sound(to);
        *out = to;
    } else {
        ctm_snapshot_unref(to);
    }
    return status;
}

/* Combines `included` and `excluded` into one array, `included`. */
static void decide(struct matcher *matcher, const ctm_filter *filters, size_t n)
{
    bool any_inclusive = false;
    for (size_t i = 0; i < n; i++) {
        any_inclusive |= filters[i].inclusive;
    }
    for (uint32_t id = 1; id <= matcher->snapshot->info.sites; id++) {
        matcher->included[id] = (!any_inclusive || matcher->included[id]) && !matcher->excluded[id];
    }
}

static ctm_status filters_check(const ctm_filter *filters, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if ((filters[i].by_filename || filters[i].label != NULL) && filters[i].pattern == NULL &&
            filters[i].pattern_length > 0) {
            return CTM_ERR_INVALID;
        }
    }
    return CTM_OK;
}

ctm_status ctm_snapshot_filter(ctm_snapshot *snapshot, const ctm_filter *filters, size_t n,
                               ctm_snapshot **out)
{
    const ctm_snapshot_info *info = &snapshot->info;
    size_t sites = (size_t)info->sites + 1, strings = (size_t)info->strings + 1;
    size_t tracebacks = (size_t)info->tracebacks + 1;
    ctm_status status = filters_check(filters, n);
    if (status != CTM_OK) {
        return status;
    }
    if (n == 0) {
        *out = ctm_snapshot_ref(snapshot);
        return CTM_OK;
    }
    unsigned char *memory = ctmi_mem_alloc(2 * sites + strings + tracebacks + info->label_sets + 1);
    if (memory == NULL) {
        return CTM_ERR_NOMEM;
    }
    struct matcher matcher = {
        .snapshot = snapshot,
        .included = memory,
        .excluded = memory + sites,
        .files = memory + 2 * sites,
        .tracebacks = memory + 2 * sites + strings,
        .labels = memory + 2 * sites + strings + tracebacks,
    };
    memset(memory, 0, 2 * sites);
    for (size_t i = 0; i < n; i++) {
        apply_filter(&matcher, &filters[i]);
    }
    decide(&matcher, filters, n);
    status = copy_passing(snapshot, matcher.included, out);
    ctmi_mem_free(memory);
    return status;
}
