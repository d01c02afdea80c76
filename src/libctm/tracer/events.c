/* tracer/events.c: counts blocks that are allocated, freed, resized or reattributed. The hot path.
 *
 * Model: an event first does everything that can fail (finding or making the site, the map entry) and then only counts,
 * which cannot fail. The counters of a site belong to the home shard of the block, the totals to the shard of the event
 * (shard.h).
 *
 * The peak: see peak.c. With sampling, totals are in the bytes that the traced blocks stand for (base/weight.h), and
 * the addresses of the blocks in the map are added to the page filter.
 */
#include "base/weight.h"
#include "tracer/peak.h"
#include "tracer/tracer.h"

#define LIKELY(condition) __builtin_expect(!!(condition), 1)
#define UNLIKELY(condition) __builtin_expect(!!(condition), 0)

/* --- site references --- */
static inline uint32_t site_ref_of(const ctm_shard *shard, uint32_t site)
{
    CTMI_ASSERT(site != 0 && (site & ~CTMI_IN_SCOPE) <= CTMI_SITE_REF_SITE_MASK);
    return shard->index << CTMI_SITE_REF_SITE_BITS | site;
}

/* The home shard of a reference that is not plain: of another shard, or of a scoped row. */
static inline ctm_shard *home_of(const ctm_shard *shard, uint32_t site_ref)
{
    const uint32_t index = (site_ref & ~CTMI_IN_SCOPE) >> CTMI_SITE_REF_SITE_BITS;
    CTMI_ASSERT(index < CTM_SHARDS && (site_ref & CTMI_SITE_REF_SITE_MASK) != 0);
    return &shard->tracer->shards[index];
}

static inline struct ctmi_site_row *row_of(const ctm_shard *shard, uint32_t site_ref)
{
    const uint32_t index = site_ref >> CTMI_SITE_REF_SITE_BITS;
    const ctm_shard *home = LIKELY(index == shard->index) ? shard : home_of(shard, site_ref);
    return ctmi_store_site_row(&home->store, site_ref & CTMI_SITE_REF_SITE_MASK);
}

/* --- counting --- */
static inline uint64_t add(_Atomic uint64_t *counter, uint64_t amount)
{
    uint64_t now = atomic_load_explicit(counter, memory_order_relaxed) + amount;
    atomic_store_explicit(counter, now, memory_order_relaxed);
    return now;
}

static inline void total_add(ctm_shard *shard, uint64_t bytes)
{
    add(&shard->blocks, 1);
    const uint64_t now = add(&shard->bytes, bytes);
    if ((int64_t)(now - atomic_load_explicit(&shard->limit, memory_order_relaxed)) > 0) {
        ctmi_peak_reached(shard);
    }
}

static inline void total_subtract(ctm_shard *shard, uint64_t bytes)
{
    add(&shard->blocks, (uint64_t)-1);
    add(&shard->bytes, 0 - bytes);
}

static inline uint32_t current_stamp(const ctm_shard *shard)
{
    return atomic_load_explicit(&shard->tracer->peak_stamp, memory_order_relaxed);
}

/* Called before a row of this shard changes. If it has not changed since the peak, its blocks are those at the peak. */
static inline void save_peak(const ctm_shard *shard, struct ctmi_site_row *row)
{
    const uint32_t now = current_stamp(shard);
    if (row->site.reserved != now) {
        row->site.at_peak = row->site.allocated - row->site.freed;
        /* A compiler barrier: a program that is killed here leaves the two words in this order in its black box. */
        atomic_signal_fence(memory_order_seq_cst);
        row->site.reserved = now;
        atomic_signal_fence(memory_order_seq_cst);
    }
}

/* A live block is freed at a row of this shard, so it was allocated. (Rows in the file of a black box become zeros if
 * another process cuts the file; for rows that have moved from there, `tables_lost` says so.) */
static inline void assert_allocated(const ctm_shard *shard, const struct ctmi_site_row *row)
{
    CTMI_ASSERT(row->site.freed < row->site.allocated ||
                shard->store.bytes.backed.backing != NULL ||
                atomic_load(&shard->tracer->tables_lost));
    (void)shard;
    (void)row;
}

/* Counts the free of another shard's block. */
static void count_remote(const ctm_shard *shard, struct ctmi_site_row *row)
{
    const uint64_t now = current_stamp(shard);
    uint64_t since = atomic_load_explicit(&row->remote_since, memory_order_relaxed), next;
    do {
        next = since >> 32 != now ? now << 32 | 1 : since + ((uint32_t)since != UINT32_MAX);
    } while (!atomic_compare_exchange_weak(&row->remote_since, &since, next));
    atomic_fetch_add_explicit(&row->freed_remote, 1, memory_order_relaxed);
}

/* Returns the bytes that a block of the site stands for. */
static inline uint64_t weighted_size(const ctm_shard *shard, const struct ctmi_site_row *row)
{
    const uint64_t interval = ctmi_tracer_interval(shard->tracer);
    return LIKELY(interval == 0) ? row->site.block_size
                                 : ctmi_weighted_size(row->site.block_size, interval);
}

static inline void count_own(const ctm_shard *shard, struct ctmi_site_row *row)
{
    assert_allocated(shard, row);
    save_peak(shard, row);
    row->site.freed++;
}

/* A reference that is not plain. The row counts last: without blocks, it may be given to other scopes. */
static CTMI_RARE void site_freed_otherwise(const ctm_shard *shard, uint32_t site_ref,
                                           struct ctmi_site_row *row)
{
    ctm_shard *home = home_of(shard, site_ref);
    if ((site_ref & CTMI_IN_SCOPE) != 0) {
        ctmi_scopes_freed(home, site_ref & CTMI_SITE_REF_SITE_MASK, weighted_size(shard, row));
    }
    if (home == shard) {
        count_own(shard, row);
    } else {
        count_remote(shard, row);
    }
}

static inline void site_freed(const ctm_shard *shard, uint32_t site_ref, struct ctmi_site_row *row)
{
    if (LIKELY(site_ref >> CTMI_SITE_REF_SITE_BITS == shard->index)) {
        count_own(shard, row);
    } else {
        site_freed_otherwise(shard, site_ref, row);
    }
}

static inline void site_allocated(const ctm_shard *shard, struct ctmi_site_row *row)
{
    save_peak(shard, row);
    row->site.allocated++;
}

static inline void count_allocated(ctm_shard *shard, uint32_t site)
{
    struct ctmi_site_row *row = ctmi_store_site_row(&shard->store, site);
    site_allocated(shard, row);
    total_add(shard, weighted_size(shard, row));
}

/* `site` is of a scoped row. */
static CTMI_RARE void count_allocated_in_scope(ctm_shard *shard, uint32_t site)
{
    const uint32_t row = site & ~CTMI_IN_SCOPE;
    count_allocated(shard, row);
    ctmi_scopes_allocated(shard, row,
                          weighted_size(shard, ctmi_store_site_row(&shard->store, row)));
}

static inline void count_freed(ctm_shard *shard, uint32_t site_ref)
{
    struct ctmi_site_row *row = row_of(shard, site_ref);
    site_freed(shard, site_ref, row);
    total_subtract(shard, weighted_size(shard, row));
}

/* --- sampling --- */
static inline void note_address(const ctm_shard *shard, uintptr_t address)
{
    if (UNLIKELY(ctmi_tracer_interval(shard->tracer) != 0)) {
        ctmi_page_filter_add(&shard->tracer->page_filter, address);
    }
}

static inline void drop_address(const ctm_shard *shard, uintptr_t address)
{
    if (UNLIKELY(ctmi_tracer_interval(shard->tracer) != 0)) {
        ctmi_page_filter_remove(&shard->tracer->page_filter, address);
    }
}

/* --- alloc, free --- */
static inline bool is_sampling(const ctm_shard *shard)
{
    return ctmi_tracer_interval(shard->tracer) != 0;
}

/* An allocation at an address that still has a block (`old`; 0: none), or in a sampling tracer. */
static CTMI_RARE void alloc_rare(ctm_shard *shard, uintptr_t address, uint32_t site, uint32_t old)
{
    if (old != 0) {
        count_freed(shard, old);
    } else {
        note_address(shard, address);
    }
    count_allocated(shard, site);
}

/* Frees a block of another shard, or a block of a sampling tracer. */
static CTMI_RARE void free_rare(ctm_shard *shard, uintptr_t address, uint32_t site_ref)
{
    drop_address(shard, address);
    count_freed(shard, site_ref);
}

static inline ctm_status find_site(ctm_shard *shard, uint32_t domain, uint32_t traceback,
                                   uint64_t size, uint32_t labels, uint32_t *out)
{
    ctmi_shard_assert_inside(shard);
    struct ctmi_store *store = &shard->store;
    if (UNLIKELY(traceback == 0 || traceback >= ctmi_store_traceback_count(store))) {
        return CTM_ERR_INVALID;
    }
    /* ctmi_store_site begins with the same check of the hint; checking it here saves the call. */
    uint32_t last = ctmi_store_traceback_row(store, traceback)->last_site;
    if (last != 0) {
        const ctm_site *site = &ctmi_store_site_row(store, last)->site;
        if (site->block_size == size && site->domain == domain && site->labels == labels) {
            *out = last;
            return CTM_OK;
        }
    }
    return ctmi_store_site(store, domain, traceback, size, labels, out);
}

ctm_status ctm_shard_site(ctm_shard *shard, uint32_t domain, uint32_t traceback, uint64_t size,
                          uint32_t labels, uint32_t *out)
{
    return find_site(shard, domain, traceback, size, labels, out);
}

ctm_status ctm_shard_unplaced_site(ctm_shard *shard, uint32_t domain, uint64_t size, uint32_t *out)
{
    ctmi_shard_assert_inside(shard);
    return ctmi_store_unplaced_site(&shard->store, domain, size, out);
}

ctm_status ctm_shard_alloc_at(ctm_shard *shard, uint32_t domain, uintptr_t address, uint32_t site)
{
    ctmi_shard_assert_inside(shard);
    uint32_t old;
    const ctm_status status = ctmi_block_map_set(&shard->tracer->map, shard->memos, domain, address,
                                                 site_ref_of(shard, site), &old);
    if (UNLIKELY(status != CTM_OK)) {
        return status;
    }
    if (UNLIKELY(old != 0 || is_sampling(shard))) {
        alloc_rare(shard, address, site, old);
        return CTM_OK;
    }
    struct ctmi_site_row *row = ctmi_store_site_row(&shard->store, site);
    site_allocated(shard, row);
    total_add(shard, row->site.block_size);
    return CTM_OK;
}

ctm_status ctm_shard_alloc_labelled_at(ctm_shard *shard, uint32_t domain, uintptr_t address,
                                       uint32_t site)
{
    if (LIKELY((site & CTMI_IN_SCOPE) == 0)) {
        return ctm_shard_alloc_at(shard, domain, address, site);
    }
    ctmi_shard_assert_inside(shard);
    uint32_t old;
    const ctm_status status = ctmi_block_map_set(&shard->tracer->map, shard->memos, domain, address,
                                                 site_ref_of(shard, site), &old);
    if (status == CTM_OK) {
        if (old != 0) {
            count_freed(shard, old);
        } else {
            note_address(shard, address);
        }
        count_allocated_in_scope(shard, site);
    }
    return status;
}

ctm_status ctm_shard_alloc(ctm_shard *shard, uint32_t domain, uintptr_t address, uint64_t size,
                           uint32_t traceback)
{
    uint32_t site;
    const ctm_status status = find_site(shard, domain, traceback, size, 0, &site);
    return LIKELY(status == CTM_OK) ? ctm_shard_alloc_at(shard, domain, address, site) : status;
}

bool ctm_shard_free(ctm_shard *shard, uint32_t domain, uintptr_t address)
{
    ctmi_shard_assert_inside(shard);
    uint32_t site_ref = ctmi_block_map_take(&shard->tracer->map, shard->memos, domain, address);
    if (site_ref == 0) {
        return false;
    }
    if (UNLIKELY(site_ref >> CTMI_SITE_REF_SITE_BITS != shard->index || is_sampling(shard))) {
        free_rare(shard, address, site_ref);
        return true;
    }
    struct ctmi_site_row *row =
        ctmi_store_site_row(&shard->store, site_ref & CTMI_SITE_REF_SITE_MASK);
    assert_allocated(shard, row);
    save_peak(shard, row);
    row->site.freed++;
    total_subtract(shard, row->site.block_size);
    return true;
}

/* --- exempt from the peak --- */
void ctm_shard_exempt_begin(ctm_shard *shard, uint64_t size, ctm_exemption *out)
{
    ctmi_shard_assert_inside(shard);
    const uint64_t interval = ctmi_tracer_interval(shard->tracer);
    *out = (ctm_exemption){
        .before = atomic_load_explicit(&shard->bytes, memory_order_relaxed),
        .added = interval == 0 || size == 0 ? size : ctmi_weighted_size(size, interval),
    };
    ctmi_peak_exempt(shard, (int64_t)out->added);
}

int64_t ctm_shard_exempt_end(ctm_shard *shard, const ctm_exemption *begun)
{
    ctmi_shard_assert_inside(shard);
    const uint64_t now = atomic_load_explicit(&shard->bytes, memory_order_relaxed);
    const int64_t changed = (int64_t)(now - begun->before);
    ctmi_peak_exempt(shard, changed - (int64_t)begun->added);
    return changed;
}

void ctm_shard_exempt_release(ctm_shard *shard, int64_t bytes)
{
    ctmi_peak_exempt(shard, -bytes);
}

/* --- resize ---
 * Between begin and end, the old block is counted but not in the map. The shard has one reserved map entry for each
 * resize that has begun. One is enough, because either the new address or the old one is added to the map, never
 * both. (If another thread forks in between, the child has a block that is counted and cannot be freed, because the
 * resizing thread does not exist there.) */
static ctm_status reserve_entry(ctm_shard *shard)
{
    if (shard->resizing == shard->reserved) {
        ctm_status status = ctmi_block_map_reserve(&shard->tracer->map, CTMI_RESERVED_AT_ONCE);
        if (status != CTM_OK) {
            return status;
        }
        shard->reserved += CTMI_RESERVED_AT_ONCE;
    }
    shard->resizing++;
    CTMI_ASSERT(shard->resizing <= shard->reserved);
    return CTM_OK;
}

/* Stores `site_ref` at the address using the resize's reserved entry; returns the old reference. */
static inline uint32_t set_reserved(ctm_shard *shard, uint32_t domain, uintptr_t address,
                                    uint32_t site_ref)
{
    struct ctmi_block_map *map = &shard->tracer->map;
    CTMI_ASSERT(shard->resizing >= 1 && shard->resizing <= shard->reserved);
    ctmi_block_map_slot *slot = ctmi_block_map_look(map, shard->memos, domain, address);
    uint32_t old;
    if (LIKELY(slot != NULL && !ctmi_block_map_has_spilled(map))) {
        old = ctmi_block_map_put(slot, site_ref);
    } else {
        bool used;
        old = ctmi_block_map_set_reserved(map, domain, address, site_ref, &used);
        shard->reserved -= used;
    }
    shard->resizing--;
    if (old == 0) {
        note_address(shard, address);
    }
    return old;
}

ctm_status ctm_shard_resize_begin_at(ctm_shard *shard, uint32_t domain, uintptr_t old_address,
                                     uint32_t site, ctm_resize *out)
{
    ctmi_shard_assert_inside(shard);
    const ctm_status status = reserve_entry(shard);
    if (status != CTM_OK) {
        return status;
    }
    *out = (ctm_resize){
        .old_address = old_address,
        .domain = domain,
        .old_site_ref = old_address ? ctmi_block_map_take(&shard->tracer->map, shard->memos, domain,
                                                          old_address)
                                    : 0,
        .new_site = site,
        .generation = ctm_tracer_generation(shard->tracer),
    };
    if (out->old_site_ref != 0) {
        drop_address(shard, old_address);
    }
    return CTM_OK;
}

ctm_status ctm_shard_resize_begin(ctm_shard *shard, uint32_t domain, uintptr_t old_address,
                                  uint64_t new_size, uint32_t traceback, ctm_resize *out)
{
    uint32_t site;
    const ctm_status status = find_site(shard, domain, traceback, new_size, 0, &site);
    return status == CTM_OK ? ctm_shard_resize_begin_at(shard, domain, old_address, site, out)
                            : status;
}

void ctm_shard_resize_commit(ctm_shard *shard, const ctm_resize *resize, uintptr_t new_address)
{
    ctmi_shard_assert_inside(shard);
    if (resize->generation != ctm_tracer_generation(shard->tracer)) {
        return;
    }
    uint32_t stale = 0;
    if (resize->new_site != 0) {
        stale =
            set_reserved(shard, resize->domain, new_address, site_ref_of(shard, resize->new_site));
    } else {
        CTMI_ASSERT(shard->resizing >= 1);
        shard->resizing--;
    }
    /* First subtract, then add: the peak never includes both the old and the new block. */
    if (resize->old_site_ref != 0) {
        count_freed(shard, resize->old_site_ref);
    }
    if (stale != 0) {
        count_freed(shard, stale);
    }
    /* One compare for the common case: CTMI_IN_SCOPE is the sign. */
    if (LIKELY((int32_t)resize->new_site > 0)) {
        count_allocated(shard, resize->new_site);
    } else if (resize->new_site != 0) {
        count_allocated_in_scope(shard, resize->new_site);
    }
}

void ctm_shard_resize_abort(ctm_shard *shard, const ctm_resize *resize)
{
    ctmi_shard_assert_inside(shard);
    if (resize->generation != ctm_tracer_generation(shard->tracer)) {
        return;
    }
    if (resize->old_site_ref == 0) {
        CTMI_ASSERT(shard->resizing >= 1);
        shard->resizing--;
        return;
    }
    uint32_t stale = set_reserved(shard, resize->domain, resize->old_address, resize->old_site_ref);
    if (stale != 0) {
        count_freed(shard, stale);
    }
}

/* --- reattribute, find --- */
bool ctm_shard_seek(ctm_shard *shard, uint32_t domain, uintptr_t address, ctm_found *out)
{
    ctmi_shard_assert_inside(shard);
    out->site_ref =
        ctmi_block_map_seek(&shard->tracer->map, shard->memos, domain, address, &out->slot);
    out->address = address;
    out->domain = domain;
    return out->site_ref != 0;
}

uint64_t ctm_shard_found_size(const ctm_shard *shard, const ctm_found *found)
{
    return row_of(shard, found->site_ref)->site.block_size;
}

/* The totals do not change: the numbers of bytes and blocks are the same. */
void ctm_shard_reattribute_at(ctm_shard *shard, const ctm_found *found, uint32_t site)
{
    ctmi_shard_assert_inside(shard);
    const uint32_t site_ref = site_ref_of(shard, site);
    site_freed(shard, found->site_ref, row_of(shard, found->site_ref));
    site_allocated(shard, ctmi_store_site_row(&shard->store, site));
    ctmi_block_map_replace(&shard->tracer->map, found->domain, found->address, site_ref,
                           found->slot);
}

void ctm_shard_reattribute_labelled_at(ctm_shard *shard, const ctm_found *found, uint32_t site)
{
    const uint32_t id = site & ~CTMI_IN_SCOPE;
    if (LIKELY(id == site)) {
        ctm_shard_reattribute_at(shard, found, site);
        return;
    }
    ctmi_shard_assert_inside(shard);
    struct ctmi_site_row *row = ctmi_store_site_row(&shard->store, id);
    site_freed(shard, found->site_ref, row_of(shard, found->site_ref));
    site_allocated(shard, row);
    ctmi_scopes_allocated(shard, id, weighted_size(shard, row));
    ctmi_block_map_replace(&shard->tracer->map, found->domain, found->address,
                           site_ref_of(shard, site), found->slot);
}

ctm_status ctm_shard_reattribute(ctm_shard *shard, uint32_t domain, uintptr_t address,
                                 uint32_t traceback)
{
    ctm_found found;
    uint32_t site;
    if (!ctm_shard_seek(shard, domain, address, &found)) {
        return CTM_ERR_NOT_FOUND;
    }
    const ctm_status status =
        find_site(shard, domain, traceback, ctm_shard_found_size(shard, &found), 0, &site);
    if (status == CTM_OK) {
        ctm_shard_reattribute_at(shard, &found, site);
    }
    return status;
}

ctm_status ctm_shard_find(ctm_shard *shard, uint32_t domain, uintptr_t address, ctm_block *out)
{
    uint32_t site_ref = ctmi_block_map_get(&shard->tracer->map, domain, address);
    if (site_ref == 0) {
        return CTM_ERR_NOT_FOUND;
    }
    const ctm_site *site = &row_of(shard, site_ref)->site;
    *out = (ctm_block){
        .size = site->block_size,
        .domain = site->domain,
        .shard = home_of(shard, site_ref)->index,
        .traceback = site->traceback,
    };
    return CTM_OK;
}
