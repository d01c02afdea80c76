/* tracer/peak.h: the peak of the bytes.
 *
 * Model: a shard whose bytes exceed its limit calls ctmi_peak_reached; peak.c says how limits and peak belong together.
 * The peak, its stamp and the lock of the limits are fields of the tracer (tracer.h).
 *
 * Bytes are *exempt* if they are no part of the peak: what a tool allocates to show the program's memory (shard.h). The rows
 * of the sites have what was live at the moment of the peak, so those of the tool are there, too, if it was at work then.
 */
#ifndef CTMI_TRACER_PEAK_H
#define CTMI_TRACER_PEAK_H

#include "tables/published_peak.h"
#include "tracer/shard.h"

/* Called inside the shard when its bytes exceed its limit. */
CTMI_RARE void ctmi_peak_reached(struct ctm_shard *shard);
/* Sets the peak to `peak` bytes, with a new stamp. The world is stopped. */
void ctmi_peak_set(struct ctm_tracer *tracer, uint64_t peak);
/* `bytes` more are exempt, or fewer if it is negative. The caller is inside the shard. */
void ctmi_peak_exempt(struct ctm_shard *shard, int64_t bytes);
/* From now on nothing is exempt. The world is stopped. */
void ctmi_peak_exempt_none(struct ctm_tracer *tracer);
/* From now on the peak is stored at `published` too; NULL: at no other location. The world is stopped. */
void ctmi_peak_publish_at(struct ctm_tracer *tracer, struct ctmi_published_peak *published);

#endif
