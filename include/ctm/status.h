/* ctm/status.h: the status that libctm functions return.
 *
 * Model: a function that can fail returns a `ctm_status` and writes its outputs only on CTM_OK. No function
 * prints, aborts or sets errno on purpose. The values never change, so they may be stored.
 */
#ifndef CTM_STATUS_H
#define CTM_STATUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* CTM_EMBEDDED: the library is compiled into a larger one, which exports none of its symbols. */
#if defined(__GNUC__) && !defined(CTM_EMBEDDED)
#define CTM_API __attribute__((visibility("default")))
#else
#define CTM_API
#endif
#if defined(__GNUC__)
#define CTM_NODISCARD __attribute__((warn_unused_result))
#else
#define CTM_NODISCARD
#endif

typedef enum ctm_status {
    CTM_OK = 0,
    CTM_ERR_NOMEM = 1,   /* out of memory; nothing was changed or lost */
    CTM_ERR_INVALID = 2, /* an argument is outside its documented range */
    CTM_ERR_LIMIT = 3,   /* a table has its 2^28 (sites) or 2^32 rows, or a number is too large */
    CTM_ERR_IO = 4,      /* reading or writing failed: see errno */
    CTM_ERR_FORMAT = 5,  /* the file is not a valid snapshot file */
    CTM_ERR_NOT_TRACING = 6, /* the tracer is stopped */
    CTM_ERR_NOT_FOUND = 7,   /* no such block, or a snapshot does not know what was asked for */
} ctm_status;

/* A short English text for `status`, never NULL. Static storage; any thread. */
CTM_API const char *ctm_status_text(ctm_status status);

#ifdef __cplusplus
}
#endif
#endif
