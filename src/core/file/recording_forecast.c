/* file/recording_forecast.c: see file/recording_forecast.h. */
#include "file/recording_forecast.h"

#include "store/memory.h"

void ctm_forecast_free(struct ctm_forecast *forecast)
{
    ctm_mem_free(forecast->list);
    ctm_mem_free(forecast->next);
    *forecast = (struct ctm_forecast){0};
}

void ctm_forecast_forget(struct ctm_forecast *forecast)
{
    forecast->count = forecast->next_count = forecast->at = 0;
}

void ctm_forecast_begin(struct ctm_forecast *forecast)
{
    forecast->at = forecast->next_count = 0;
    forecast->now = forecast->before = 1;
    forecast->woken = false;
}

static uint64_t bounded(uint64_t number)
{
    return number < CTM_FORECAST_MOST ? number : CTM_FORECAST_MOST;
}

uint64_t ctm_forecast_blocks(const struct ctm_forecast *forecast)
{
    const struct ctm_expected *expected = &forecast->list[forecast->at];
    if (expected->rest > 0 && !forecast->woken) {
        return 0;
    }
    /* At most 2^63 + 2^31: it fits. */
    return (2 * (uint64_t)expected->pace * forecast->now + forecast->before) /
           (2 * forecast->before);
}

static bool append(struct ctm_forecast *forecast, struct ctm_expected expected)
{
    if (forecast->next_count == forecast->next_capacity) {
        const size_t capacity = forecast->next_capacity ? forecast->next_capacity * 2 : 256;
        struct ctm_expected *next = ctm_mem_realloc(forecast->next, capacity * sizeof *next);
        if (next == NULL) {
            return false;
        }
        forecast->next = next;
        forecast->next_capacity = capacity;
    }
    forecast->next[forecast->next_count++] = expected;
    return true;
}

bool ctm_forecast_met(struct ctm_forecast *forecast, uint64_t allocated)
{
    struct ctm_expected expected = forecast->list[forecast->at++];
    if (expected.rest > 0) {
        forecast->woken = allocated != 0;
    }
    if (allocated == 0) {
        expected.rest++;
        return expected.rest >= CTM_FORECAST_PATIENCE || append(forecast, expected);
    }
    if (expected.pace != 0) {
        forecast->now = bounded(allocated);
        forecast->before = expected.pace;
    }
    expected.pace = (uint32_t)bounded(allocated);
    expected.rest = 0;
    return append(forecast, expected);
}

bool ctm_forecast_add(struct ctm_forecast *forecast, uint32_t site, uint64_t allocated)
{
    return append(forecast, (struct ctm_expected){site, (uint32_t)bounded(allocated), 0});
}

bool ctm_forecast_end(struct ctm_forecast *forecast)
{
    while (forecast->at < forecast->count) {
        if (!ctm_forecast_met(forecast, 0)) {
            return false;
        }
    }
    struct ctm_expected *list = forecast->list;
    const size_t capacity = forecast->capacity;
    forecast->list = forecast->next;
    forecast->capacity = forecast->next_capacity;
    forecast->count = forecast->next_count;
    forecast->next = list;
    forecast->next_capacity = capacity;
    forecast->next_count = forecast->at = 0;
    return true;
}
