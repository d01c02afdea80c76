/* steps.h: contexts, and the cache of the steps between them; included by stack.c.
 *
 * Model: a *context* is a number that stands for a chain of complete frames, each at its line. A context and one more
 * frame make another: the steps that were taken are in a cache, direct-mapped, by (context, instruction) and, where
 * that is new, by (context, frame row), because a line has many instructions. With its context comes a chain's
 * traceback, cut to the frames that are kept, so that it is looked up in the tables once for each context and not
 * for each event. A step that fell out of the cache gets a new number: it costs, and changes nothing.
 *
 * An entry is good as long as its stamp is that of now, which a new generation of the tracer or the death of any code
 * object changes.
 */

#define STEPS_LOG2 11u      /* of a new cache of steps */
#define STEPS_MOST_LOG2 18u /* it grows while it is too small for the program */

typedef struct level_context {
    uint32_t context;
    uint32_t traceback; /* row of the chain that ends here; 0: not looked up yet */
} level_context;

typedef struct cached_step {
    uintptr_t to;    /* instruction, or a frame row (step_to_row) */
    uint32_t caller; /* context */
    uint32_t stamp;
    uint32_t context;
    uint32_t traceback; /* 0: not looked up yet */
} cached_step;

/* GIL */
static cached_step *the_steps; /* owned, 1 << the_steps_log2 of them; NULL: none yet */
static uint32_t the_steps_log2, the_steps_lost; /* `lost`: good entries overwritten since it grew */

/* HOOK: As no instruction's address is. */
static inline uintptr_t step_to_row(uint32_t row)
{
    return (uintptr_t)row << 1 | 1;
}

/* HOOK: */
static inline cached_step *step_place(uint32_t caller, uintptr_t to)
{
    const uint64_t hash = (to ^ (uint64_t)caller << 32) * 0x9E3779B97F4A7C15ull;
    return &the_steps[hash >> (64 - the_steps_log2)];
}

/* HOOK: Room for more steps, all of them forgotten. False: out of memory, nothing changed. */
static bool grow_steps(uint32_t log2)
{
    cached_step *more = calloc((size_t)1 << log2, sizeof *more);
    if (more == NULL) {
        return false;
    }
    free(the_steps);
    the_steps = more;
    the_steps_log2 = log2;
    the_steps_lost = 0;
    return true;
}

/* HOOK: Before a look at the cache: it must be there, and large enough for the contexts that come again and again. */
static bool prepare_steps(void)
{
    if (the_steps == NULL) {
        return grow_steps(STEPS_LOG2);
    }
    if (the_steps_lost >> the_steps_log2 != 0 && the_steps_log2 < STEPS_MOST_LOG2) {
        the_steps_lost = 0;
        (void)grow_steps(the_steps_log2 + 2 < STEPS_MOST_LOG2 ? the_steps_log2 + 2
                                                              : STEPS_MOST_LOG2);
    }
    return true;
}

/* HOOK: */
static inline void put_step(cached_step *at, cached_step step)
{
    the_steps_lost += at->stamp == the_stamp;
    *at = step;
}

/* HOOK: */
static inline bool is_step(const cached_step *step, uint32_t caller, uintptr_t to)
{
    return step->to == to && step->caller == caller && step->stamp == the_stamp;
}

/* HOOK: */
static inline void keep_in_step(uint32_t caller, uintptr_t to, uint32_t traceback)
{
    cached_step *step = step_place(caller, to);
    if (is_step(step, caller, to)) {
        step->traceback = traceback;
    }
}

/* HOOK: One complete frame more, if that step is in the cache. */
static inline bool take_step(level_context *now, const void *instruction)
{
    const cached_step *step = step_place(now->context, (uintptr_t)instruction);
    if (!is_step(step, now->context, (uintptr_t)instruction)) {
        return false;
    }
    *now = (level_context){step->context, step->traceback};
    return true;
}

/* HOOK: */
static void clear_steps(void)
{
    if (the_steps != NULL) {
        memset(the_steps, 0, sizeof(cached_step) << the_steps_log2);
    }
}

static void release_steps(void)
{
    free(the_steps);
    the_steps = NULL;
}

static size_t steps_memory(void)
{
    return the_steps != NULL ? sizeof(cached_step) << the_steps_log2 : 0;
}
