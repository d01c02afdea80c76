/* tracer/shard.h: the struct of a shard; private to the tracer and the sinks.
 *
 * Model: shard 0 is *exclusive*: the caller lets one thread at a time in, and only that thread, the *exclusive side*,
 * may also start, stop, clear and snapshot. Each of the shards 1.. has a mutex; tracer.h has the order of the locks.
 *
 * A block is counted at a site row of its *home* shard, the shard that it was allocated through. A thread in shard a
 * that frees a block whose home is b does not acquire b's lock: it adds to the row's atomic `freed_remote`. This is
 * safe because rows never move while the owner of b appends, and they are emptied only when the world is stopped,
 * which excludes the thread in a: if a has a lock, that lock is acquired, and if a is shard 0, its thread is the
 * exclusive side itself. live = allocated - freed - freed_remote.
 */
#ifndef CTMI_TRACER_SHARD_H
#define CTMI_TRACER_SHARD_H

#include <pthread.h>

#include "blockmap/block_map.h"
#include "ctm/shard.h"
#include "tables/store.h"
#include "tracer/portions.h"
#include "tracer/scopes.h"

#define CTMI_RESERVED_AT_ONCE 8u /* map entries; so few resizes need the map's lock */

/* Shards 0 .. n-1, whose stores reserve spare rows for unplaced blocks. */
#define CTMI_SPARE_SHARDS 2u

/* A site reference of the block map: CTMI_IN_SCOPE or not, the home shard in the next 3 bits, site below. */
#define CTMI_SITE_REF_SITE_BITS 28u
#define CTMI_SITE_REF_SITE_MASK ((1u << CTMI_SITE_REF_SITE_BITS) - 1)

struct ctm_shard {
    struct ctm_tracer *tracer; /* constant */
    uint32_t index;            /* constant; 0: the exclusive shard */
    pthread_mutex_t lock;      /* unused in shard 0 */
    CTMI_HOLDER(holder)        /* the thread inside */
    struct ctmi_store store;   /* this lock */
    size_t resizing;           /* this lock; resizes that have begun and not ended; <= reserved */
    size_t reserved;           /* this lock; entries reserved in the map for resizes */

    /* What events through this shard added and subtracted, modulo 2^64: one shard alone may be below 0. Written by the
     * thread inside, so without locked instructions; read by any thread. */
    _Alignas(64) _Atomic uint64_t bytes;
    _Atomic uint64_t blocks;
    _Atomic uint64_t limit; /* bytes up to which the peak is not reached: see peak.c */

    struct ctmi_block_map_memo memos[CTMI_BLOCK_MAP_MEMOS]; /* this lock */
    struct ctmi_portions portions;                          /* this lock */
    struct ctmi_scoped_rows scoped;                         /* lock: the scopes' (scopes.h) */
};

/* Asserts that the caller is inside: it holds the shard's lock, or is the one thread in shard 0. */
static inline void ctmi_shard_assert_inside(const struct ctm_shard *shard)
{
#ifdef CTM_ASSERTS
    CTMI_ASSERT(ctmi_holder_is_me(&shard->holder) ||
                (shard->index == 0 && atomic_load(&shard->holder.thread) == 0));
#else
    (void)shard;
#endif
}

#endif
