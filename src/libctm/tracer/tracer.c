/* tracer/tracer.c: the life of a tracer, its totals, fork. See tracer.h for the model and the locks. */
#include "ctm/tracer.h"

#include <string.h>
#include <time.h>

#include "base/memory.h"
#include "base/sizes.h"
#include "base/utf8.h"
#include "tracer/peak.h"
#include "tracer/tracer.h"

/* --- life --- */
ctm_status ctm_tracer_new(ctm_tracer **out)
{
    ctm_tracer *tracer = ctmi_mem_map(sizeof *tracer);
    if (tracer == NULL) {
        return CTM_ERR_NOMEM;
    }
    atomic_store(&tracer->generation, 1);
    atomic_store(&tracer->nframe, 1);
    atomic_store(&tracer->peak_stamp, 1);
    tracer->peak_stamps = ctmi_sizes()->peak_stamps;
    for (uint32_t i = 0; i < CTM_SHARDS; i++) {
        tracer->shards[i].tracer = tracer;
        tracer->shards[i].index = i;
        pthread_mutex_init(&tracer->shards[i].lock, NULL);
        ctmi_store_init(&tracer->shards[i].store);
        ctmi_block_map_forget(tracer->shards[i].memos);
    }
    ctmi_lock_init(&tracer->peak_lock);
    ctmi_scopes_init(&tracer->scopes);
    ctmi_annotations_init(&tracer->annotations);
    ctmi_reader_barrier_init(&tracer->barrier);
    ctmi_block_map_init(&tracer->map);
    ctmi_deferred_unmap_init(&tracer->deferred_unmap);
    *out = tracer;
    return CTM_OK;
}

void ctm_tracer_free(ctm_tracer *tracer)
{
    if (tracer == NULL) {
        return;
    }
    ctmi_tracer_close(tracer);
    ctmi_sinks_stop(tracer);
    ctmi_tracer_open(tracer);
    ctmi_labels_free(&tracer->labels);
    ctmi_scopes_free(tracer);
    for (uint32_t i = 0; i < CTM_SHARDS; i++) {
        ctmi_portions_forget(&tracer->shards[i].portions);
        ctmi_store_free_all(&tracer->shards[i].store);
        pthread_mutex_destroy(&tracer->shards[i].lock);
    }
    ctmi_lock_destroy(&tracer->peak_lock);
    ctmi_lock_destroy(&tracer->barrier.lock);
    ctmi_lock_destroy(&tracer->annotations.lock);
    ctmi_mem_free(tracer->command);
    ctmi_block_map_destroy(&tracer->map);
    ctmi_deferred_unmap_destroy(&tracer->deferred_unmap);
    ctmi_mem_unmap(tracer, sizeof *tracer);
}

ctm_status ctm_tracer_set_command(ctm_tracer *tracer, const char *utf8, size_t length)
{
    char *command = NULL;
    if (ctmi_utf8_fault((const unsigned char *)utf8, length) != length) {
        return CTM_ERR_INVALID;
    }
    if (length > 0) {
        command = ctmi_mem_alloc(length);
        if (command == NULL) {
            return CTM_ERR_NOMEM;
        }
        memcpy(command, utf8, length);
    }
    ctmi_mem_free(tracer->command);
    tracer->command = command;
    tracer->command_length = length;
    return CTM_OK;
}

uint64_t ctmi_tracer_now(void)
{
    struct timespec now;
    return clock_gettime(CLOCK_REALTIME, &now) == 0
               ? (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec
               : 0;
}

struct ctmi_pending_unmap *ctmi_tracer_drop_map_stopped(ctm_tracer *tracer)
{
    CTMI_ASSERT_WORLD_STOPPED(tracer);
    for (uint32_t i = 0; i < CTM_SHARDS; i++) {
        tracer->shards[i].resizing = tracer->shards[i].reserved = 0;
        ctmi_block_map_forget(tracer->shards[i].memos);
    }
    return ctmi_block_map_empty(&tracer->map);
}

struct ctmi_pending_unmap *ctmi_tracer_forget_stopped(ctm_tracer *tracer, bool retain_pages)
{
    CTMI_ASSERT_WORLD_STOPPED(tracer);
    CTMI_ASSERT_LOCKED(tracer->barrier.lock);
    uint32_t generation = atomic_load(&tracer->generation) + 1;
    atomic_store(&tracer->generation, generation ? generation : 1);
    ctmi_sinks_before_emptying(tracer);
    for (uint32_t i = 0; i < CTM_SHARDS; i++) {
        struct ctm_shard *shard = &tracer->shards[i];
        if (retain_pages) {
            ctmi_store_clear(&shard->store);
        } else {
            ctmi_store_free_all(&shard->store);
        }
        ctmi_portions_forget(&shard->portions);
        atomic_store(&shard->bytes, 0);
        atomic_store(&shard->blocks, 0);
    }
    ctmi_labels_forget(tracer);
    ctmi_scopes_forget(tracer);
    struct ctmi_pending_unmap *pending = ctmi_tracer_drop_map_stopped(tracer);
    if (ctmi_tracer_interval(tracer) != 0) {
        memset(&tracer->page_filter, 0, sizeof tracer->page_filter);
    }
    ctmi_peak_exempt_none(tracer);
    ctmi_peak_set(tracer, 0);
    ctmi_annotations_clear(&tracer->annotations);
    atomic_store(&tracer->tables_lost, false);
    ctmi_sinks_after_emptying(tracer);
    return pending;
}

/* Also reserves map entries for resizes (events.c), because the first one needs memory. */
ctm_status ctmi_tracer_reserve_spare_stopped(struct ctm_tracer *tracer)
{
    CTMI_ASSERT_WORLD_STOPPED(tracer);
    for (uint32_t i = 0; i < CTMI_SPARE_SHARDS; i++) {
        struct ctm_shard *shard = &tracer->shards[i];
        ctm_status status = ctmi_store_reserve_spare(&shard->store);
        if (status == CTM_OK && shard->reserved == 0) {
            status = ctmi_block_map_reserve(&tracer->map, CTMI_RESERVED_AT_ONCE);
            shard->reserved = status == CTM_OK ? CTMI_RESERVED_AT_ONCE : 0;
        }
        if (status != CTM_OK) {
            return status;
        }
    }
    return CTM_OK;
}

static ctm_status start(ctm_tracer *tracer, uint32_t nframe, uint64_t sample_interval)
{
    if (nframe < 1 || nframe > CTM_MAX_NFRAME) {
        return CTM_ERR_INVALID;
    }
    if (ctm_tracer_is_tracing(tracer)) {
        return CTM_OK;
    }
    ctmi_tracer_close(tracer);
    ctmi_deferred_unmap_now(ctmi_tracer_forget_stopped(tracer, false)); /* usually nothing */
    const ctm_status status = ctmi_tracer_reserve_spare_stopped(tracer);
    if (status == CTM_OK) {
        atomic_store_explicit(&tracer->interval, sample_interval, memory_order_relaxed);
        tracer->started_ns = ctmi_tracer_now();
        ctmi_annotations_forget(&tracer->annotations);
        atomic_store(&tracer->nframe, nframe);
        atomic_store(&tracer->active, true);
    } else {
        ctmi_deferred_unmap_now(ctmi_tracer_forget_stopped(tracer, false));
    }
    ctmi_tracer_open(tracer);
    return status;
}

ctm_status ctm_tracer_start(ctm_tracer *tracer, uint32_t nframe)
{
    return start(tracer, nframe, 0);
}

ctm_status ctm_tracer_start_sampling(ctm_tracer *tracer, uint32_t nframe, uint64_t sample_interval)
{
    const bool valid = sample_interval >= 1 && sample_interval <= CTM_MAX_SAMPLE_INTERVAL;
    return valid ? start(tracer, nframe, sample_interval) : CTM_ERR_INVALID;
}

uint64_t ctm_tracer_sample_interval(const ctm_tracer *tracer)
{
    return ctmi_tracer_interval(tracer);
}

void ctm_tracer_stop(ctm_tracer *tracer)
{
    ctmi_tracer_close(tracer);
    atomic_store(&tracer->active, false);
    ctmi_sinks_stop(tracer);
    struct ctmi_pending_unmap *pending = ctmi_tracer_forget_stopped(tracer, false);
    ctmi_tracer_open(tracer);
    ctmi_deferred_unmap(&tracer->deferred_unmap, pending);
}

void ctm_tracer_clear(ctm_tracer *tracer)
{
    ctmi_tracer_close(tracer);
    struct ctmi_pending_unmap *pending = ctmi_tracer_forget_stopped(tracer, true);
    (void)!ctmi_tracer_reserve_spare_stopped(tracer); /* what was just returned to the system */
    ctmi_tracer_open(tracer);
    ctmi_deferred_unmap_now(pending); /* no helper thread starts while a program is traced */
}

/* --- queries that any thread may make --- */
bool ctm_tracer_is_tracing(const ctm_tracer *tracer)
{
    return atomic_load_explicit(&tracer->active, memory_order_acquire);
}

uint32_t ctm_tracer_nframe(const ctm_tracer *tracer)
{
    return atomic_load_explicit(&tracer->nframe, memory_order_acquire);
}

uint32_t ctm_tracer_generation(const ctm_tracer *tracer)
{
    return atomic_load_explicit(&tracer->generation, memory_order_acquire);
}

/* The sum over the shards is off by the events between the loads. It is even below 0 if a block is added after its
 * shard was read and is subtracted through a shard that is read later. */
static uint64_t clamp_negative(uint64_t sum)
{
    return sum > INT64_MAX ? 0 : sum;
}

uint64_t ctm_tracer_bytes(const ctm_tracer *tracer, uint64_t *out_peak)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < CTM_SHARDS; i++) {
        bytes += atomic_load(&tracer->shards[i].bytes);
    }
    const uint64_t current = clamp_negative(bytes), peak = atomic_load(&tracer->peak_bytes);
    *out_peak = peak > current ? peak : current;
    return current;
}

uint32_t ctm_tracer_exempt_round(const ctm_tracer *tracer)
{
    return atomic_load(&tracer->exempt_round);
}

void ctm_tracer_totals(ctm_tracer *tracer, ctm_totals *out)
{
    uint64_t blocks = 0;
    for (uint32_t i = 0; i < CTM_SHARDS; i++) {
        blocks += atomic_load(&tracer->shards[i].blocks);
    }
    out->current_bytes = ctm_tracer_bytes(tracer, &out->peak_bytes);
    out->live_blocks = clamp_negative(blocks);
}

void ctm_tracer_reset_peak(ctm_tracer *tracer)
{
    ctm_totals totals;
    ctmi_tracer_stop_world(tracer);
    ctm_tracer_totals(tracer, &totals);
    ctmi_peak_set(tracer, totals.current_bytes);
    ctmi_tracer_resume_world(tracer);
}

/* Factor 2: a snapshot may need a copy of the tables, and is itself as large. */
void ctm_tracer_set_aside(ctm_tracer *tracer, bool on)
{
    ctmi_tracer_stop_world(tracer);
    for (uint32_t i = 0; i < CTM_SHARDS; i++) {
        ctmi_store_set_aside(&tracer->shards[i].store, on ? 2 : 0);
    }
    ctmi_tracer_resume_world(tracer);
}

uint64_t ctm_tracer_unplaced(ctm_tracer *tracer)
{
    uint64_t blocks = 0;
    ctmi_tracer_stop_world(tracer);
    for (uint32_t i = 0; i < CTM_SHARDS; i++) {
        blocks += ctmi_store_unplaced_blocks(&tracer->shards[i].store);
    }
    ctmi_tracer_resume_world(tracer);
    return blocks;
}

size_t ctmi_tracer_memory_stopped(struct ctm_tracer *tracer)
{
    CTMI_ASSERT_WORLD_STOPPED(tracer);
    size_t bytes = ctmi_mem_resident(tracer, sizeof *tracer) + ctmi_block_map_bytes(&tracer->map) +
                   ctmi_sinks_memory(tracer) + ctmi_labels_memory(&tracer->labels) +
                   tracer->scopes.bytes;
    for (uint32_t i = 0; i < CTM_SHARDS; i++) {
        bytes += ctmi_store_bytes(&tracer->shards[i].store) +
                 ctmi_portions_memory(&tracer->shards[i].portions);
    }
    return bytes;
}

size_t ctm_tracer_memory(ctm_tracer *tracer)
{
    ctmi_deferred_unmap_wait(&tracer->deferred_unmap);
    ctmi_tracer_stop_world(tracer);
    size_t bytes = ctmi_tracer_memory_stopped(tracer);
    ctmi_tracer_resume_world(tracer);
    return bytes;
}

/* --- fork ---
 * With every lock held, no table is half changed, so all of them are valid in the child. The only thread of the child
 * is a copy of the thread that acquired the locks, so it may release them; no other thread waits there. */
void ctm_tracer_fork_before(ctm_tracer *tracer)
{
    ctmi_deferred_unmap_fork_before(&tracer->deferred_unmap);
    ctmi_tracer_close(tracer);
    ctmi_block_map_fork_before(&tracer->map);
    ctmi_sinks_fork_before(tracer);
    ctmi_lock_acquire(&tracer->scopes.lock);
    ctmi_lock_acquire(&tracer->annotations.lock);
}

void ctm_tracer_fork_after_parent(ctm_tracer *tracer)
{
    ctmi_lock_release(&tracer->annotations.lock);
    ctmi_lock_release(&tracer->scopes.lock);
    ctmi_sinks_fork_after_parent(tracer);
    ctmi_block_map_fork_after(&tracer->map);
    ctmi_tracer_open(tracer);
    ctmi_deferred_unmap_fork_after(&tracer->deferred_unmap);
}

void ctm_tracer_fork_after_child(ctm_tracer *tracer)
{
    ctmi_lock_release(&tracer->annotations.lock);
    ctmi_lock_release(&tracer->scopes.lock);
    ctmi_peak_exempt_none(tracer); /* the threads that would end it do not exist here */
    ctmi_sinks_fork_after_child(tracer);
    ctmi_block_map_fork_after(&tracer->map);
    ctmi_reader_barrier_open_in_child(&tracer->barrier);
    ctmi_tracer_resume_world(tracer);
    ctmi_deferred_unmap_fork_after(&tracer->deferred_unmap);
}
