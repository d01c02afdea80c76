/* query/rounding.h: estimates of a sample as whole numbers.
 *
 * Model: in a sample, the numbers of a site are estimates with a fraction, and its sums have none. Rounding each to the nearest
 * would be a bias: 3000 sites of 1.6 blocks would be 6000. So an estimate is rounded up or down by what the site is about, as
 * often up as its fraction says. The line of the most recent frame counts as it is, because the fractions of the multiples of
 * the golden ratio are spread evenly, also those of every second or tenth line; what else tells sites apart shifts them all.
 * Ids and labels do not count: a site has the same numbers in each snapshot that has it, so one that has not changed is the
 * same in the next snapshot, in a recording, in a merged snapshot, and in all views, and what is live is no more than was
 * allocated.
 */
#ifndef CTMI_QUERY_ROUNDING_H
#define CTMI_QUERY_ROUNDING_H

#include "snapshot/snapshot.h"

/* What is added to an estimate of this site before its fraction is cut off: from 0 to under 1. */
double ctmi_site_rounding(const ctm_snapshot *snapshot, const ctm_site *site);

static inline uint64_t ctmi_rounded(double estimate, double rounding)
{
    return estimate < 9.2e18 ? (uint64_t)(estimate + rounding) : INT64_MAX;
}

#endif
