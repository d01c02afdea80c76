/* sinks/recorder_read.c: reads the tables of a running tracer into the blocks of a tick.
 *
 * Model: events continue meanwhile. The row counts of a shard are read in the order from tables that refer to others
 * to tables that are referred to, so each row that a row refers to is among the rows read. Counters are read one by
 * one: each is exact at its own moment during the tick, which lasts as long as reading the sites takes (64 bytes
 * each). A thread that needs one moment for all counters stops the world (ctm_recorder_tick).
 *
 * The totals of a tick are sums over the counters that were written, so they always agree with them.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/memory.h"
#include "sinks/recorder.h"

#define ROWS_AT_ONCE 65536u /* rows in a block, which limits the memory for many rows */
#define SITES_AT_ONCE 4096u /* sites between two checks for waiting threads */

uint64_t ctmi_recorder_time(const struct ctm_recorder *recorder)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec - recorder->began;
}

/* Returns the resident bytes of the process; 0: unknown. */
static uint64_t resident_bytes(void)
{
    char text[128];
    const int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    const ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
    if (fd >= 0) {
        close(fd);
    }
    text[n > 0 ? n : 0] = '\0';
    const char *second = strchr(text, ' ');
    return second == NULL ? 0 : strtoull(second, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* --- spans --- */

static void begin_span(struct ctm_recorder *recorder, uint32_t generation, bool tracing)
{
    const ctm_recording_span span = {
        .time = ctmi_recorder_time(recorder),
        .tracing = tracing,
        .nframe = tracing ? ctm_tracer_nframe(recorder->tracer) : 0,
        .sample_interval = tracing ? ctmi_tracer_interval(recorder->tracer) : 0,
    };
    for (uint32_t i = 0; i < CTM_SHARDS; i++) {
        struct ctmi_recorded_shard *shard = &recorder->shards[i];
        for (int table = 0; table < CTMI_ROWS_TABLES; table++) {
            shard->counts[table] = 1;
        }
        ctmi_forecast_forget(&shard->forecast);
    }
    recorder->generation = generation;
    recorder->annotations_version = 0;
    recorder->tracing = tracing;
    recorder->bytes = recorder->blocks = 0;
    const size_t begin = ctmi_block_begin(&recorder->out, CTMI_BLOCK_SPAN);
    ctmi_put_span(&recorder->out, &span);
    ctmi_block_end(&recorder->out, &recorder->crc, begin);
}

/* Lets waiting threads close the barrier. False: they have emptied the tables. */
static bool yield_barrier(struct ctm_recorder *recorder)
{
    ctmi_reader_barrier_yield(&recorder->tracer->barrier);
    return ctm_tracer_generation(recorder->tracer) == recorder->generation;
}

/* --- rows --- */

static void read_counts(const struct ctmi_store *store, uint32_t *counts)
{
    for (int table = CTMI_ROWS_TABLES - 1; table >= 0; table--) {
        counts[table] = ctmi_rows_published(&store->rows[table]);
    }
}

static void put_string(struct ctmi_buffer *out, const struct ctmi_store *store, uint32_t id)
{
    size_t length;
    const char *utf8 = ctmi_store_string_row(store, id, &length);
    ctmi_put_string(out, utf8, length);
}

static void put_row(struct ctmi_buffer *out, const struct ctmi_store *store, enum ctmi_table table,
                    uint32_t id)
{
    if (table == CTMI_TABLE_STRINGS) {
        put_string(out, store, id);
    } else {
        ctmi_put_content(out, table, ctmi_store_content_row(store, table, id));
    }
}

/* Appends one block of new rows. A row is appended only after all rows that it refers to. */
static void put_rows(struct ctm_recorder *recorder, uint32_t index, const uint32_t *news)
{
    const struct ctmi_store *store = &recorder->tracer->shards[index].store;
    uint32_t *counts = recorder->shards[index].counts;
    struct ctmi_buffer *out = &recorder->out;
    const size_t begin = ctmi_block_begin(out, CTMI_BLOCK_ROWS);
    ctmi_put_rows_head(out, index, news);
    for (enum ctmi_table table = 0; table < CTMI_ROWS_TABLES; table++) {
        for (uint32_t n = news[table]; n > 0; n--) {
            put_row(out, store, table, counts[table]++);
        }
    }
    ctmi_block_end(out, &recorder->crc, begin);
}

/* False: the tables were emptied meanwhile. */
static bool read_rows(struct ctm_recorder *recorder, uint32_t index)
{
    const struct ctmi_recorded_shard *shard = &recorder->shards[index];
    uint32_t there[CTMI_ROWS_TABLES], news[CTMI_ROWS_TABLES];
    read_counts(&recorder->tracer->shards[index].store, there);
    for (;;) {
        uint32_t left = ROWS_AT_ONCE;
        for (int table = 0; table < CTMI_ROWS_TABLES; table++) {
            const uint32_t more = there[table] - shard->counts[table];
            news[table] = more < left ? more : left;
            left -= news[table];
        }
        if (left == ROWS_AT_ONCE) {
            return true;
        }
        put_rows(recorder, index, news);
        if (!yield_barrier(recorder)) {
            return false;
        }
    }
}

/* --- counters --- */

/* Reads the counters of a row that its owner changes at the same time. They are plain words, because atomic ones
 * would make events slower; a load of an aligned word is one access on every supported processor. `freed` is read
 * first: a block is counted as allocated before it can be freed, so the number of live blocks is never below 0. */
__attribute__((no_sanitize("thread"), noinline)) static struct ctmi_seen read_counters(
    struct ctmi_site_row *row)
{
    struct ctmi_seen now;
    now.freed = __atomic_load_n((uint64_t *)&row->freed_remote, __ATOMIC_ACQUIRE);
    now.freed += __atomic_load_n(&row->site.freed, __ATOMIC_ACQUIRE);
    now.allocated = __atomic_load_n(&row->site.allocated, __ATOMIC_ACQUIRE);
    return now;
}

static bool grow_seen(struct ctmi_recorded_shard *shard)
{
    const uint32_t sites = shard->counts[CTMI_TABLE_SITES];
    if (sites > shard->capacity) {
        uint64_t capacity = shard->capacity ? shard->capacity : 1024;
        while (capacity < sites) {
            capacity *= 2;
        }
        struct ctmi_seen *seen =
            ctmi_mem_realloc(shard->seen, (size_t)capacity * sizeof(struct ctmi_seen));
        if (seen == NULL) {
            return false;
        }
        shard->seen = seen;
        shard->capacity = (uint32_t)capacity;
    }
    return true;
}

/* Appends the changes of site `id` since the last tick. */
static void read_site(struct ctm_recorder *recorder, struct ctmi_changes *changes, uint32_t id)
{
    const uint32_t index = changes->store;
    struct ctmi_site_row *row = ctmi_store_site_row(&recorder->tracer->shards[index].store, id);
    struct ctmi_seen *seen = &recorder->shards[index].seen[id], now = read_counters(row);
    if (now.freed > now.allocated) { /* cannot happen, but would make the file invalid */
        now.freed = now.allocated;
    }
    const uint64_t allocated = now.allocated - seen->allocated;
    const uint64_t live = allocated - (now.freed - seen->freed); /* modulo 2^64 */
    ctmi_changes_site(changes, id, allocated, (int64_t)live);
    *seen = now;
    recorder->blocks += live;
    recorder->bytes += live * row->site.block_size;
}

/* False: the tables were emptied meanwhile. */
static bool read_sites(struct ctm_recorder *recorder, uint32_t index, uint32_t known)
{
    struct ctmi_recorded_shard *shard = &recorder->shards[index];
    const uint32_t sites = shard->counts[CTMI_TABLE_SITES];
    struct ctmi_changes changes;
    if (sites > known) {
        memset(shard->seen + known, 0, (size_t)(sites - known) * sizeof(struct ctmi_seen));
    }
    ctmi_changes_begin(&changes, &recorder->changes, &shard->forecast, index);
    for (uint32_t id = 1; id < sites; id++) {
        read_site(recorder, &changes, id);
        if (id % SITES_AT_ONCE == 0 && !yield_barrier(recorder)) {
            return false;
        }
    }
    ctmi_changes_end(&changes);
    return true;
}

/* --- a tick --- */

static void put_tick(struct ctm_recorder *recorder, uint64_t time, uint64_t peak_bytes)
{
    const ctm_moment moment = {
        .time = time,
        .bytes = recorder->bytes,
        .blocks = recorder->blocks,
        .peak_bytes = peak_bytes,
        .resident_bytes = resident_bytes(),
    };
    ctmi_put_end_of_list(&recorder->changes);
    const size_t begin = ctmi_block_begin(&recorder->out, CTMI_BLOCK_TICK);
    ctmi_put_tick_head(&recorder->out, &moment);
    ctmi_buffer_put(&recorder->out, recorder->changes.bytes, recorder->changes.length);
    ctmi_block_end(&recorder->out, &recorder->crc, begin);
    recorder->out.failed = recorder->out.failed || recorder->changes.failed;
}

/* Called inside the barrier, so that the losses are of the generation that is being read. */
static void read_annotations(struct ctm_recorder *recorder, bool tracing)
{
    struct ctmi_annotations *annotations = &recorder->tracer->annotations;
    CTMI_ASSERT_LOCKED(recorder->tracer->barrier.lock);
    ctmi_lock_acquire(&annotations->lock);
    recorder->end = annotations->end;
    const bool changed = recorder->annotations_version != annotations->version &&
                         (recorder->annotations_version != 0 || annotations->losses.n > 0);
    if (tracing && changed) {
        const size_t begin = ctmi_block_begin(&recorder->out, CTMI_BLOCK_LOSSES);
        ctmi_put_losses(&recorder->out, &annotations->losses);
        ctmi_block_end(&recorder->out, &recorder->crc, begin);
        recorder->annotations_version = annotations->version;
    }
    ctmi_lock_release(&annotations->lock);
}

/* Called inside the barrier. False: the tables were emptied meanwhile, so the caller repeats the call. */
static bool read_tables(struct ctm_recorder *recorder)
{
    CTMI_ASSERT_LOCKED(recorder->tracer->barrier.lock);
    for (uint32_t index = 0; index < CTM_SHARDS; index++) {
        struct ctmi_recorded_shard *shard = &recorder->shards[index];
        const uint32_t known = shard->counts[CTMI_TABLE_SITES];
        if (!read_rows(recorder, index)) {
            return false;
        }
        if (!grow_seen(shard)) {
            recorder->out.failed = true;
            return true;
        }
        if (!read_sites(recorder, index, known)) {
            return false;
        }
    }
    return true;
}

/* A signal handler repairs the tables of a black box whose file is cut (black_box_signal.c), but a blocked fault ends
 * the process. So SIGBUS is unblocked while the tables are read. Called inside the barrier. */
static void mask_sigbus(const ctm_tracer *tracer, int how)
{
    sigset_t fault;
    if (tracer->shards[0].store.bytes.backed.backing != NULL) {
        sigemptyset(&fault);
        sigaddset(&fault, SIGBUS);
        pthread_sigmask(how, &fault, NULL);
    }
}

bool ctmi_recorder_read(struct ctm_recorder *recorder)
{
    ctm_tracer *tracer = recorder->tracer;
    bool complete, tracing;
    uint64_t time;
    ctm_totals totals;
    ctmi_reader_barrier_enter(&tracer->barrier);
    do {
        /* At each try, because a thread that emptied the tables may have started a box. */
        mask_sigbus(tracer, SIG_UNBLOCK);
        const size_t before = recorder->out.length;
        const uint32_t generation = ctm_tracer_generation(tracer);
        tracing = ctm_tracer_is_tracing(tracer);
        if (generation != recorder->generation &&
            (tracing || recorder->tracing || recorder->generation == 0)) {
            begin_span(recorder, generation, tracing);
        }
        time = ctmi_recorder_time(recorder);
        ctmi_buffer_empty(&recorder->changes);
        complete = !tracing || read_tables(recorder);
        if (!complete) {
            recorder->out.length = before;
        }
    } while (!complete && !recorder->out.failed);
    ctm_tracer_totals(tracer, &totals);
    read_annotations(recorder, tracing);
    mask_sigbus(tracer, SIG_BLOCK);
    ctmi_reader_barrier_leave(&tracer->barrier);
    if (tracing && !recorder->out.failed) {
        put_tick(recorder, time, totals.peak_bytes);
    }
    return !recorder->out.failed;
}

size_t ctmi_recorder_memory(const struct ctm_recorder *recorder)
{
    size_t bytes = sizeof *recorder + recorder->out.capacity + recorder->changes.capacity;
    for (uint32_t i = 0; i < CTM_SHARDS; i++) {
        const struct ctmi_recorded_shard *shard = &recorder->shards[i];
        bytes += shard->capacity * sizeof(struct ctmi_seen);
        bytes += (shard->forecast.capacity + shard->forecast.next_capacity) *
                 sizeof(struct ctmi_expected);
    }
    return bytes;
}

void ctmi_recorder_free_shards(struct ctm_recorder *recorder)
{
    for (uint32_t i = 0; i < CTM_SHARDS; i++) {
        ctmi_mem_free(recorder->shards[i].seen);
        recorder->shards[i].seen = NULL;
        ctmi_forecast_free(&recorder->shards[i].forecast);
    }
}
