/* tables/published_peak.h: where a tracer stores its peak for readers: words in the file of a black box.
 *
 * Model: two words that only rise while the world is not stopped. A thread that raises the peak stores the stamp first,
 * then the bytes. If only the stamp is stored, the live bytes exceed the peak, and a reader detects that.
 */
#ifndef CTMI_TABLES_PUBLISHED_PEAK_H
#define CTMI_TABLES_PUBLISHED_PEAK_H

#include <stdatomic.h>
#include <stdint.h>

struct ctmi_published_peak {
    _Atomic uint64_t bytes;
    _Atomic uint64_t stamp; /* see store.h */
};

#endif
