/* formats/recording_forecast.h: what the next tick is expected to say; the same for writer and reader.
 *
 * Model: a busy program runs the same lines again and again, and of lines that run together each allocates in
 * proportion to the others. So a site that was allocated from lately is *expected* to be again: as often as in the
 * last tick in which it was (its *pace*), times the ratio of the expected site before it between then and now. Sites
 * that stand together were made together and mostly lie on one path through the program, so this is right for nine
 * of ten; and what is right costs a count of such sites in the file, no bytes of their own.
 *
 * A site that rests for CTMI_FORECAST_PATIENCE ticks is no longer expected. One that rests is expected to go on resting,
 * unless the resting one before it has just woken: programs that are busy now and then wake a path at a time.
 *
 * docs/formats/recording.md says this in the words of the format. One list for each store; its owner's.
 */
#ifndef CTMI_FORMATS_RECORDING_FORECAST_H
#define CTMI_FORMATS_RECORDING_FORECAST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CTMI_FORECAST_PATIENCE 16u    /* ticks */
#define CTMI_FORECAST_MOST (1u << 31) /* greater numbers count as this */

struct ctmi_expected {
    uint32_t site;
    uint32_t pace; /* blocks allocated in the last tick in which any were */
    uint32_t rest; /* ticks since */
};

/* Begins as zeros. */
struct ctmi_forecast {
    struct ctmi_expected *list,
        *next; /* owned: by rising site; of this tick, and of the one after it */
    size_t count, capacity, next_count, next_capacity;
    size_t at;            /* in `list`: the next expected site */
    uint64_t now, before; /* the ratio */
    bool woken;
};

void ctmi_forecast_free(struct ctmi_forecast *forecast);
void ctmi_forecast_forget(struct ctmi_forecast *forecast); /* a new span: nothing is expected */

/* A tick: begin, then its sites by rising id, then end. */
void ctmi_forecast_begin(struct ctmi_forecast *forecast);
/* The site expected next; UINT32_MAX: none. */
static inline uint32_t ctmi_forecast_site(const struct ctmi_forecast *forecast)
{
    return forecast->at < forecast->count ? forecast->list[forecast->at].site : UINT32_MAX;
}
/* Blocks that it is expected to have allocated. */
uint64_t ctmi_forecast_blocks(const struct ctmi_forecast *forecast);
/* It has allocated so many. False: out of memory. */
bool ctmi_forecast_met(struct ctmi_forecast *forecast, uint64_t allocated);
/* A site that was not expected, less than the next that is. False: out of memory. */
bool ctmi_forecast_add(struct ctmi_forecast *forecast, uint32_t site, uint64_t allocated);
/* What is left has rested. False: out of memory. */
bool ctmi_forecast_end(struct ctmi_forecast *forecast);

#endif
