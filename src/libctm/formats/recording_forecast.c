/* formats/recording_forecast.c: see formats/recording_forecast.h. */
#include "formats/recording_forecast.h"

#include "base/memory.h"

void ctmi_forecast_free(struct ctmi_forecast *forecast)
{
    ctmi_mem_free(forecast->list);
    ctmi_mem_free(forecast->next);
    *forecast = (struct ctmi_forecast){0};
}

void ctmi_forecast_forget(struct ctmi_forecast *forecast)
{
    forecast->count = forecast->next_count = forecast->at = 0;
}

void ctmi_forecast_begin(struct ctmi_forecast *forecast)
{
    forecast->at = forecast->next_count = 0;
    forecast->now = forecast->before = 1;
    forecast->woken = false;
}

static uint64_t bounded(uint64_t number)
{
    return number < CTMI_FORECAST_MOST ? number : CTMI_FORECAST_MOST;
}

uint64_t ctmi_forecast_blocks(const struct ctmi_forecast *forecast)
{
    const struct ctmi_expected *expected = &forecast->list[forecast->at];
    if (expected->rest > 0 && !forecast->woken) {
        return 0;
    }
    /* At most 2^63 + 2^31: it fits. */
    return (2 * (uint64_t)expected->pace * forecast->now + forecast->before) /
           (2 * forecast->before);
}

static bool append(struct ctmi_forecast *forecast, struct ctmi_expected expected)
{
    if (forecast->next_count == forecast->next_capacity) {
        const size_t capacity = forecast->next_capacity ? forecast->next_capacity * 2 : 256;
        struct ctmi_expected *next = ctmi_mem_realloc(forecast->next, capacity * sizeof *next);
        if (next == NULL) {
            return false;
        }
        forecast->next = next;
        forecast->next_capacity = capacity;
    }
    forecast->next[forecast->next_count++] = expected;
    return true;
}

bool ctmi_forecast_met(struct ctmi_forecast *forecast, uint64_t allocated)
{
    struct ctmi_expected expected = forecast->list[forecast->at++];
    if (expected.rest > 0) {
        forecast->woken = allocated != 0;
    }
    if (allocated == 0) {
        expected.rest++;
        return expected.rest >= CTMI_FORECAST_PATIENCE || append(forecast, expected);
    }
    if (expected.pace != 0) {
        forecast->now = bounded(allocated);
        forecast->before = expected.pace;
    }
    expected.pace = (uint32_t)bounded(allocated);
    expected.rest = 0;
    return append(forecast, expected);
}

bool ctmi_forecast_add(struct ctmi_forecast *forecast, uint32_t site, uint64_t allocated)
{
    return append(forecast, (struct ctmi_expected){site, (uint32_t)bounded(allocated), 0});
}

bool ctmi_forecast_end(struct ctmi_forecast *forecast)
{
    while (forecast->at < forecast->count) {
        if (!ctmi_forecast_met(forecast, 0)) {
            return false;
        }
    }
    struct ctmi_expected *list = forecast->list;
    const size_t capacity = forecast->capacity;
    forecast->list = forecast->next;
    forecast->capacity = forecast->next_capacity;
    forecast->count = forecast->next_count;
    forecast->next = list;
    forecast->next_capacity = capacity;
    forecast->next_count = forecast->at = 0;
    return true;
}
