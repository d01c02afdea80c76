/* tracer/sampling.h: the page filter of a sampling tracer: which pages may have sampled blocks.
 *
 * Model: most blocks of a sampling tracer are not in the block map, and freeing one must not cost a lookup there.
 * `counts` says how many sampled blocks are in the pages that share a bucket; 0: none. A count that has reached 255
 * never changes again.
 *
 * Threads: counts are atomic. A thread that frees a block has received its address from the thread that allocated it,
 * so it sees the raised count.
 */
#ifndef CTMI_TRACER_SAMPLING_H
#define CTMI_TRACER_SAMPLING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define CTMI_PAGE_FILTER_BUCKETS 65536u

struct ctmi_page_filter {
    _Atomic uint8_t counts[CTMI_PAGE_FILTER_BUCKETS];
};

static inline _Atomic uint8_t *ctmi_page_filter_bucket(struct ctmi_page_filter *page_filter,
                                                       uint64_t address)
{
    const uint64_t page = address >> 12;
    return &page_filter->counts[(page ^ page >> 16) % CTMI_PAGE_FILTER_BUCKETS];
}

/* Whether a sampled block may be at the address. */
static inline bool ctmi_page_filter_may_have(struct ctmi_page_filter *page_filter, uint64_t address)
{
    return atomic_load_explicit(ctmi_page_filter_bucket(page_filter, address),
                                memory_order_relaxed) != 0;
}

void ctmi_page_filter_add(struct ctmi_page_filter *page_filter, uint64_t address);
void ctmi_page_filter_remove(struct ctmi_page_filter *page_filter, uint64_t address);

#endif
