/* bench_core.c: nanoseconds per event of the C core, without Python. An event pair is one allocation and one free.
 *
 * Model: measured by the number of live blocks (the block map), the number of sites (the tables) and the depth of
 * the traceback (which makes no difference, because a traceback is one row id here), then with two threads in the
 * shards with locks. The result is the best of several short rounds, printed as a Markdown table. Build:
 * benchmarks/core/run.sh.
 */
#include "ctm/ctm.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define ROUNDS 15
#define EVENTS 100000u
#define REQUIRE(condition)                                                    \
    do {                                                                      \
        if (!(condition)) {                                                   \
            fprintf(stderr, "line %d: %s is not so\n", __LINE__, #condition); \
            exit(1);                                                          \
        }                                                                     \
    } while (0)

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* Makes n tracebacks of `depth` frames, which differ in the innermost frame. */
static uint32_t *make_tracebacks(ctm_shard *shard, uint32_t n, uint32_t depth)
{
    uint32_t *tracebacks = malloc(n * sizeof *tracebacks), filename, function, frame, parent = 0;
    REQUIRE(tracebacks != NULL);
    REQUIRE(ctm_shard_string(shard, "file.c", 6, &filename) == CTM_OK);
    REQUIRE(ctm_shard_function(shard, filename, filename, 1, &function) == CTM_OK);
    for (uint32_t level = 1; level < depth; level++) {
        REQUIRE(ctm_shard_frame(shard, function, (int32_t)level, &frame) == CTM_OK);
        REQUIRE(ctm_shard_traceback(shard, parent, frame, (int32_t)level, &parent) == CTM_OK);
    }
    for (uint32_t i = 0; i < n; i++) {
        REQUIRE(ctm_shard_frame(shard, function, (int32_t)(100000 + i), &frame) == CTM_OK);
        REQUIRE(ctm_shard_traceback(shard, parent, frame, (int32_t)depth, &tracebacks[i]) ==
                CTM_OK);
    }
    return tracebacks;
}

/* Nanoseconds of one allocation and one free, with `live` blocks of 64 bytes. From a random block on, `run`
 * neighbours are freed and allocated again: an allocator with pools reuses neighbours; a run of 1 is the worst case. */
static double time_pairs(uint32_t live, uint32_t sites, uint32_t depth, uint32_t run)
{
    ctm_tracer *tracer;
    REQUIRE(ctm_tracer_new(&tracer) == CTM_OK && ctm_tracer_start(tracer, 1) == CTM_OK);
    ctm_shard *shard = ctm_shard_enter(tracer, 0);
    uint32_t *tracebacks = make_tracebacks(shard, sites, depth);
    const uintptr_t base = 0x7f0000000000;
    for (uint32_t i = 0; i < live; i++) {
        REQUIRE(ctm_shard_alloc(shard, 0, base + i * 64ull, 64, tracebacks[i % sites]) == CTM_OK);
    }
    double best = 1e18;
    uint64_t random = 88172645463325252ull;
    uint32_t block = 0;
    for (int round = 0; round < ROUNDS; round++) {
        const double start = now();
        for (uint32_t i = 0; i < EVENTS; i++) { /* free a block, allocate another at its address */
            block = i % run == 0 ? (uint32_t)(next_random(&random) % live) : (block + 1) % live;
            const uintptr_t address = base + block * 64ull;
            (void)ctm_shard_free(shard, 0, address);
            (void)!ctm_shard_alloc(shard, 0, address, 64, tracebacks[(random + i) % sites]);
        }
        const double each = (now() - start) / EVENTS;
        best = each < best ? each : best;
    }
    ctm_shard_leave(shard);
    free(tracebacks);
    ctm_tracer_free(tracer);
    return best;
}

/* --- threads --- */
typedef struct worker {
    ctm_tracer *tracer;
    uint32_t shard;
    pthread_barrier_t *barrier;
} worker;

static void *work(void *argument)
{
    const worker *self = argument;
    ctm_shard *shard = ctm_shard_enter(self->tracer, self->shard);
    uint32_t *tracebacks = make_tracebacks(shard, 64, 10);
    ctm_shard_leave(shard);
    const uintptr_t base = 0x7f0000000000 + ((uintptr_t)self->shard << 32);
    pthread_barrier_wait(self->barrier);
    for (uint32_t i = 0; i < 20 * EVENTS; i++) {
        const uintptr_t address = base + i % 4096 * 64ull;
        shard = ctm_shard_enter(self->tracer, self->shard);
        (void)!ctm_shard_alloc(shard, 0, address, 64, tracebacks[i % 64]);
        ctm_shard_leave(shard);
        shard = ctm_shard_enter(self->tracer, self->shard);
        (void)ctm_shard_free(shard, 0, address);
        ctm_shard_leave(shard);
    }
    pthread_barrier_wait(self->barrier);
    free(tracebacks);
    return NULL;
}

/* Millions of pairs per second of n threads, each of which uses a shard with a lock. */
static double time_threads(uint32_t n)
{
    double best = 0;
    for (int round = 0; round < 5; round++) {
        ctm_tracer *tracer;
        pthread_t threads[4];
        worker workers[4];
        pthread_barrier_t barrier;
        REQUIRE(n <= 4 && ctm_tracer_new(&tracer) == CTM_OK &&
                ctm_tracer_start(tracer, 1) == CTM_OK);
        pthread_barrier_init(&barrier, NULL, n + 1);
        for (uint32_t i = 0; i < n; i++) {
            workers[i] = (worker){tracer, i + 1, &barrier};
            REQUIRE(pthread_create(&threads[i], NULL, work, &workers[i]) == 0);
        }
        pthread_barrier_wait(&barrier);
        const double start = now();
        pthread_barrier_wait(&barrier);
        const double rate = n * 20.0 * EVENTS / (now() - start) * 1e3;
        for (uint32_t i = 0; i < n; i++) {
            pthread_join(threads[i], NULL);
        }
        pthread_barrier_destroy(&barrier);
        ctm_tracer_free(tracer);
        best = rate > best ? rate : best;
    }
    return best;
}

int main(void)
{
    const uint32_t lives[] = {10000, 100000, 1000000, 10000000};
    const uint32_t sites[] = {100, 10000, 100000, 1000000};
    const uint32_t depths[] = {1, 25, 1000};
    printf("| what varies | | ns for one allocation and free |\n|---|---|---|\n");
    for (int i = 0; i < 4; i++) {
        printf("| live blocks, in runs of 64 neighbours (100 sites, depth 10) | %u | %.1f |\n",
               lives[i], time_pairs(lives[i], 100, 10, 64));
    }
    for (int i = 0; i < 4; i++) {
        printf("| live blocks, each anywhere (100 sites, depth 10) | %u | %.1f |\n", lives[i],
               time_pairs(lives[i], 100, 10, 1));
    }
    for (int i = 0; i < 4; i++) {
        printf("| sites (1,000,000 blocks in runs of 64, depth 10) | %u | %.1f |\n", sites[i],
               time_pairs(1000000, sites[i], 10, 64));
    }
    for (int i = 0; i < 3; i++) {
        printf("| depth (10,000 blocks, 100 sites) | %u | %.1f |\n", depths[i],
               time_pairs(10000, 100, depths[i], 64));
    }
    const double one = time_threads(1), two = time_threads(2);
    printf("| threads in locked shards | 1 | %.1f million pairs a second |\n", one);
    printf("| threads in locked shards | 2 | %.1f million pairs a second (%.2f times) |\n", two,
           two / one);
    return 0;
}
