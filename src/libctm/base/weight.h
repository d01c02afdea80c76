/* base/weight.h: how many blocks a recorded one stands for.
 *
 * Model: with sampling, points are thrown onto the bytes that are allocated, one in `interval` bytes on
 * average and independently (a Poisson process), and a block is recorded if a point falls on it. So it is with
 * probability p = 1 - exp(-size / interval), whatever happened before, and a recorded block stands for 1 / p
 * blocks of its size: the sum of these is an unbiased estimate, its variance that of independent draws.
 *
 * interval 0: every block is recorded and stands for itself.
 */
#ifndef CTMI_BASE_WEIGHT_H
#define CTMI_BASE_WEIGHT_H

#include <stdint.h>

/* 1 / p, at least 1. (A block of no bytes is never sampled; its weight is 1.) */
double ctmi_weight(uint64_t size, uint64_t interval);
/* Bytes that one recorded block of `size` bytes stands for, rounded; `size` itself if exact. At most INT64_MAX. */
uint64_t ctmi_weighted_size(uint64_t size, uint64_t interval);

#endif
