/* exempt.c: see exempt.h. What is taken back is taken from the limit of shard 0, in which the thread is. */
#include "capture/exempt.h"

#include "capture/frames/frames.h"

#if !defined(Py_GIL_DISABLED) /* free-threaded builds: module.c refuses the import */

bool pyctm_exempt_start(const pyctm_capture *capture)
{
    PYCTM_ASSERT_GIL();
    if (pyctm_hook_tls.is_exempt) {
        return false;
    }
    pyctm_hook_tls.exempt_bytes = 0;
    pyctm_hook_tls.exempt_round = ctm_tracer_exempt_round(capture->tracer);
    pyctm_hook_tls.is_exempt = true;
    return true;
}

void pyctm_exempt_release(const pyctm_capture *capture, int64_t bytes, uint32_t round)
{
    PYCTM_ASSERT_GIL();
    ctm_shard *shard = ctm_shard_enter(capture->tracer, 0);
    if (shard == NULL) {
        return;
    }
    if (round == ctm_tracer_exempt_round(capture->tracer)) {
        ctm_shard_exempt_release(shard, bytes);
    }
    ctm_shard_leave(shard);
}

int64_t pyctm_exempt_finish(const pyctm_capture *capture, int64_t keep, uint32_t *out_round)
{
    PYCTM_ASSERT(pyctm_hook_tls.is_exempt);
    pyctm_hook_tls.is_exempt = false;
    const int64_t bytes = pyctm_hook_tls.exempt_bytes;
    const int64_t kept = keep < bytes ? keep : bytes < 0 ? 0 : bytes;
    *out_round = pyctm_hook_tls.exempt_round;
    pyctm_exempt_release(capture, bytes - kept, *out_round);
    return kept;
}
#endif
