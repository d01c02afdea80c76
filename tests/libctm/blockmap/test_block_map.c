/* test_block_map.c: the block map alone: what is set is what is found, whatever the address, whatever memory there is. */
#include "check.h"

#include <pthread.h>

#include "blockmap/block_map.h"
#include "faults.h"

enum { SPAN = 1 << CTMI_BLOCK_MAP_LEAF_BITS }; /* bytes of a leaf */

static struct ctmi_block_map_memo memos[CTMI_BLOCK_MAP_MEMOS];

static struct ctmi_block_map *new_map(void)
{
    ctmi_block_map_forget(memos);
    struct ctmi_block_map *map = ctmi_mem_map(sizeof *map);
    REQUIRE(map != NULL);
    ctmi_block_map_init(map);
    return map;
}

static void free_map(struct ctmi_block_map *map)
{
    ctmi_block_map_destroy(map);
    ctmi_mem_unmap(map, sizeof *map);
}

static void test_addresses(void)
{
    static const uint64_t addresses[] = {0,           1,           15,         16,
                                         0x3ffff0,    0x400000,    0x400008,   0x3fffffff0,
                                         0x400000000, 0x7fffffff0, 1ull << 46, (1ull << 47) - 16,
                                         1ull << 47,  1ull << 63,  UINT64_MAX, UINT64_MAX - 15};
    static const uint32_t domains[] = {0, 1, 389047, UINT32_MAX};
    enum { A = sizeof addresses / sizeof *addresses, D = 4 };
    struct ctmi_block_map *map = new_map();
    uint32_t old;
    for (uint32_t round = 1; round <= 2; round++) {
        for (uint32_t i = 0; i < A * D; i++) {
            uint32_t before = round == 1 ? 0 : i + 1;
            CHECK_EQ(ctmi_block_map_get(map, domains[i / A], addresses[i % A]), before);
            REQUIRE(ctmi_block_map_set(map, memos, domains[i / A], addresses[i % A], i + round,
                                       &old) == CTM_OK);
            CHECK_EQ(old, before);
        }
    }
    for (uint32_t i = 0; i < A * D; i++) {
        CHECK_EQ(ctmi_block_map_get(map, domains[i / A], addresses[i % A]), i + 2);
        CHECK_EQ(ctmi_block_map_take(map, memos, domains[i / A], addresses[i % A]), i + 2);
        CHECK_EQ(ctmi_block_map_take(map, memos, domains[i / A], addresses[i % A]), 0);
        CHECK_EQ(ctmi_block_map_get(map, domains[i / A], addresses[i % A]), 0);
    }
    CHECK(ctmi_block_map_bytes(map) > 0);
    ctmi_block_map_clear(map);
    CHECK_EQ(ctmi_block_map_bytes(map), 0);
    free_map(map);
}

static void test_overflow(void)
{
    enum { N = 20000 };
    struct ctmi_block_map *map = new_map();
    uint64_t random = 5;
    uint32_t old;
    static bool present[N];
    memset(present, 0, sizeof present);
    for (uint32_t step = 0; step < 400000; step++) {
        uint32_t i = (uint32_t)(check_random(&random) % N);
        uint64_t address = 0x7f0000000000 + i * 64ull;
        if (check_random(&random) % 2) {
            REQUIRE(ctmi_block_map_set(map, memos, 7, address, i + 1, &old) == CTM_OK);
            CHECK_EQ(old, present[i] ? i + 1 : 0);
            present[i] = true;
        } else {
            CHECK_EQ(ctmi_block_map_take(map, memos, 7, address), present[i] ? i + 1 : 0);
            present[i] = false;
        }
    }
    for (uint32_t i = 0; i < N; i++) {
        CHECK_EQ(ctmi_block_map_get(map, 7, 0x7f0000000000 + i * 64ull), present[i] ? i + 1 : 0);
    }
    free_map(map);
}

static void test_kept_room(void)
{
    struct ctmi_block_map *map = new_map();
    uint32_t old;
    bool used;
    REQUIRE(ctmi_block_map_reserve(map, 1000) == CTM_OK);
    size_t capacity = map->capacity;
    for (uint64_t i = 0; i < capacity; i++) { /* others fill the table meanwhile */
        REQUIRE(ctmi_block_map_set(map, memos, 1, i, 1, &old) == CTM_OK);
        CHECK(map->used + map->reserved <= map->capacity / 4 * 3);
    }
    capacity = map->capacity;
    for (uint64_t i = 0; i < 1000; i++) {
        CHECK_EQ(ctmi_block_map_set_reserved(map, 2, i, 5, &used), 0);
        CHECK(used);
    }
    CHECK_EQ(map->reserved, 0);
    CHECK_EQ(map->capacity, capacity);
    CHECK_EQ(ctmi_block_map_set_reserved(map, 2, 3, 6, &used), 5);
    CHECK(!used);
    CHECK_EQ(ctmi_block_map_get(map, 2, 3), 6);
    free_map(map);
}

/* A leaf that the system refuses: its blocks live in the overflow, are found there, and leave it. */
static void test_leaf_refused(void)
{
    struct ctmi_block_map *map = new_map();
    const uint64_t address = 0x7f0000000000;
    uint32_t old;
    REQUIRE(ctmi_block_map_reserve(map, 10) == CTM_OK);
    atomic_store(&fault_at, -1);
    bool used = false;
    CHECK_EQ(ctmi_block_map_set_reserved(map, 0, address, 7, &used), 0);
    atomic_store(&fault_at, 0);
    CHECK(used && ctmi_block_map_has_spilled(map));
    CHECK_EQ(atomic_load(&map->spilled), 1);
    CHECK_EQ(ctmi_block_map_get(map, 0, address), 7);
    void *place;
    CHECK_EQ(ctmi_block_map_seek(map, memos, 0, address, &place), 7);
    CHECK(place == NULL);
    /* The leaf can be had now: the slot moves to its place. */
    REQUIRE(ctmi_block_map_set(map, memos, 0, address, 8, &old) == CTM_OK);
    CHECK_EQ(old, 7);
    CHECK_EQ(atomic_load(&map->spilled), 0);
    CHECK_EQ(map->used, 0);
    CHECK_EQ(ctmi_block_map_seek(map, memos, 0, address, &place), 8);
    CHECK(place != NULL);
    CHECK_EQ(ctmi_block_map_take(map, memos, 0, address), 8);
    CHECK_EQ(ctmi_block_map_get(map, 0, address), 0);
    free_map(map);
}

/* Neither leaf nor overflow: an error, and nothing has changed. */
static void test_out_of_memory(void)
{
    struct ctmi_block_map *map = new_map();
    uint32_t old = 99;
    atomic_store(&fault_at, -1);
    CHECK_EQ(ctmi_block_map_set(map, memos, 0, 4096, 1, &old), CTM_ERR_NOMEM);
    CHECK_EQ(ctmi_block_map_set(map, memos, 3, 4096, 1, &old), CTM_ERR_NOMEM);
    CHECK_EQ(ctmi_block_map_reserve(map, 1), CTM_ERR_NOMEM);
    atomic_store(&fault_at, 0);
    CHECK_EQ(ctmi_block_map_get(map, 0, 4096), 0);
    CHECK_EQ(ctmi_block_map_get(map, 3, 4096), 0);
    CHECK(map->used == 0 && map->reserved == 0 && !ctmi_block_map_has_spilled(map));
    free_map(map);
}

/* What was found can be replaced without memory, in its place and in the overflow. */
static void test_seek_and_replace(void)
{
    static const struct {
        uint32_t domain;
        uint64_t address;
    } keys[] = {{0, 4096}, {0, 4097}, {5, 4096}, {0, 1ull << 60}};
    struct ctmi_block_map *map = new_map();
    for (uint32_t i = 0; i < 4; i++) {
        uint32_t old;
        void *place;
        CHECK_EQ(ctmi_block_map_seek(map, memos, keys[i].domain, keys[i].address, &place), 0);
        CHECK(place == NULL);
        REQUIRE(ctmi_block_map_set(map, memos, keys[i].domain, keys[i].address, i + 1, &old) ==
                CTM_OK);
        CHECK_EQ(ctmi_block_map_seek(map, memos, keys[i].domain, keys[i].address, &place), i + 1);
        CHECK_EQ(place != NULL, i == 0);
        atomic_store(&fault_at, -1);
        ctmi_block_map_replace(map, keys[i].domain, keys[i].address, i + 100, place);
        atomic_store(&fault_at, 0);
    }
    for (uint32_t i = 0; i < 4; i++) {
        CHECK_EQ(ctmi_block_map_get(map, keys[i].domain, keys[i].address), i + 100);
    }
    free_map(map);
}

/* Memos of leaves: more leaves than memos, two leaves of one memo, odd addresses of a leaf that is remembered. */
static void test_memos(void)
{
    struct ctmi_block_map *map = new_map();
    const uint32_t leaves = 3 * CTMI_BLOCK_MAP_MEMOS;
    uint32_t old;
    for (uint32_t i = 0; i < leaves; i++) {
        REQUIRE(ctmi_block_map_set(map, memos, 0, (uint64_t)i * SPAN, i + 1, &old) == CTM_OK);
    }
    for (uint32_t i = leaves; i-- > 0;) {
        void *place;
        CHECK_EQ(ctmi_block_map_seek(map, memos, 0, (uint64_t)i * SPAN, &place), i + 1);
        CHECK_EQ(memos[i % CTMI_BLOCK_MAP_MEMOS].key, i);
        CHECK_EQ(ctmi_block_map_seek(map, memos, 0, (uint64_t)i * SPAN + 1, &place), 0);
        CHECK_EQ(ctmi_block_map_seek(map, memos, 0, (uint64_t)i * SPAN + 16, &place), 0);
    }
    CHECK_EQ(ctmi_block_map_take(map, memos, 0, 1), 0);
    CHECK_EQ(ctmi_block_map_get(map, 0, 0), 1);
    free_map(map);
}

/* An emptied map knows nothing, and can be filled anew. */
static void test_empty_and_fill(void)
{
    struct ctmi_block_map *map = new_map();
    for (uint32_t round = 1; round <= 3; round++) {
        uint32_t old;
        for (uint32_t i = 0; i < 20; i++) {
            REQUIRE(ctmi_block_map_set(map, memos, i % 2, (uint64_t)i * SPAN, round, &old) ==
                    CTM_OK);
            CHECK_EQ(old, 0);
        }
        CHECK(ctmi_block_map_bytes(map) > 0);
        struct ctmi_pending_unmap *levels = ctmi_block_map_empty(map);
        CHECK(levels != NULL);
        ctmi_deferred_unmap_now(levels);
        ctmi_block_map_forget(memos);
        CHECK_EQ(ctmi_block_map_bytes(map), 0);
        for (uint32_t i = 0; i < 20; i++) {
            CHECK_EQ(ctmi_block_map_get(map, i % 2, (uint64_t)i * SPAN), 0);
        }
    }
    CHECK(ctmi_block_map_empty(map) == NULL);
    free_map(map);
}

/* --- threads: each has its own blocks, side by side in the same leaves and the same overflow --- */
enum { THREADS = 4, BLOCKS_OF_EACH = 3000 };
static struct ctmi_block_map *shared;

static uint64_t address_of(uint64_t thread, uint64_t i)
{
    return i * SPAN / 8 + thread * 16 + (i % 5 == 0 ? 1 : 0);
}

static void *use_map(void *argument)
{
    const uint64_t thread = (uintptr_t)argument;
    struct ctmi_block_map_memo own[CTMI_BLOCK_MAP_MEMOS];
    ctmi_block_map_forget(own);
    for (uint32_t round = 1; round <= 3; round++) {
        uint32_t old;
        for (uint32_t i = 0; i < BLOCKS_OF_EACH; i++) {
            CHECK_EQ(ctmi_block_map_set(shared, own, 0, address_of(thread, i), round, &old),
                     CTM_OK);
            CHECK_EQ(old, 0);
        }
        for (uint32_t i = 0; i < BLOCKS_OF_EACH; i++) {
            CHECK_EQ(ctmi_block_map_take(shared, own, 0, address_of(thread, i)), round);
        }
    }
    return NULL;
}

static void test_threads(void)
{
    pthread_t threads[THREADS];
    shared = new_map();
    for (uintptr_t i = 0; i < THREADS; i++) {
        REQUIRE(pthread_create(&threads[i], NULL, use_map, (void *)i) == 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    CHECK_EQ(shared->used, 0);
    for (uint64_t i = 0; i < (uint64_t)THREADS * BLOCKS_OF_EACH; i++) {
        CHECK_EQ(ctmi_block_map_get(shared, 0, address_of(i % THREADS, i / THREADS)), 0);
    }
    free_map(shared);
}

TEST_LIST = {
    TEST(test_addresses),    TEST(test_overflow),       TEST(test_kept_room),
    TEST(test_leaf_refused), TEST(test_out_of_memory),  TEST(test_seek_and_replace),
    TEST(test_memos),        TEST(test_empty_and_fill), TEST(test_threads),
    TEST_LIST_END,
};
