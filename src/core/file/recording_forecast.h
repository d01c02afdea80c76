/* file/recording_forecast.h: what the next tick is expected to say; the same for writer and reader.
 *
 * Model: a busy program runs the same lines again and again, and of lines that run together each allocates in
 * proportion to the others. So a site that was allocated from lately is *expected* to be again: as often as in the
 * last tick in which it was (its *pace*), times the ratio of the expected site before it between then and now. Sites
 * that stand together were made together and mostly lie on one path through the program, so this is right for nine
 * of ten; and what is right costs a count of such sites in the file, no bytes of their own.
 *
 * A site that rests for CTM_FORECAST_PATIENCE ticks is no longer expected. One that rests is expected to go on resting,
 * unless the resting one before it has just woken: programs that are busy now and then wake a path at a time.
 *
 * docs/recording.md says this in the words of the format. One list for each store; its owner's.
 */
#ifndef CTM_FILE_RECORDING_FORECAST_H
#define CTM_FILE_RECORDING_FORECAST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CTM_FORECAST_PATIENCE 16u    /* ticks */
#define CTM_FORECAST_MOST (1u << 31) /* greater numbers count as this */

struct ctm_expected {
    uint32_t site;
    uint32_t pace; /* blocks allocated in the last tick in which any were */
    uint32_t rest; /* ticks since */
};

/* Begins as zeros. */
struct ctm_forecast {
    struct ctm_expected *list,
        *next; /* owned: by rising site; of this tick, and of the one after it */
    size_t count, capacity, next_count, next_capacity;
    size_t at;            /* in `list`: the next expected site */
    uint64_t now, before; /* the ratio */
    bool woken;
};

void ctm_forecast_free(struct ctm_forecast *forecast);
void ctm_forecast_forget(struct ctm_forecast *forecast); /* a new span: nothing is expected */

/* A tick: begin, then its sites by rising id, then end. */
void ctm_forecast_begin(struct ctm_forecast *forecast);
/* The site expected next; UINT32_MAX: none. */
static inline uint32_t ctm_forecast_site(const struct ctm_forecast *forecast)
{
    return forecast->at < forecast->count ? forecast->list[forecast->at].site : UINT32_MAX;
}
/* Blocks that it is expected to have allocated. */
uint64_t ctm_forecast_blocks(const struct ctm_forecast *forecast);
/* It has allocated so many. False: out of memory. */
bool ctm_forecast_met(struct ctm_forecast *forecast, uint64_t allocated);
/* A site that was not expected, less than the next that is. False: out of memory. */
bool ctm_forecast_add(struct ctm_forecast *forecast, uint32_t site, uint64_t allocated);
/* What is left has rested. False: out of memory. */
bool ctm_forecast_end(struct ctm_forecast *forecast);

#endif
