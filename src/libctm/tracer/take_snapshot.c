/* tracer/take_snapshot.c: merges the tables of all shards into a snapshot.
 *
 * Model: a snapshot is flattened from one store, whose rows keep their ids (snapshot/snapshot.h). If only one shard
 * has sites, and none of them has portions (portions.h), that is its store. Otherwise it is a copy of the fullest shard's store, into which the rows of the other
 * shards are interned (tables/add_store.h). The others usually have few rows, so most of the work is copying.
 * A snapshot of a scope is made of copies, too, whose counters are the scope's, or if it has few of the sites, of these alone.
 */
#include <errno.h>
#include <unistd.h>

#include "snapshot/snapshot.h"
#include "tables/add_store.h"
#include "tracer/tracer.h"

#define FEW 8 /* one in so many sites */

/* What a snapshot is of. */
struct subject {
    struct ctm_scope *scope; /* NULL: all blocks */
    bool at_end;             /* of the scope */
};

static struct ctm_shard *fullest_shard(ctm_tracer *tracer, bool *out_alone)
{
    struct ctm_shard *fullest = &tracer->shards[0];
    uint32_t with_sites = 0;
    for (uint32_t i = 0; i < CTM_SHARDS; i++) {
        uint32_t sites = ctmi_store_site_count(&tracer->shards[i].store);
        with_sites += sites > 1;
        if (sites > ctmi_store_site_count(&fullest->store)) {
            fullest = &tracer->shards[i];
        }
    }
    *out_alone = with_sites <= 1 && !ctmi_portions_exist(&fullest->portions);
    return fullest;
}

/* A copy of the shard's store, with the portions told apart, or with the counters of a scope. */
static ctm_status copy_shard(struct subject subject, struct ctmi_store *copy,
                             const struct ctm_shard *shard)
{
    const ctm_status status = ctmi_store_copy(copy, &shard->store);
    if (status == CTM_OK && subject.scope != NULL) {
        ctmi_scope_count(subject.scope, shard, subject.at_end, copy);
        return CTM_OK;
    }
    return status == CTM_OK && ctmi_portions_exist(&shard->portions)
               ? ctmi_portions_split(shard, copy)
               : status;
}

static ctm_status add_shard(struct subject subject, struct ctmi_store *merged,
                            const struct ctm_shard *shard)
{
    struct ctmi_store copy;
    if (subject.scope == NULL && !ctmi_portions_exist(&shard->portions)) {
        return ctmi_store_add_store(merged, &shard->store);
    }
    ctmi_store_init(&copy);
    ctm_status status = copy_shard(subject, &copy, shard);
    if (status == CTM_OK) {
        status = ctmi_store_add_store(merged, &copy);
    }
    ctmi_store_free_all(&copy);
    return status;
}

/* Few of the sites are the scope's: to add them takes less time than to copy all. */
static bool is_small(const ctm_tracer *tracer, struct subject subject)
{
    uint64_t sites = 0;
    for (uint32_t i = 0; i < CTM_SHARDS; i++) {
        sites += ctmi_store_site_count(&tracer->shards[i].store);
    }
    return subject.scope != NULL && ctmi_scope_site_count(subject.scope) < sites / FEW;
}

static ctm_status add_scope(const ctm_tracer *tracer, struct subject subject,
                            struct ctmi_store *merged)
{
    ctm_status status = CTM_OK;
    for (uint32_t i = 0; i < CTM_SHARDS && status == CTM_OK; i++) {
        status = ctmi_scope_add(subject.scope, &tracer->shards[i], subject.at_end, merged);
    }
    return status;
}

/* `merged` is an empty store; the caller frees it in any case. */
static ctm_status merge_shards(const ctm_tracer *tracer, struct subject subject,
                               const struct ctm_shard *base, struct ctmi_store *merged)
{
    if (is_small(tracer, subject)) {
        return add_scope(tracer, subject, merged);
    }
    ctm_status status = copy_shard(subject, merged, base);
    for (uint32_t i = 0; i < CTM_SHARDS && status == CTM_OK; i++) {
        const struct ctm_shard *shard = &tracer->shards[i];
        if (shard != base && ctmi_store_site_count(&shard->store) > 1) {
            status = add_shard(subject, merged, shard);
        }
    }
    return status;
}

/* The world is stopped, so this thread owns the store of every shard and may intern the command in it, and the list of
 * losses does not change. */
static ctm_status finish(const ctm_tracer *tracer, bool is_of_scope, struct ctmi_store *store,
                         ctm_snapshot_info *info, struct ctm_snapshot **out)
{
    ctm_status status =
        ctmi_store_string(store, tracer->command, tracer->command_length, &info->command);
    if (status == CTM_OK) {
        status = ctmi_snapshot_from_store(store, info, &tracer->annotations.losses, out);
    }
    if (status == CTM_OK && !is_of_scope) {
        ctmi_snapshot_count_peak(*out);
    }
    return status;
}

static uint64_t peak_of(ctm_tracer *tracer, struct subject subject)
{
    ctm_totals totals;
    ctm_scope_figures figures;
    if (subject.scope != NULL) {
        ctm_scope_read(subject.scope, &figures);
        return figures.peak_bytes;
    }
    ctm_tracer_totals(tracer, &totals);
    return totals.peak_bytes;
}

static ctm_status take_stopped(ctm_tracer *tracer, struct subject subject, size_t tracer_bytes,
                               struct ctm_snapshot **out)
{
    CTMI_ASSERT_WORLD_STOPPED(tracer);
    ctm_snapshot_info info = {.nframe = ctm_tracer_nframe(tracer),
                              .sample_interval = ctmi_tracer_interval(tracer),
                              .peak_bytes = peak_of(tracer, subject),
                              .peak_known = true,
                              .tracer_bytes = tracer_bytes,
                              .taken_ns = ctmi_tracer_now(),
                              .started_ns = tracer->started_ns,
                              .pid = (uint32_t)getpid()};
    for (uint32_t i = 0; i < CTM_SHARDS; i++) {
        tracer->shards[i].store.peak_stamp = atomic_load(&tracer->peak_stamp);
    }
    bool alone;
    struct ctm_shard *base = fullest_shard(tracer, &alone);
    if (alone && subject.scope == NULL) {
        return finish(tracer, false, &base->store, &info, out);
    }
    struct ctmi_store merged;
    ctmi_store_init(&merged);
    ctm_status status = merge_shards(tracer, subject, base, &merged);
    if (status == CTM_OK) {
        status = finish(tracer, subject.scope != NULL, &merged, &info, out);
    }
    ctmi_store_free_all(&merged);
    return status;
}

/* Discards the snapshot if the tables were lost, perhaps while they were read. */
static ctm_status refuse_lost(const ctm_tracer *tracer, ctm_status status,
                              struct ctm_snapshot *snapshot)
{
    if (!atomic_load(&tracer->tables_lost)) {
        if (status == CTM_OK) {
            ctmi_snapshot_assert_sound(snapshot);
        }
        return status;
    }
    if (status == CTM_OK) {
        ctm_snapshot_unref(snapshot);
    }
    errno = EIO;
    return CTM_ERR_IO;
}

static ctm_status take(ctm_tracer *tracer, struct subject subject, struct ctm_snapshot **out)
{
    if (!ctm_tracer_is_tracing(tracer)) {
        return CTM_ERR_NOT_TRACING;
    }
    ctmi_tracer_stop_world(tracer);
    ctm_status status = take_stopped(tracer, subject, ctmi_tracer_memory_stopped(tracer), out);
    ctmi_tracer_resume_world(tracer);
    return refuse_lost(tracer, status, status == CTM_OK ? *out : NULL);
}

ctm_status ctm_tracer_snapshot(ctm_tracer *tracer, struct ctm_snapshot **out)
{
    return take(tracer, (struct subject){NULL, false}, out);
}

ctm_status ctm_scope_snapshot(ctm_scope *scope, bool at_end, struct ctm_snapshot **out)
{
    return ctm_scope_is_lost(scope) ? CTM_ERR_NOT_TRACING
                                    : take(scope->tracer, (struct subject){scope, at_end}, out);
}

ctm_status ctm_tracer_finish(ctm_tracer *tracer, struct ctm_snapshot **out)
{
    if (!ctm_tracer_is_tracing(tracer)) {
        return CTM_ERR_NOT_TRACING;
    }
    ctmi_tracer_close(tracer);
    const size_t tracer_bytes = ctmi_tracer_memory_stopped(tracer);
    atomic_store(&tracer->active, false);
    ctmi_deferred_unmap_now(ctmi_tracer_drop_map_stopped(tracer));
    ctm_status status = take_stopped(tracer, (struct subject){NULL, false}, tracer_bytes, out);
    status = refuse_lost(tracer, status, status == CTM_OK ? *out : NULL);
    ctmi_sinks_stop(tracer);
    ctmi_deferred_unmap_now(ctmi_tracer_forget_stopped(tracer, false));
    ctmi_tracer_open(tracer);
    return status;
}
