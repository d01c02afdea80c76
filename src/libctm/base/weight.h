/* base/weight.h: the weight of a sampled block: how many blocks it represents.
 *
 * Model: sample points are a Poisson process over the allocated bytes, one in `interval` bytes on average. A block is
 * recorded if a point falls on it, so with probability p = 1 - exp(-size / interval), independently of all others.
 * A recorded block represents 1 / p blocks of its size. The sum of the weights is an unbiased estimate with the
 * variance of independent draws.
 *
 * interval 0: no sampling; every block is recorded and has the weight 1.
 */
#ifndef CTMI_BASE_WEIGHT_H
#define CTMI_BASE_WEIGHT_H

#include <stdint.h>

/* 1 / p, at least 1. A block of 0 bytes is never sampled; its weight is 1. */
double ctmi_weight(uint64_t size, uint64_t interval);
/* Bytes that one recorded block of `size` bytes represents, rounded, at most INT64_MAX. `size` without sampling. */
uint64_t ctmi_weighted_size(uint64_t size, uint64_t interval);

#endif
