/* base/status.c: the text of each status; see ctm/status.h. */
#include "ctm/status.h"

const char *ctm_status_text(ctm_status status)
{
    switch (status) {
    case CTM_OK: return "success";
    case CTM_ERR_NOMEM: return "out of memory";
    case CTM_ERR_INVALID: return "invalid argument";
    case CTM_ERR_LIMIT: return "a table is full";
    case CTM_ERR_IO: return "input/output error";
    case CTM_ERR_FORMAT: return "not a valid snapshot file";
    case CTM_ERR_NOT_TRACING: return "the tracer is stopped";
    case CTM_ERR_NOT_FOUND: return "not found, or not known";
    }
    return "unknown status";
}
