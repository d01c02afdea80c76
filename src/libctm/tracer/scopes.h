/* tracer/scopes.h: the scopes of a tracer, and which of them a site's row counts for. See ctm/scopes.h.
 *
 * Model: the portions (portions.h) of a label set that is in a scope are *scoped rows*: the reference of their site has the bit
 * CTMI_IN_SCOPE. An event of such a block, through any shard, also counts for each scope around: for the scope, and for the site
 * in that scope (ctmi_scope_site). A scoped row has pointers to these, its *levels*. So what was counted stays with the scope
 * when the row is given to another set.
 *
 * What was live at a scope's peak, or at its end, is known as in peak.h: each new peak of the scope has a stamp, and a site of
 * the scope saves its blocks before it changes, if it has not since that stamp.
 *
 * Lock: the scopes', of all fields where nothing else is said. A thread acquires it inside its shard, and no lock while it holds it.
 * An event of another block never does.
 */
#ifndef CTMI_TRACER_SCOPES_H
#define CTMI_TRACER_SCOPES_H

#include <stdbool.h>

#include "base/lock.h"
#include "ctm/labels.h"
#include "ctm/scopes.h"

/* In a site reference of the block map, and in the ids of sites that ctm_shard_labelled_site returns. */
#define CTMI_IN_SCOPE (UINT32_C(1) << 31)

struct ctm_tracer;
struct ctmi_store;

/* One site in one scope. Numbers of blocks. */
struct ctmi_scope_site {
    struct ctm_scope *scope;      /* its owner */
    struct ctmi_scope_site *next; /* in its bucket */
    uint32_t shard, site;         /* the row of the rest */
    bool has_end;                 /* the scope has ended, and the site has changed since */
    uint64_t stamp;               /* of the peak that `at_peak` is of; an older one: it is `live` */
    uint64_t live, allocated, at_peak;
    uint64_t live_at_end, allocated_at_end; /* if has_end */
};

/* A scope has its sites until it is freed, so they need no memory each. */
struct ctmi_scope_sites {
    struct ctmi_scope_sites *next;
    uint32_t n, used;
    struct ctmi_scope_site of[];
};

/* Of one scoped row, which owns it and holds the scopes. */
struct ctmi_levels {
    uint32_t n, room;
    struct ctmi_levels *next_unused; /* in the scopes' `unused` */
    struct ctmi_scope_site *of[];
};

#define CTMI_FEW_LEVELS 4u /* a row has fewer, mostly */

/* Of one shard: by site row; NULL: the row counts for no scope. */
struct ctmi_scoped_rows {
    struct ctmi_levels **levels; /* owned, each too */
    uint32_t n;
};

struct ctm_scope {
    struct ctm_tracer *tracer;         /* constant */
    struct ctm_scope *parent;          /* held; NULL: none */
    struct ctm_scope *next, *previous; /* of all of the tracer */
    uint32_t refs; /* how often it is held: by the caller, scopes, label sets, levels */
    bool is_held;  /* by the caller: else nobody can ask for its figures */
    bool is_lost;  /* the tables were emptied after it began */
    uint64_t stamp;
    ctm_scope_figures figures;
    struct ctmi_scope_sites *sites;   /* owned, each too */
    struct ctmi_scope_site **buckets; /* owned; NULL: none yet */
    uint32_t mask;                    /* number of buckets - 1 */
    uint32_t count;                   /* sites */
};

struct ctmi_scopes {
    struct ctmi_lock lock;
    struct ctm_scope *first; /* of all */
    size_t bytes;            /* of memory */
    /* Levels without a row, by their number, to be used again. Owned, each too; none if there is no scope. */
    struct ctmi_levels *unused[CTMI_FEW_LEVELS];
    uint32_t n_unused;
};

/* The scopes that a label set is in; NULL: none. */
struct ctmi_within {
    struct ctm_scope *scope, *process;
};

static inline bool ctmi_is_within(struct ctmi_within within)
{
    return within.scope != NULL || within.process != NULL;
}

void ctmi_scopes_init(struct ctmi_scopes *scopes);
/* The scopes themselves, too. No thread uses the tracer. */
void ctmi_scopes_free(struct ctm_tracer *tracer);
/* The tables are empty. World stopped. */
void ctmi_scopes_forget(struct ctm_tracer *tracer);

/* A label set is in these scopes from now on, or no more. */
void ctmi_within_hold(struct ctm_tracer *tracer, struct ctmi_within within);
void ctmi_within_release(struct ctm_tracer *tracer, struct ctmi_within within);
/* The nearest scopes around, themselves included, that somebody can ask. Exclusive side. */
struct ctmi_within ctmi_within_held(struct ctm_tracer *tracer, struct ctmi_within within);

/* Inside the shard or the world is stopped: the next three.
 *
 * From now on the row, which has no blocks, counts for these scopes, at the site `site`. CTM_ERR_NOMEM. */
CTM_NODISCARD ctm_status ctmi_scopes_join(struct ctm_shard *shard, uint32_t row, uint32_t site,
                                          struct ctmi_within within);
/* From now on the row counts for none. */
void ctmi_scopes_leave(struct ctm_shard *shard, uint32_t row);
/* From now on the row counts only for those that somebody can ask. */
void ctmi_scopes_trim(struct ctm_shard *shard, uint32_t row);

/* Events of a block at a scoped row of the shard `home`, which the caller need not be inside. bytes: that it stands for. A free is
 * counted here before it is counted at the row. */
void ctmi_scopes_allocated(struct ctm_shard *home, uint32_t row, uint64_t bytes);
void ctmi_scopes_freed(struct ctm_shard *home, uint32_t row, uint64_t bytes);

/* World stopped: the rest.
 *
 * How many sites the scope has, of all shards. */
uint32_t ctmi_scope_site_count(const struct ctm_scope *scope);
/* Adds those of this shard to a store, with the counters of the scope, at its end or now. CTM_ERR_NOMEM, CTM_ERR_LIMIT. */
CTM_NODISCARD ctm_status ctmi_scope_add(struct ctm_scope *scope, const struct ctm_shard *shard,
                                        bool at_end, struct ctmi_store *to);
/* Gives the copy of this shard's store these counters. */
void ctmi_scope_count(struct ctm_scope *scope, const struct ctm_shard *shard, bool at_end,
                      struct ctmi_store *copy);

#endif
