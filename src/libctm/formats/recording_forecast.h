/* formats/recording_forecast.h: what the next tick is expected to say; the same code for writer and reader.
 *
 * Model: a busy program runs the same lines again and again, and lines that run together allocate in proportion to
 * each other. So a site that had allocations lately is *expected* to have some again: as many blocks as in the last
 * tick in which it had any (its *pace*), times a ratio. The ratio is that of the previous expected site that had
 * allocations: its blocks in this tick to its pace. Neighboring sites were made at about the same time and are mostly
 * on one path through the program, so the forecast is right for nine sites of ten. A correct forecast takes no bytes
 * of its own in the file, only a part of a count of such sites.
 *
 * A site *rests* in a tick in which it has no allocations. After CTMI_FORECAST_PATIENCE such ticks it is no longer
 * expected. A resting site is expected to rest again, unless the previous resting site has just *woken*, that is, had
 * allocations: programs that are busy from time to time wake one path at a time.
 *
 * docs/formats/recording.md describes the same in terms of the format. Each store has one forecast, which the owner
 * of the store owns.
 */
#ifndef CTMI_FORMATS_RECORDING_FORECAST_H
#define CTMI_FORMATS_RECORDING_FORECAST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CTMI_FORECAST_PATIENCE 16u    /* ticks */
#define CTMI_FORECAST_MOST (1u << 31) /* greater numbers are replaced by this */

struct ctmi_expected {
    uint32_t site;
    uint32_t pace; /* blocks allocated in the last tick in which any were */
    uint32_t rest; /* ticks since then */
};

/* Initialized with zeros. Owner and lock are the store's. */
struct ctmi_forecast {
    /* Owned: expected sites in ascending order, of this tick and of the next one. */
    struct ctmi_expected *list, *next;
    size_t count, capacity, next_count, next_capacity;
    size_t at;            /* index in `list` of the next expected site */
    uint64_t now, before; /* the ratio: now / before */
    bool woken;
};

void ctmi_forecast_free(struct ctmi_forecast *forecast);
void ctmi_forecast_forget(struct ctmi_forecast *forecast); /* a new span: nothing is expected */

/* A tick: begin, then its sites in ascending order of ids, then end. */
void ctmi_forecast_begin(struct ctmi_forecast *forecast);
/* Returns the next expected site; UINT32_MAX: none. */
static inline uint32_t ctmi_forecast_site(const struct ctmi_forecast *forecast)
{
    return forecast->at < forecast->count ? forecast->list[forecast->at].site : UINT32_MAX;
}
/* Returns the number of blocks that the next expected site is expected to have allocated. */
uint64_t ctmi_forecast_blocks(const struct ctmi_forecast *forecast);
/* The next expected site has allocated `allocated` blocks. False: out of memory. */
bool ctmi_forecast_met(struct ctmi_forecast *forecast, uint64_t allocated);
/* A site that was not expected, with an id less than the next expected one. False: out of memory. */
bool ctmi_forecast_add(struct ctmi_forecast *forecast, uint32_t site, uint64_t allocated);
/* The remaining expected sites have rested. False: out of memory. */
bool ctmi_forecast_end(struct ctmi_forecast *forecast);

#endif
