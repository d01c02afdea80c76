/* test_model.c: millions of random operations on a tracer and on a naive model (model.h).
 *
 * CTM_TEST_OPERATIONS and CTM_TEST_SEED in the environment: others than the usual ones.
 */
#define CHECK_SET_UP model_make_keys
#include "model.h"

static const struct op_weights weights = {.of = {
                                              [OP_ALLOC] = 4000,
                                              [OP_FREE] = 2500,
                                              [OP_REATTRIBUTE] = 800,
                                              [OP_BEGIN] = 900,
                                              [OP_COMMIT] = 900,
                                              [OP_ABORT] = 900,
                                              [OP_FIND] = 300,
                                              [OP_SNAPSHOT] = 3,
                                              [OP_CLEAR] = 2,
                                              [OP_STOP] = 1,
                                              [OP_START] = 2000,
                                              [OP_RESET_PEAK] = 20,
                                          }};

static void run(unsigned long operations, uint64_t seed)
{
    static struct model model;
    ctm_tracer *tracer;
    memset(&model, 0, sizeof model);
    REQUIRE(ctm_tracer_new(&tracer) == CTM_OK);
    uint64_t random = seed;
    for (unsigned long i = 0; i < operations; i++) {
        struct op op = choose_op(&model, &random, &weights);
        CHECK_EQ(tracer_apply(tracer, &model, &op), CTM_OK);
        model_apply(&model, &op);
        compare_totals(tracer, &model);
        compare_key(tracer, &model, op.key, (uint32_t)(i % CTM_SHARDS));
        if (i % 5000 == 0) {
            compare_all_keys(tracer, &model);
        }
        if (atomic_load(&check_failed) != 0) {
            printf("seed %llu, operation %lu, kind %d\n", (unsigned long long)seed, i, op.kind);
            break;
        }
    }
    ctm_tracer_free(tracer);
}

static void test_seed_1(void)
{
    run(check_number("CTM_TEST_OPERATIONS", 300000), check_number("CTM_TEST_SEED", 1));
}

static void test_seed_2(void)
{
    run(check_number("CTM_TEST_OPERATIONS", 300000), check_number("CTM_TEST_SEED", 2));
}

static void test_seed_3(void)
{
    run(check_number("CTM_TEST_OPERATIONS", 300000), check_number("CTM_TEST_SEED", 3));
}

TEST_LIST = {
    TEST(test_seed_1),
    TEST(test_seed_2),
    TEST(test_seed_3),
    TEST_LIST_END,
};
