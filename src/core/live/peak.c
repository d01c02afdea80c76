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
 * Lock: peak_lock, the innermost but for the map's; never held together with that.
 */
#include "live/shard.h"

static uint64_t load(const _Atomic uint64_t *value)
{
    return atomic_load_explicit(value, memory_order_relaxed);
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

void ctm_peak_reached(struct ctm_shard *shard)
{
    ctm_tracer *tracer = shard->tracer;
    uint64_t others, limits;
    const uint64_t now = load(&shard->bytes);
    /* The common case, a heap that grows while the others have nothing to spare, needs no lock. */
    sum_others(shard, &others, &limits);
    if (others == limits && raise_peak(tracer, now + others)) {
        atomic_store_explicit(&shard->limit, now, memory_order_relaxed);
        return;
    }
    pthread_mutex_lock(&tracer->peak_lock);
    sum_others(shard, &others, &limits);
    if ((int64_t)(load(&tracer->peak_bytes) - limits - now) <= 0) {
        take_limits_back(shard);
        sum_others(shard, &others, &limits);
        (void)raise_peak(tracer, now + others);
    }
    const int64_t room = (int64_t)(load(&tracer->peak_bytes) - limits - now);
    atomic_store_explicit(&shard->limit, now + (uint64_t)(room > 0 ? room / 2 : 0),
                          memory_order_relaxed);
    pthread_mutex_unlock(&tracer->peak_lock);
}

void ctm_peak_set(struct ctm_tracer *tracer, uint64_t peak)
{
    for (uint32_t i = 0; i < CTM_SHARDS; i++) {
        struct ctm_shard *shard = &tracer->shards[i];
        atomic_store(&shard->limit, load(&shard->bytes));
    }
    atomic_store(&tracer->peak_bytes, peak);
}
