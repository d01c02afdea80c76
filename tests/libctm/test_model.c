/* test_model.c: millions of random operations on a tracer and on a naive model (model.h).
 *
 * usage: test_model [OPERATIONS [SEED...]]
 */
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

int main(int argc, char **argv)
{
    unsigned long operations = argc > 1 ? strtoul(argv[1], NULL, 10) : 300000;
    model_make_keys();
    if (argc <= 2) {
        for (uint64_t seed = 1; seed <= 3; seed++) {
            run(operations, seed);
        }
    }
    for (int i = 2; i < argc; i++) {
        run(operations, strtoull(argv[i], NULL, 10));
    }
    return check_done();
}
