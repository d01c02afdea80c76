/* tracer/peak.c: counts the peak of the bytes without a word that all threads write.
 *
 * Model: each shard counts what it added and subtracted, in a cache line of its own, and has a limit. The sum of all
 * limits never exceeds the peak, so the peak is not reached as long as no shard's bytes exceed its limit. A thread
 * that exceeds the limit of its shard calls ctmi_peak_reached. If a part of the peak is in no limit, the shard's
 * limit is raised by half of that part. Otherwise the limits of the other shards are lowered to their bytes; if the
 * sum then exceeds the peak, it is the new peak. So a heap that stays below its peak costs each thread a compare with
 * its own cache line, and a heap that grows is counted exactly.
 *
 * Exempt bytes (peak.h) are added to the limit of the shard that has them: the sum of all limits never exceeds the peak
 * and what is exempt. So an event need not know of them.
 *
 * There is one inexactness: a thread that adds bytes at the moment when its limit is lowered may see the new limit a
 * few nanoseconds late. The peak then lacks these bytes until the next event that adds bytes. If one thread runs at a
 * time, the peak is exact.
 *
 * Live blocks at the peak: the stamp is raised with each new peak (store.h). Long before the stamps run out, all rows
 * get the first stamp again. This is valid at the moment of a new peak, when the live blocks are the live blocks at
 * the peak.
 *
 * Lock: peak_lock. No lock is acquired while it is held, and it is never held together with the map's lock.
 */
#include "tracer/peak.h"
#include "tracer/tracer.h"

static uint64_t load(const _Atomic uint64_t *value)
{
    return atomic_load_explicit(value, memory_order_relaxed);
}

static void raise_word(_Atomic uint64_t *word, uint64_t value)
{
    uint64_t there = load(word);
    while (value > there && !atomic_compare_exchange_weak(word, &there, value)) {
    }
}

/* Called after the peak was raised; other threads may raise it at the same time. */
static void publish_raised(struct ctm_tracer *tracer, uint32_t stamp)
{
    raise_word(&tracer->published_peak->stamp, stamp);
    raise_word(&tracer->published_peak->bytes, load(&tracer->peak_bytes));
}

/* The same with the world stopped; the new values may be lower. */
static void publish(struct ctm_tracer *tracer)
{
    if (tracer->published_peak != NULL) {
        atomic_store(&tracer->published_peak->bytes, load(&tracer->peak_bytes));
        atomic_store(&tracer->published_peak->stamp, atomic_load(&tracer->peak_stamp));
    }
}

void ctmi_peak_publish_at(struct ctm_tracer *tracer, struct ctmi_published_peak *published)
{
    CTMI_ASSERT_WORLD_STOPPED(tracer);
    tracer->published_peak = published;
    publish(tracer);
}

/* Sums, modulo 2^64, over all shards but one. */
static void sum_others(const struct ctm_shard *shard, uint64_t *out_bytes, uint64_t *out_limits)
{
    *out_bytes = *out_limits = 0;
    for (uint32_t i = 0; i < CTM_SHARDS; i++) {
        const struct ctm_shard *other = &shard->tracer->shards[i];
        if (other != shard) {
            *out_bytes += load(&other->bytes);
            *out_limits += load(&other->limit);
        }
    }
}

/* Called at a new peak, when no row has changed since. */
static void restart_stamps(struct ctm_tracer *tracer)
{
    CTMI_ASSERT_WORLD_STOPPED(tracer);
    for (uint32_t i = 0; i < CTM_SHARDS; i++) {
        struct ctmi_store *store = &tracer->shards[i].store;
        for (uint32_t id = 1; id < ctmi_store_site_count(store); id++) {
            struct ctmi_site_row *row = ctmi_store_site_row(store, id);
            row->site.reserved = 0;
            atomic_store(&row->remote_since, 0);
        }
    }
    atomic_store(&tracer->peak_stamp, 1);
}

/* Called after the peak was raised through `shard`. */
static void next_stamp(struct ctm_shard *shard)
{
    struct ctm_tracer *tracer = shard->tracer;
    const uint32_t stamp = atomic_fetch_add(&tracer->peak_stamp, 1) + 1;
    CTMI_ASSERT(stamp != 0);
    if (tracer->published_peak != NULL) {
        publish_raised(tracer, stamp);
    }
    if (__builtin_expect(stamp >= tracer->peak_stamps && shard->index == 0, 0)) {
        ctmi_tracer_stop_world(tracer);
        restart_stamps(tracer);
        publish(tracer);
        ctmi_tracer_resume_world(tracer);
    }
}

/* Raises the peak to `total` less what is exempt. False: it is not lower. */
static bool raise_peak(ctm_tracer *tracer, uint64_t total)
{
    const uint64_t counted = total - load(&tracer->exempt);
    uint64_t peak = load(&tracer->peak_bytes);
    /* Signed: the sum may be below 0 for a moment, as in ctm_tracer_totals. */
    while ((int64_t)counted > (int64_t)peak) {
        if (atomic_compare_exchange_weak(&tracer->peak_bytes, &peak, counted)) {
            return true;
        }
    }
    return false;
}

/* Bytes up to the peak that are in no limit, if the shard's own limit were `now`. */
static int64_t margin_above(const struct ctm_tracer *tracer, uint64_t now, uint64_t other_limits)
{
    return (int64_t)(load(&tracer->peak_bytes) + load(&tracer->exempt) - other_limits - now);
}

static void lower_limits(struct ctm_shard *shard)
{
    CTMI_ASSERT_LOCKED(shard->tracer->peak_lock);
    for (uint32_t i = 0; i < CTM_SHARDS; i++) {
        struct ctm_shard *other = &shard->tracer->shards[i];
        if (other != shard) {
            atomic_store(&other->limit, load(&other->bytes));
        }
    }
}

void ctmi_peak_reached(struct ctm_shard *shard)
{
    ctmi_shard_assert_inside(shard);
    ctm_tracer *tracer = shard->tracer;
    uint64_t others, limits;
    const uint64_t now = load(&shard->bytes);
    /* The common case needs no lock: the heap grows, and the limits of the other shards equal their bytes. */
    sum_others(shard, &others, &limits);
    if (others == limits && raise_peak(tracer, now + others)) {
        atomic_store_explicit(&shard->limit, now, memory_order_relaxed);
        next_stamp(shard);
        return;
    }
    bool raised = false;
    ctmi_lock_acquire(&tracer->peak_lock);
    sum_others(shard, &others, &limits);
    if (margin_above(tracer, now, limits) <= 0) {
        lower_limits(shard);
        sum_others(shard, &others, &limits);
        raised = raise_peak(tracer, now + others);
    }
    const int64_t margin = margin_above(tracer, now, limits);
    atomic_store_explicit(&shard->limit, now + (uint64_t)(margin > 0 ? margin / 2 : 0),
                          memory_order_relaxed);
    ctmi_lock_release(&tracer->peak_lock);
    if (raised) {
        next_stamp(shard);
    }
}

void ctmi_peak_exempt(struct ctm_shard *shard, int64_t bytes)
{
    ctmi_shard_assert_inside(shard);
    struct ctm_tracer *tracer = shard->tracer;
    ctmi_lock_acquire(&tracer->peak_lock);
    atomic_store(&tracer->exempt, load(&tracer->exempt) + (uint64_t)bytes);
    atomic_store(&shard->limit, load(&shard->limit) + (uint64_t)bytes);
    ctmi_lock_release(&tracer->peak_lock);
}

void ctmi_peak_exempt_none(struct ctm_tracer *tracer)
{
    CTMI_ASSERT_WORLD_STOPPED(tracer);
    for (uint32_t i = 0; i < CTM_SHARDS; i++) {
        struct ctm_shard *shard = &tracer->shards[i];
        atomic_store(&shard->limit, load(&shard->bytes));
    }
    atomic_store(&tracer->exempt, 0);
    atomic_fetch_add(&tracer->exempt_round, 1);
}

/* What of `total` bytes is exempt. If others have freed some of it since, `exempt` may be more than there is. */
static uint64_t clamp_exempt(const struct ctm_tracer *tracer, uint64_t total)
{
    const uint64_t exempt = load(&tracer->exempt);
    return (int64_t)exempt < (int64_t)total ? exempt : total;
}

void ctmi_peak_set(struct ctm_tracer *tracer, uint64_t peak)
{
    CTMI_ASSERT_WORLD_STOPPED(tracer);
    uint64_t limits = 0;
    for (uint32_t i = 0; i < CTM_SHARDS; i++) {
        struct ctm_shard *shard = &tracer->shards[i];
        atomic_store(&shard->limit, load(&shard->bytes));
        limits += load(&shard->bytes);
    }
    CTMI_ASSERT(limits == peak);
    atomic_store(&tracer->peak_bytes, peak - clamp_exempt(tracer, peak));
    if (atomic_fetch_add(&tracer->peak_stamp, 1) >= tracer->peak_stamps || peak == 0) {
        restart_stamps(tracer);
    }
    publish(tracer);
}
