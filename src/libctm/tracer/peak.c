/* peak.c: the peak of the bytes, kept without a word that all threads write.
 *
 * Model: each shard counts what it added and took off, on a cache line of its own, and has a limit: as long as its
 * bytes are not above it, the peak is not reached, because the limits of all shards together are never more than the
 * peak. Whoever passes his limit comes here. If the peak has room that is in nobody's limit, he gets half of it; else the
 * limits of the others are taken back to the bytes they have; and if the sum is more than the peak, it is the new peak. So
 * a heap that stays below its peak costs each thread a compare with its own line, and one that grows is counted exactly.
 *
 * One inexactness is left: a thread that adds bytes at the very moment when its limit is taken back may see that a few
 * nanoseconds late, and the peak then misses what it added until the next event that adds bytes. With one
 * thread at a time the peak is exact.
 *
 * What lives at the peak: each time it is raised, its stamp is (store.h). Long before stamps run out all rows are
 * given the first one again, as they may be at a moment of a new peak, when what lives is what lived at the peak.
 *
 * Lock: peak_lock, the innermost but for the map's; never held together with that.
 */
#include "tracer/shard.h"

#ifndef CTM_FAULTS
#define CTMI_STAMPS 0xf0000000u
#else
#define CTMI_STAMPS 1000u /* so that tests get there */
#endif

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

/* The peak was raised; others may raise it at the same time. */
static void publish_raised(struct ctm_tracer *tracer, uint32_t stamp)
{
    raise_word(&tracer->published_peak->stamp, stamp);
    raise_word(&tracer->published_peak->bytes, load(&tracer->peak_bytes));
}

/* The same with the world stopped, when they may be lower. */
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

/* A new peak: no row has changed since. */
static void begin_stamps_anew(struct ctm_tracer *tracer)
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

/* The peak was raised through `shard`. */
static void next_stamp(struct ctm_shard *shard)
{
    struct ctm_tracer *tracer = shard->tracer;
    const uint32_t stamp = atomic_fetch_add(&tracer->peak_stamp, 1) + 1;
    if (tracer->published_peak != NULL) {
        publish_raised(tracer, stamp);
    }
    if (__builtin_expect(stamp >= CTMI_STAMPS && shard->index == 0, 0)) {
        ctmi_tracer_stop_world(tracer);
        begin_stamps_anew(tracer);
        publish(tracer);
        ctmi_tracer_resume_world(tracer);
    }
}

/* False: the peak is not lower than `total`. */
static bool raise_peak(ctm_tracer *tracer, uint64_t total)
{
    uint64_t peak = load(&tracer->peak_bytes);
    /* Signed: the sum may be below 0 for a moment, as in ctm_tracer_totals. */
    while ((int64_t)total > (int64_t)peak) {
        if (atomic_compare_exchange_weak(&tracer->peak_bytes, &peak, total)) {
            return true;
        }
    }
    return false;
}

static void take_limits_back(struct ctm_shard *shard)
{
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
    /* The common case, a heap that grows while the others have nothing to spare, needs no lock. */
    sum_others(shard, &others, &limits);
    if (others == limits && raise_peak(tracer, now + others)) {
        atomic_store_explicit(&shard->limit, now, memory_order_relaxed);
        next_stamp(shard);
        return;
    }
    bool raised = false;
    pthread_mutex_lock(&tracer->peak_lock);
    sum_others(shard, &others, &limits);
    if ((int64_t)(load(&tracer->peak_bytes) - limits - now) <= 0) {
        take_limits_back(shard);
        sum_others(shard, &others, &limits);
        raised = raise_peak(tracer, now + others);
    }
    const int64_t room = (int64_t)(load(&tracer->peak_bytes) - limits - now);
    atomic_store_explicit(&shard->limit, now + (uint64_t)(room > 0 ? room / 2 : 0),
                          memory_order_relaxed);
    pthread_mutex_unlock(&tracer->peak_lock);
    if (raised) {
        next_stamp(shard);
    }
}

void ctmi_peak_set(struct ctm_tracer *tracer, uint64_t peak)
{
    CTMI_ASSERT_WORLD_STOPPED(tracer);
    for (uint32_t i = 0; i < CTM_SHARDS; i++) {
        struct ctm_shard *shard = &tracer->shards[i];
        atomic_store(&shard->limit, load(&shard->bytes));
    }
    atomic_store(&tracer->peak_bytes, peak);
    if (atomic_fetch_add(&tracer->peak_stamp, 1) >= CTMI_STAMPS || peak == 0) {
        begin_stamps_anew(tracer);
    }
    publish(tracer);
}
