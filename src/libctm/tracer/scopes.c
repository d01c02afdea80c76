/* tracer/scopes.c: see tracer/scopes.h. */
#include "tracer/scopes.h"

#include <string.h>

#include "base/memory.h"
#include "tables/add_store.h"
#include "tracer/tracer.h"

#define FIRST_BUCKETS 16u
#define FIRST_SITES 8u
#define MOST_SITES 128u /* at a time */
#define MOST_UNUSED 1024u

static struct ctmi_lock *lock_of(struct ctm_tracer *tracer)
{
    return &tracer->scopes.lock;
}

void ctmi_scopes_init(struct ctmi_scopes *scopes)
{
    ctmi_lock_init(&scopes->lock);
}

/* --- the sites of a scope --- */

static size_t size_of_sites(uint32_t n)
{
    return sizeof(struct ctmi_scope_sites) + n * sizeof(struct ctmi_scope_site);
}

static void free_sites(struct ctm_scope *scope)
{
    struct ctmi_scopes *scopes = &scope->tracer->scopes;
    while (scope->sites != NULL) {
        struct ctmi_scope_sites *sites = scope->sites;
        scope->sites = sites->next;
        scopes->bytes -= size_of_sites(sites->n);
        ctmi_mem_free(sites);
    }
    if (scope->buckets != NULL) {
        scopes->bytes -= ((size_t)scope->mask + 1) * sizeof(void *);
    }
    ctmi_mem_free(scope->buckets);
    scope->buckets = NULL;
    scope->mask = scope->count = 0;
}

static struct ctmi_scope_site **bucket_of(const struct ctm_scope *scope, uint32_t shard,
                                          uint32_t site)
{
    const uint64_t hash = ((uint64_t)shard << 32 | site) * 0x9E3779B97F4A7C15ull;
    return &scope->buckets[(uint32_t)(hash >> 32) & scope->mask];
}

static void put(struct ctm_scope *scope, struct ctmi_scope_site *site)
{
    struct ctmi_scope_site **bucket = bucket_of(scope, site->shard, site->site);
    site->next = *bucket;
    *bucket = site;
}

/* As many buckets as sites, at least. If memory is refused, the chains are longer. False: there are none. */
static bool grow_buckets(struct ctm_scope *scope)
{
    struct ctmi_scope_site **old = scope->buckets;
    const uint32_t n_old = old != NULL ? scope->mask + 1 : 0;
    if (old != NULL && scope->count < n_old) {
        return true;
    }
    const uint32_t n = old != NULL ? 2 * n_old : FIRST_BUCKETS;
    struct ctmi_scope_site **buckets = ctmi_mem_alloc(n * sizeof(struct ctmi_scope_site *));
    if (buckets == NULL) {
        return old != NULL;
    }
    memset(buckets, 0, n * sizeof(struct ctmi_scope_site *));
    scope->buckets = buckets;
    scope->mask = n - 1;
    scope->tracer->scopes.bytes += (n - n_old) * sizeof(struct ctmi_scope_site *);
    for (uint32_t i = 0; i < n_old; i++) {
        struct ctmi_scope_site *next;
        for (struct ctmi_scope_site *site = old[i]; site != NULL; site = next) {
            next = site->next;
            put(scope, site);
        }
    }
    ctmi_mem_free(old);
    return true;
}

/* Twice as many at a time as the last time. NULL: out of memory. */
static struct ctmi_scope_site *new_site(struct ctm_scope *scope)
{
    struct ctmi_scope_sites *sites = scope->sites;
    if (sites == NULL || sites->used == sites->n) {
        const uint32_t n = sites == NULL               ? FIRST_SITES
                           : sites->n < MOST_SITES / 2 ? 2 * sites->n
                                                       : MOST_SITES;
        sites = ctmi_mem_alloc(size_of_sites(n));
        if (sites == NULL) {
            return NULL;
        }
        sites->next = scope->sites;
        sites->n = n;
        sites->used = 0;
        scope->sites = sites;
        scope->tracer->scopes.bytes += size_of_sites(n);
    }
    return &sites->of[sites->used++];
}

/* Found or made. NULL: out of memory. */
static struct ctmi_scope_site *site_of(struct ctm_scope *scope, uint32_t shard, uint32_t site)
{
    struct ctmi_scope_site *found = scope->buckets != NULL ? *bucket_of(scope, shard, site) : NULL;
    while (found != NULL && (found->site != site || found->shard != shard)) {
        found = found->next;
    }
    if (found != NULL || !grow_buckets(scope)) {
        return found;
    }
    found = new_site(scope);
    if (found != NULL) {
        *found = (struct ctmi_scope_site){.scope = scope, .shard = shard, .site = site};
        put(scope, found);
        scope->count++;
    }
    return found;
}

/* --- levels without a row --- */

static size_t size_of_levels(uint32_t n)
{
    return sizeof(struct ctmi_levels) + n * sizeof(struct ctmi_scope_site *);
}

/* NULL: out of memory. */
static struct ctmi_levels *new_levels(struct ctmi_scopes *scopes, uint32_t n)
{
    struct ctmi_levels *levels = n < CTMI_FEW_LEVELS ? scopes->unused[n] : NULL;
    if (levels != NULL) {
        scopes->unused[n] = levels->next_unused;
        scopes->n_unused--;
        return levels;
    }
    levels = ctmi_mem_alloc(size_of_levels(n));
    if (levels != NULL) {
        levels->room = n;
        scopes->bytes += size_of_levels(n);
    }
    return levels;
}

static void free_levels(struct ctmi_scopes *scopes, struct ctmi_levels *levels)
{
    const uint32_t n = levels->room;
    if (n < CTMI_FEW_LEVELS && scopes->n_unused < MOST_UNUSED && scopes->first != NULL) {
        levels->next_unused = scopes->unused[n];
        scopes->unused[n] = levels;
        scopes->n_unused++;
    } else {
        scopes->bytes -= size_of_levels(n);
        ctmi_mem_free(levels);
    }
}

static void free_unused(struct ctmi_scopes *scopes)
{
    for (uint32_t n = 0; n < CTMI_FEW_LEVELS; n++) {
        while (scopes->unused[n] != NULL) {
            struct ctmi_levels *levels = scopes->unused[n];
            scopes->unused[n] = levels->next_unused;
            scopes->bytes -= size_of_levels(n);
            ctmi_mem_free(levels);
        }
    }
    scopes->n_unused = 0;
}

/* --- life --- */

/* Those that nobody holds any more are freed. */
static void unref(struct ctm_scope *scope)
{
    while (scope != NULL && --scope->refs == 0) {
        struct ctm_scope *parent = scope->parent;
        struct ctmi_scopes *scopes = &scope->tracer->scopes;
        CTMI_ASSERT_LOCKED(scopes->lock);
        if (scope->previous != NULL) {
            scope->previous->next = scope->next;
        } else {
            scopes->first = scope->next;
        }
        if (scope->next != NULL) {
            scope->next->previous = scope->previous;
        }
        free_sites(scope);
        scopes->bytes -= sizeof *scope;
        ctmi_mem_free(scope);
        scope = parent;
        if (scopes->first == NULL) {
            free_unused(scopes);
        }
    }
}

/* The scopes around it that nobody can ask any more are not needed. */
static void skip_unheld(struct ctm_scope *scope)
{
    while (scope->parent != NULL && !scope->parent->is_held) {
        struct ctm_scope *unheld = scope->parent;
        scope->parent = unheld->parent;
        if (scope->parent != NULL) {
            scope->parent->refs++;
        }
        unref(unheld);
    }
}

ctm_status ctm_tracer_scope_begin(ctm_tracer *tracer, ctm_scope *parent, ctm_scope **out)
{
    struct ctmi_scopes *scopes = &tracer->scopes;
    ctm_scope *scope = ctmi_mem_alloc(sizeof *scope);
    if (scope == NULL) {
        return CTM_ERR_NOMEM;
    }
    ctmi_lock_acquire(&scopes->lock);
    while (parent != NULL && (parent->figures.has_ended || !parent->is_held)) {
        parent = parent->parent;
    }
    *scope = (ctm_scope){.tracer = tracer,
                         .parent = parent,
                         .next = scopes->first,
                         .refs = 1,
                         .is_held = true,
                         .stamp = 1,
                         .figures = {.is_known = true}};
    if (parent != NULL) {
        parent->refs++;
        skip_unheld(
            parent); /* or a chain of them would grow, if each ends while the next one is open */
    }
    if (scopes->first != NULL) {
        scopes->first->previous = scope;
    }
    scopes->first = scope;
    scopes->bytes += sizeof *scope;
    ctmi_lock_release(&scopes->lock);
    *out = scope;
    return CTM_OK;
}

static void fix_figures(ctm_scope *scope)
{
    scope->figures.grown_bytes = scope->figures.live_bytes;
    scope->figures.grown_blocks = scope->figures.live_blocks;
}

void ctm_scope_end(ctm_scope *scope)
{
    ctmi_lock_acquire(lock_of(scope->tracer));
    if (!scope->figures.has_ended) {
        fix_figures(scope);
        scope->figures.has_ended = true;
    }
    ctmi_lock_release(lock_of(scope->tracer));
}

void ctm_scope_release(ctm_scope *scope)
{
    struct ctm_tracer *tracer = scope->tracer;
    ctmi_lock_acquire(lock_of(tracer));
    CTMI_ASSERT(scope->is_held);
    scope->is_held = false;
    unref(scope);
    ctmi_lock_release(lock_of(tracer));
}

void ctm_scope_read(const ctm_scope *scope, ctm_scope_figures *out)
{
    ctmi_lock_acquire(lock_of(scope->tracer));
    *out = scope->figures;
    if (!out->has_ended) {
        out->grown_bytes = out->live_bytes;
        out->grown_blocks = out->live_blocks;
    }
    ctmi_lock_release(lock_of(scope->tracer));
}

bool ctm_scope_is_lost(const ctm_scope *scope)
{
    ctmi_lock_acquire(lock_of(scope->tracer));
    const bool is_lost = scope->is_lost;
    ctmi_lock_release(lock_of(scope->tracer));
    return is_lost;
}

void ctmi_within_hold(struct ctm_tracer *tracer, struct ctmi_within within)
{
    if (ctmi_is_within(within)) {
        ctmi_lock_acquire(lock_of(tracer));
        if (within.scope != NULL) {
            within.scope->refs++;
        }
        if (within.process != NULL) {
            within.process->refs++;
        }
        ctmi_lock_release(lock_of(tracer));
    }
}

void ctmi_within_release(struct ctm_tracer *tracer, struct ctmi_within within)
{
    if (ctmi_is_within(within)) {
        ctmi_lock_acquire(lock_of(tracer));
        unref(within.scope);
        unref(within.process);
        ctmi_lock_release(lock_of(tracer));
    }
}

struct ctmi_within ctmi_within_held(struct ctm_tracer *tracer, struct ctmi_within within)
{
    if (ctmi_is_within(within)) {
        ctmi_lock_acquire(lock_of(tracer));
        while (within.scope != NULL && !within.scope->is_held) {
            within.scope = within.scope->parent;
        }
        while (within.process != NULL && !within.process->is_held) {
            within.process = within.process->parent;
        }
        ctmi_lock_release(lock_of(tracer));
    }
    return within;
}

/* --- levels --- */

/* Makes `levels` longer than `row`. False: out of memory. */
static bool reach(struct ctm_shard *shard, uint32_t row)
{
    struct ctmi_scoped_rows *rows = &shard->scoped;
    uint64_t more = rows->n != 0 ? rows->n : 64;
    while (more <= row) {
        more *= 2;
    }
    if (more == rows->n) {
        return true;
    }
    struct ctmi_levels **levels = ctmi_mem_realloc(rows->levels, (size_t)more * sizeof *levels);
    if (levels == NULL) {
        return false;
    }
    memset(levels + rows->n, 0, (size_t)(more - rows->n) * sizeof *levels);
    shard->tracer->scopes.bytes += (size_t)(more - rows->n) * sizeof *levels;
    rows->levels = levels;
    rows->n = (uint32_t)more;
    return true;
}

static struct ctmi_levels **levels_of(const struct ctm_shard *shard, uint32_t row)
{
    CTMI_ASSERT_LOCKED(shard->tracer->scopes.lock);
    return row < shard->scoped.n ? &shard->scoped.levels[row] : NULL;
}

static void drop_levels(struct ctm_shard *shard, uint32_t row)
{
    struct ctmi_levels **levels = levels_of(shard, row);
    if (levels == NULL || *levels == NULL) {
        return;
    }
    for (uint32_t i = 0; i < (*levels)->n; i++) {
        unref((*levels)->of[i]->scope);
    }
    free_levels(&shard->tracer->scopes, *levels);
    *levels = NULL;
}

static uint32_t count_held(const struct ctm_scope *scope)
{
    uint32_t n = 0;
    for (; scope != NULL; scope = scope->parent) {
        n += scope->is_held;
    }
    return n;
}

/* Adds the site's place in each of the scopes from `scope` outwards. False: out of memory. */
static bool add_levels(struct ctmi_levels *levels, struct ctm_scope *scope,
                       const struct ctm_shard *shard, uint32_t site)
{
    for (; scope != NULL; scope = scope->parent) {
        if (scope->is_held) {
            struct ctmi_scope_site *found = site_of(scope, shard->index, site);
            if (found == NULL) {
                return false;
            }
            scope->refs++;
            levels->of[levels->n++] = found;
        }
    }
    return true;
}

ctm_status ctmi_scopes_join(struct ctm_shard *shard, uint32_t row, uint32_t site,
                            struct ctmi_within within)
{
    struct ctmi_scopes *scopes = &shard->tracer->scopes;
    ctmi_lock_acquire(&scopes->lock);
    const uint32_t n = count_held(within.scope) + count_held(within.process);
    struct ctmi_levels *levels = reach(shard, row) ? new_levels(scopes, n) : NULL;
    bool is_done = levels != NULL;
    if (is_done) {
        CTMI_ASSERT(*levels_of(shard, row) == NULL);
        levels->n = 0;
        *levels_of(shard, row) = levels;
        is_done = add_levels(levels, within.scope, shard, site) &&
                  add_levels(levels, within.process, shard, site);
        if (!is_done) {
            drop_levels(shard, row);
        }
    }
    ctmi_lock_release(&scopes->lock);
    return is_done ? CTM_OK : CTM_ERR_NOMEM;
}

void ctmi_scopes_leave(struct ctm_shard *shard, uint32_t row)
{
    ctmi_lock_acquire(lock_of(shard->tracer));
    drop_levels(shard, row);
    ctmi_lock_release(lock_of(shard->tracer));
}

void ctmi_scopes_trim(struct ctm_shard *shard, uint32_t row)
{
    ctmi_lock_acquire(lock_of(shard->tracer));
    struct ctmi_levels **levels = levels_of(shard, row);
    if (levels != NULL && *levels != NULL) {
        const uint32_t n = (*levels)->n;
        uint32_t left = 0;
        for (uint32_t i = 0; i < n; i++) {
            struct ctmi_scope_site *site = (*levels)->of[i];
            if (site->scope->is_held) {
                (*levels)->of[left++] = site;
            } else {
                unref(site->scope);
            }
        }
        (*levels)->n = left;
        if (left == 0) {
            drop_levels(shard, row);
        }
    }
    ctmi_lock_release(lock_of(shard->tracer));
}

/* --- events --- */

/* Called before a site changes. */
static void save(struct ctmi_scope_site *site)
{
    const struct ctm_scope *scope = site->scope;
    if (site->stamp != scope->stamp) {
        site->at_peak = site->live;
        site->stamp = scope->stamp;
    }
    if (scope->figures.has_ended && !site->has_end) {
        site->live_at_end = site->live;
        site->allocated_at_end = site->allocated;
        site->has_end = true;
    }
}

static void count_allocated(ctm_scope_figures *figures, uint64_t *stamp, uint64_t bytes)
{
    figures->live_bytes += bytes;
    figures->live_blocks++;
    if (!figures->has_ended) {
        figures->allocated_bytes += bytes;
        figures->allocated_blocks++;
        if (figures->live_bytes > figures->peak_bytes) {
            figures->peak_bytes = figures->live_bytes;
            ++*stamp;
        }
    }
}

void ctmi_scopes_allocated(struct ctm_shard *home, uint32_t row, uint64_t bytes)
{
    ctmi_lock_acquire(lock_of(home->tracer));
    struct ctmi_levels **levels = levels_of(home, row);
    for (uint32_t i = 0; levels != NULL && *levels != NULL && i < (*levels)->n; i++) {
        struct ctmi_scope_site *site = (*levels)->of[i];
        save(site);
        site->live++;
        site->allocated++;
        count_allocated(&site->scope->figures, &site->scope->stamp, bytes);
    }
    ctmi_lock_release(lock_of(home->tracer));
}

void ctmi_scopes_freed(struct ctm_shard *home, uint32_t row, uint64_t bytes)
{
    ctmi_lock_acquire(lock_of(home->tracer));
    struct ctmi_levels **levels = levels_of(home, row);
    for (uint32_t i = 0; levels != NULL && *levels != NULL && i < (*levels)->n; i++) {
        struct ctmi_scope_site *site = (*levels)->of[i];
        CTMI_ASSERT(site->live > 0 && site->scope->figures.live_blocks > 0);
        save(site);
        site->live--;
        site->scope->figures.live_blocks--;
        site->scope->figures.live_bytes -= bytes;
    }
    ctmi_lock_release(lock_of(home->tracer));
}

/* --- for snapshots --- */

static void count_site(const struct ctmi_scope_site *site, bool at_end, ctm_site *row)
{
    const bool has_end = at_end && site->has_end;
    row->allocated = has_end ? site->allocated_at_end : site->allocated;
    row->freed = row->allocated - (has_end ? site->live_at_end : site->live);
    row->at_peak = site->stamp == site->scope->stamp ? site->at_peak : site->live;
}

void ctmi_scope_count(struct ctm_scope *scope, const struct ctm_shard *shard, bool at_end,
                      struct ctmi_store *copy)
{
    CTMI_ASSERT_WORLD_STOPPED(scope->tracer);
    for (uint32_t id = 1; id < ctmi_store_site_count(copy); id++) {
        struct ctmi_site_row *row = ctmi_store_site_row(copy, id);
        row->site.allocated = row->site.freed = row->site.at_peak = 0;
        row->site.reserved = copy->peak_stamp;
        atomic_store(&row->freed_remote, 0);
        atomic_store(&row->remote_since, 0);
    }
    ctmi_lock_acquire(lock_of(scope->tracer));
    for (uint32_t i = 0; scope->buckets != NULL && i <= scope->mask; i++) {
        for (struct ctmi_scope_site *site = scope->buckets[i]; site != NULL; site = site->next) {
            if (site->shard == shard->index) {
                count_site(site, at_end, &ctmi_store_site_row(copy, site->site)->site);
            }
        }
    }
    ctmi_lock_release(lock_of(scope->tracer));
}

uint32_t ctmi_scope_site_count(const struct ctm_scope *scope)
{
    return scope->count;
}

ctm_status ctmi_scope_add(struct ctm_scope *scope, const struct ctm_shard *shard, bool at_end,
                          struct ctmi_store *to)
{
    CTMI_ASSERT_WORLD_STOPPED(scope->tracer);
    struct ctmi_counted_site *sites = ctmi_mem_alloc(scope->count * sizeof *sites);
    uint32_t n = 0;
    if (sites == NULL) {
        return CTM_ERR_NOMEM;
    }
    for (uint32_t i = 0; scope->buckets != NULL && i <= scope->mask; i++) {
        for (struct ctmi_scope_site *site = scope->buckets[i]; site != NULL; site = site->next) {
            ctm_site row;
            if (site->shard == shard->index) {
                count_site(site, at_end, &row);
                sites[n++] =
                    (struct ctmi_counted_site){site->site, row.allocated, row.freed, row.at_peak};
            }
        }
    }
    const ctm_status status = ctmi_store_add_counted(to, &shard->store, sites, n);
    ctmi_mem_free(sites);
    return status;
}

/* --- emptying --- */

static void forget_rows(struct ctm_tracer *tracer)
{
    for (uint32_t i = 0; i < CTM_SHARDS; i++) {
        struct ctm_shard *shard = &tracer->shards[i];
        for (uint32_t row = 0; row < shard->scoped.n; row++) {
            drop_levels(shard, row);
        }
        tracer->scopes.bytes -= shard->scoped.n * sizeof *shard->scoped.levels;
        ctmi_mem_free(shard->scoped.levels);
        shard->scoped = (struct ctmi_scoped_rows){0};
    }
}

void ctmi_scopes_forget(struct ctm_tracer *tracer)
{
    ctmi_lock_acquire(&tracer->scopes.lock);
    forget_rows(tracer);
    for (struct ctm_scope *scope = tracer->scopes.first; scope != NULL; scope = scope->next) {
        free_sites(scope);
        scope->is_lost = true;
        scope->figures.is_known = scope->figures.is_known && scope->figures.has_ended;
        scope->figures.live_bytes = scope->figures.live_blocks = 0;
    }
    ctmi_lock_release(&tracer->scopes.lock);
}

void ctmi_scopes_free(struct ctm_tracer *tracer)
{
    ctmi_lock_acquire(&tracer->scopes.lock);
    forget_rows(tracer);
    while (tracer->scopes.first != NULL) {
        struct ctm_scope *scope = tracer->scopes.first;
        tracer->scopes.first = scope->next;
        free_sites(scope);
        ctmi_mem_free(scope);
    }
    free_unused(&tracer->scopes);
    ctmi_lock_release(&tracer->scopes.lock);
    ctmi_lock_destroy(&tracer->scopes.lock);
}
