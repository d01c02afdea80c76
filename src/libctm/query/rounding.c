/* query/rounding.c: see rounding.h. */
#include "query/rounding.h"

#define GOLDEN 2654435769u /* 2^32 times the golden ratio's fraction */
#define CALLERS 8u         /* frames that tell sites apart; more of them cost time in deep stacks */

static uint32_t mix(uint32_t hash, uint32_t value)
{
    hash = (hash ^ value) * 0x85ebca6bu;
    return hash ^ hash >> 15;
}

static uint32_t mix_callers(const ctm_snapshot *snapshot, uint32_t traceback, uint32_t hash)
{
    for (uint32_t i = 0; i < CALLERS && traceback != 0; i++) {
        const ctm_traceback *row = &snapshot->tracebacks[traceback];
        const ctm_frame *frame = &snapshot->frames[row->frame];
        hash = mix(hash, (uint32_t)snapshot->functions[frame->function].first_lineno);
        hash = i > 0 ? mix(hash, (uint32_t)frame->lineno) : hash;
        traceback = row->parent;
    }
    return hash;
}

double ctmi_site_rounding(const ctm_snapshot *snapshot, const ctm_site *site)
{
    const ctm_traceback *traceback = &snapshot->tracebacks[site->traceback];
    const uint32_t line =
        site->traceback != 0 ? (uint32_t)snapshot->frames[traceback->frame].lineno : 0;
    const uint32_t size = mix((uint32_t)site->block_size, (uint32_t)(site->block_size >> 32));
    const uint32_t hash = mix_callers(snapshot, site->traceback, mix(size, site->domain));
    return (double)(line * GOLDEN + hash) * 0x1p-32;
}
