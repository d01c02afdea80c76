/* freelist_patch.c: CPython 3.11 and 3.12 tell nobody but stdlib's tracemalloc of new references, by a
 * hidden function that `_Py_NewReference` calls while stdlib traces. capture.c makes stdlib trace (with
 * empty tables); here that function's calls are led to ours. Found as the call that the exported `_Py_NewReference` makes
 * on one side only of its first conditional branch (prologue.h), and tried by a self-test before it is believed. */
#include "capture.h"
#include "detour.h"

#if PY_VERSION_HEX < 0x030D0000

static ctm_detour the_detour; /* GIL */

/* HOOK: */
static CTM_HOT int on_new_reference(PyObject *op)
{
    ctm_event_reference(op);
    if (atomic_load_explicit(&ctm_the_capture.riding, memory_order_relaxed)) {
        return 0;
    }
    return ((int (*)(PyObject *))the_detour.original)(op);
}

bool ctm_freelist_is_alive(void)
{
    return the_detour.enabled;
}

static const char *follow(void)
{
    if (!the_detour.ready) {
        void *target = (void *)ctm_detour_guarded_call((const void *)_Py_NewReference);
        if (target == NULL) {
            return "the interpreter's hidden function was not found";
        }
        const char *failure = ctm_detour_prepare(&the_detour, target, (void *)on_new_reference,
                                                 (ctm_callers){.hold_gil = true});
        if (failure != NULL) {
            return failure;
        }
    }
    const char *failure = ctm_detour_enable(&the_detour);
    return failure != NULL ? failure : ctm_freelist_self_test();
}

void ctm_freelist_start(void)
{
    const char *failure = follow();
    if (failure != NULL) {
        ctm_detour_disable(&the_detour);
        ctm_the_capture.free_lists = (ctm_fact){false, failure};
        return;
    }
    ctm_the_capture.free_lists =
        (ctm_fact){true, "followed by leading the interpreter's own notice to us"};
}

void ctm_freelist_resume(void)
{
    /* With stdlib tracing again, for us or for the program, it is called again. */
}

void ctm_freelist_stop(void)
{
    /* The detour stays; with stdlib not tracing, nobody calls it. */
}
#endif
