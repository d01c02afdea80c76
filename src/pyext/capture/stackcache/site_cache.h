/* site_cache.h: the cache of sites; included by stack.c.
 *
 * Model: what the innermost frame adds to its callers changes with nearly every event. So it is looked up by its
 * instruction, in a cache, direct-mapped: (instruction, callers as in pyctm_where, size) -> site. It grows while it is too
 * small for the program. An entry is good as long as its stamp is that of now, as in steps.h.
 */

#define SITES_FIRST_MASK ((1u << 13) - 1)
#define SITES_MOST_MASK ((1u << 16) - 1)

typedef struct cached_site {
    const void *instruction;
    uint64_t callers; /* as in pyctm_where, with the stamp of then */
    uint32_t size;    /* bytes */
    uint32_t site;
} cached_site;

/* GIL */
static cached_site the_first_sites[SITES_FIRST_MASK + 1];
static cached_site *the_sites = the_first_sites; /* owned, if it is not the first */
static uint32_t the_sites_mask = SITES_FIRST_MASK;
static uint32_t the_sites_lost; /* good entries overwritten since it grew */

/* HOOK: The size comes last, because a revived object's is known last. */
static inline cached_site *site_place(const pyctm_where *where, uint64_t size)
{
    const uint64_t spot = (uintptr_t)where->instruction >> 1 ^ where->callers << 39;
    const uint64_t hash = spot * 0x9E3779B97F4A7C15ull >> 40;
    return &the_sites[(hash ^ size ^ size >> 6) & the_sites_mask];
}

/* HOOK: */
static inline bool is_cached(const cached_site *cached, const pyctm_where *where, uint64_t size)
{
    return cached->instruction == where->instruction && cached->callers == where->callers &&
           cached->size == size;
}

/* HOOK: */
static inline uint64_t stamped(uint32_t callers)
{
    return (uint64_t)the_stamp << 32 | callers;
}

/* HOOK: An instruction that has a cached site belongs to a complete frame. */
uint32_t pyctm_stack_known_site(const pyctm_where *where, uint64_t size)
{
    const cached_site *cached = site_place(where, size);
    return is_cached(cached, where, size) ? cached->site : 0;
}

/* HOOK: */
static void grow_sites(void)
{
    const uint32_t mask = 2 * the_sites_mask + 1;
    cached_site *more = calloc((size_t)mask + 1, sizeof *more);
    the_sites_lost = 0;
    if (more == NULL) {
        return;
    }
    if (the_sites != the_first_sites) {
        free(the_sites);
    }
    the_sites = more;
    the_sites_mask = mask;
}

/* HOOK: */
static void keep_site(const pyctm_where *where, uint32_t size, uint32_t site)
{
    cached_site *cached = site_place(where, size);
    the_sites_lost += cached->callers >> 32 == the_stamp;
    *cached = (cached_site){where->instruction, where->callers, size, site};
    if (the_sites_lost > the_sites_mask && the_sites_mask < SITES_MOST_MASK) {
        grow_sites();
    }
}

/* HOOK: */
static void clear_sites(void)
{
    memset(the_sites, 0, sizeof(cached_site) * (the_sites_mask + 1));
}

static void release_sites(void)
{
    if (the_sites != the_first_sites) {
        free(the_sites);
        the_sites = the_first_sites;
        the_sites_mask = SITES_FIRST_MASK;
    }
    the_sites_lost = 0;
}

static size_t sites_memory(void)
{
    return the_sites != the_first_sites ? sizeof(cached_site) * (the_sites_mask + 1) : 0;
}
