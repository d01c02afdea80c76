/* test_faults_live.c: memory refused at every call, one call at a time.
 *
 * Random operations as in test_model.c; each is tried with its first, then its second, … request
 * for memory refused, until it succeeds. After each failure the tracer must be as the model
 * is: nothing counted, no block lost.
 *
 * CTM_TEST_OPERATIONS and CTM_TEST_SEED in the environment: others than the usual ones.
 */
#define CHECK_SET_UP model_make_keys
#include "model.h"

#include "faults.h"
#include "tables/store.h"

/* Else few tables have to grow. */
__attribute__((constructor)) static void begin_small(void)
{
    sizes_small();
}

/* Tables are emptied often, so that there is always something to refuse. */
static const struct op_weights weights = {.of = {
                                              [OP_ALLOC] = 4000,
                                              [OP_FREE] = 1500,
                                              [OP_REATTRIBUTE] = 1500,
                                              [OP_BEGIN] = 1200,
                                              [OP_COMMIT] = 1200,
                                              [OP_ABORT] = 1200,
                                              [OP_FIND] = 200,
                                              [OP_SNAPSHOT] = 40,
                                              [OP_CLEAR] = 120,
                                              [OP_STOP] = 60,
                                              [OP_START] = 3000,
                                              [OP_RESET_PEAK] = 20,
                                          }};

static unsigned long refused, failed[OP_KINDS], survived[OP_KINDS];

/* True once the operation succeeded. */
static bool try_refusing(ctm_tracer *tracer, struct model *model, const struct op *op, long at)
{
    atomic_store(&fault_at, at);
    ctm_status status = tracer_apply(tracer, model, op);
    bool was_refused = atomic_exchange(&fault_at, 0) == 0;
    refused += was_refused;
    if (status == CTM_OK) {
        survived[op->kind] += was_refused;
        return true;
    }
    CHECK_EQ(status, CTM_ERR_NOMEM);
    CHECK(was_refused);
    failed[op->kind]++;
    compare_all_keys(tracer, model);
    return false;
}

static void run(unsigned long operations, uint64_t seed)
{
    static struct model model;
    ctm_tracer *tracer;
    memset(&model, 0, sizeof model);
    atomic_store(&fault_at, 1);
    CHECK_EQ(ctm_tracer_new(&tracer), CTM_ERR_NOMEM);
    REQUIRE(ctm_tracer_new(&tracer) == CTM_OK);
    uint64_t random = seed;
    for (unsigned long i = 0; i < operations; i++) {
        struct op op = choose_op(&model, &random, &weights);
        long at = 1;
        while (!try_refusing(tracer, &model, &op, at)) {
            at++;
        }
        model_apply(&model, &op);
        compare_totals(tracer, &model);
        compare_key(tracer, &model, op.key, (uint32_t)(i % CTM_SHARDS));
        if (i % 100 == 0) {
            compare_all_keys(tracer, &model);
        }
        if (atomic_load(&check_failed) != 0) {
            printf("seed %llu, operation %lu, kind %d, at %ld\n", (unsigned long long)seed, i,
                   op.kind, at);
            break;
        }
    }
    ctm_tracer_free(tracer);
}

/* --- the store by itself: a call that fails leaves every table as it was --- */
static ctm_status store_call(struct ctmi_store *store, uint32_t i, uint32_t *out)
{
    char text[32];
    switch (i % 6) {
    case 0: return ctmi_store_string(store, text, (size_t)sprintf(text, "string %u", i), out);
    case 1: return ctmi_store_function(store, i / 6 + 1, 0, (int32_t)i, out);
    case 2: return ctmi_store_frame(store, i / 6 + 1, (int32_t)i, out);
    case 3: return ctmi_store_traceback(store, i / 12, i / 6 + 1, (int32_t)i, out);
    case 4: return ctmi_store_site(store, 0, i / 6 + 1, i, 0, out);
    default: return ctmi_store_site_append(store, 0, i / 6 + 1, i, 0, out);
    }
}

static uint64_t rows_of(const struct ctmi_store *store)
{
    return (uint64_t)ctmi_store_string_count(store) + ctmi_store_function_count(store) +
           ctmi_store_frame_count(store) + ctmi_store_traceback_count(store) +
           ctmi_store_site_count(store);
}

static void check_copy_refused(const struct ctmi_store *store)
{
    struct ctmi_store copy;
    ctm_status status = CTM_ERR_NOMEM;
    ctmi_store_init(&copy);
    for (long at = 1; status != CTM_OK; at++) {
        atomic_store(&fault_at, at);
        status = ctmi_store_copy(&copy, store);
        atomic_store(&fault_at, 0);
        CHECK(status == CTM_OK ||
              (status == CTM_ERR_NOMEM && rows_of(&copy) == 5 && ctmi_store_bytes(&copy) == 0));
    }
    CHECK_EQ(rows_of(&copy), rows_of(store));
    ctmi_store_free_all(&copy);
}

static void test_store(void)
{
    struct ctmi_store store;
    unsigned long failures = 0, indexes = 0; /* the latter could not grow, and take some ids more */
    uint64_t text_end = 0;
    ctmi_store_init(&store);
    for (uint32_t i = 0; i < 20000; i++) {
        uint64_t rows = rows_of(&store);
        uint32_t id = UINT32_MAX, again;
        ctm_status status;
        for (long at = 1;; at++, failures++) {
            atomic_store(&fault_at, at);
            status = store_call(&store, i, &id);
            const bool was_refused = atomic_exchange(&fault_at, 0) == 0;
            if (status == CTM_OK) {
                indexes += was_refused;
                break;
            }
            CHECK(status == CTM_ERR_NOMEM && id == UINT32_MAX);
            CHECK_EQ(rows_of(&store), rows);
            CHECK_EQ(store.bytes.end, text_end);
        }
        CHECK_EQ(rows_of(&store), rows + 1);
        text_end = store.bytes.end;
        if (i % 6 != 5) {
            CHECK(store_call(&store, i, &again) == CTM_OK && again == id);
        }
    }
    CHECK(failures > 20 && indexes > 1000);
    check_copy_refused(&store);
    ctmi_store_free_all(&store);
}

static void check_seed(uint64_t seed)
{
    run(check_number("CTM_TEST_OPERATIONS", 40000), check_number("CTM_TEST_SEED", seed));
    printf("%lu requests refused\n", refused);
    /* The test is worth something only if it met failures of each kind that can fail, and
     * blocks that lived on in the overflow because their leaf was refused. */
    CHECK(failed[OP_ALLOC] > 10 && failed[OP_BEGIN] > 10);
    CHECK(failed[OP_REATTRIBUTE] > 0 && failed[OP_SNAPSHOT] > 0);
    CHECK(survived[OP_ALLOC] > 10 && survived[OP_COMMIT] > 0);
    CHECK(failed[OP_COMMIT] == 0 && failed[OP_ABORT] == 0 && failed[OP_FREE] == 0);
}

static void test_seed_1(void)
{
    check_seed(1);
}

static void test_seed_2(void)
{
    check_seed(2);
}

static void test_seed_3(void)
{
    check_seed(3);
}

TEST_LIST = {
    TEST(test_store), TEST(test_seed_1), TEST(test_seed_2), TEST(test_seed_3), TEST_LIST_END,
};
