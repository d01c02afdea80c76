/* test_faults_live.c: memory refused at every call, one call at a time.
 *
 * Random operations as in test_model.c; each is tried with its first, then its second, … request
 * for memory refused, until it succeeds. After each failure the tracer must be as the model
 * is: nothing counted, no block lost. Built with -DCTM_FAULTS.
 *
 * usage: test_faults_live [OPERATIONS [SEED...]]
 */
#include "model.h"

#include "store/memory.h"

#ifndef CTM_FAULTS
#error "build with -DCTM_FAULTS"
#endif

/* Tables are emptied often, so that there is always something to refuse. */
static const struct op_weights weights = {.of = {
    [OP_ALLOC] = 4000, [OP_FREE] = 1500, [OP_REATTRIBUTE] = 600, [OP_BEGIN] = 1200,
    [OP_COMMIT] = 1200, [OP_ABORT] = 1200, [OP_FIND] = 200, [OP_SNAPSHOT] = 40, [OP_CLEAR] = 120,
    [OP_STOP] = 60, [OP_START] = 3000, [OP_RESET_PEAK] = 20,
}};

static unsigned long refused, failed[OP_KINDS], survived[OP_KINDS];

/* True once the operation succeeded. */
static bool try_refusing(ctm_tracer *tracer, struct model *model, const struct op *op, long at)
{
    atomic_store(&ctm_mem_fail_at, at);
    ctm_status status = tracer_apply(tracer, model, op);
    bool was_refused = atomic_exchange(&ctm_mem_fail_at, 0) == 0;
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
    atomic_store(&ctm_mem_fail_at, 1);
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

int main(int argc, char **argv)
{
    unsigned long operations = argc > 1 ? strtoul(argv[1], NULL, 10) : 40000;
    model_make_keys();
    if (argc <= 2) {
        for (uint64_t seed = 1; seed <= 3; seed++) {
            run(operations, seed);
        }
    }
    for (int i = 2; i < argc; i++) {
        run(operations, strtoull(argv[i], NULL, 10));
    }
    printf("%lu requests refused\n", refused);
    /* The test is worth something only if it met failures of each kind that can fail, and
     * blocks that lived on in the overflow because their leaf was refused. */
    CHECK(failed[OP_ALLOC] > 10 && failed[OP_BEGIN] > 10);
    CHECK(failed[OP_REATTRIBUTE] > 0 && failed[OP_SNAPSHOT] > 0);
    CHECK(survived[OP_ALLOC] > 10 && survived[OP_COMMIT] > 0);
    CHECK(failed[OP_COMMIT] == 0 && failed[OP_ABORT] == 0 && failed[OP_FREE] == 0);
    return check_done();
}
