/* self_scope.h: the self scope of a method: what it allocates inside is attributed to this package. */
#ifndef PYCTM_TYPES_SELF_SCOPE_H
#define PYCTM_TYPES_SELF_SCOPE_H

#include "types/types.h"

/* Between begin and end, this thread's allocations are attributed to this package (see self_scope_set in types.h): for
 * what a method allocates inside, as in tracemalloc.py. Not around calls of the user's code. */
static inline int pyctm_state_self_scope_begin(pyctm_state *state)
{
    return state->self_scope_set != NULL ? state->self_scope_set(state, 1) : 0;
}

static inline void pyctm_state_self_scope_end(pyctm_state *state, int before)
{
    if (state->self_scope_set != NULL) {
        state->self_scope_set(state, before);
    }
}

#endif
