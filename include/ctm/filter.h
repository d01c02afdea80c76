/* ctm/filter.h: keeping some traces of a snapshot: stdlib's Filter and DomainFilter, and one for labels.
 *
 * Model: a filter is plain data of the caller's. Snapshots are immutable: what a filter leaves is another one.
 */
#ifndef CTM_FILTER_H
#define CTM_FILTER_H

#include "ctm/snapshot.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ctm_filter {
    bool inclusive;
    bool by_filename; /* false: a DomainFilter, only `domain` counts */
    bool all_frames;  /* match any frame, not only the most recent */
    bool has_lineno;
    bool has_domain;
    int64_t lineno; /* compared if has_lineno; any value, also one that no frame can have */
    int64_t domain; /* compared if has_domain */
    /* by_filename: as Python's fnmatch, case-sensitive, with `*`, `?`, `[seq]`, `[!seq]` over code points; ".pyc" at
     * the end of pattern or filename counts as ".py". Borrowed. */
    const char *pattern;
    size_t pattern_length; /* bytes */
    /* Not NULL: only the site's value of this label counts. `pattern` must match it, with no rule for ".pyc"; a site
     * without the label does not match. NUL-terminated, borrowed. */
    const char *label;
} ctm_filter;

/* Whether `pattern` matches the whole of `name`. Both are UTF-8 (WTF-8). Any thread, no allocation. */
CTM_API bool ctm_fnmatch(const char *pattern, size_t pattern_length, const char *name,
                         size_t name_length);

/* The snapshot of the traces that pass all exclusive filters and, if there are inclusive ones, at least one of these.
 * The empty traceback matches no pattern. The caller owns *out. Its peak_bytes and tracer_bytes are not known. If n
 * is 0, it is another reference to `snapshot`. CTM_ERR_NOMEM; CTM_ERR_INVALID: a pattern is NULL and has a length. */
CTM_API CTM_NODISCARD ctm_status ctm_snapshot_filter(ctm_snapshot *snapshot,
                                                     const ctm_filter *filters, size_t n,
                                                     ctm_snapshot **out);

#ifdef __cplusplus
}
#endif
#endif
