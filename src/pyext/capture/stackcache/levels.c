/* levels.c: the memory of the levels of the remembered stack. */
#include "capture/frames/assert.h"
#include "capture/stackcache/stack.h"

#include <stdlib.h>
#include <string.h>

/* HOOK: */
void *pyctm_array_grown(void *array, uint32_t used, uint32_t capacity, size_t size)
{
    PYCTM_ASSERT(used <= capacity);
    void *more = malloc(capacity * size);
    if (more != NULL) {
        if (used > 0) {
            memcpy(more, array, used * size);
        }
        free(array);
    }
    return more;
}

/* HOOK: */
bool pyctm_stack_reserve(pyctm_stack *stack, uint32_t levels)
{
    PYCTM_ASSERT(stack->known <= stack->capacity);
    if (levels <= stack->capacity) {
        return true;
    }
    const uint32_t capacity = levels < 64 ? 128 : 2 * levels;
    pyctm_level *more = pyctm_array_grown(stack->levels, stack->known, capacity, sizeof *more);
    if (more == NULL) {
        stack->known = 0;
        return false;
    }
    stack->levels = more;
    uint32_t *totals = pyctm_array_grown(stack->totals, stack->known, capacity, sizeof *totals);
    if (totals == NULL) {
        stack->known = 0;
        return false;
    }
    stack->totals = totals;
    stack->capacity = capacity;
    return true;
}
