/* hot.h: attributes that make one event one function: common calls are inlined, rare ones are kept out of line. */
#ifndef PYCTM_CAPTURE_HOT_H
#define PYCTM_CAPTURE_HOT_H

#define PYCTM_HOT __attribute__((flatten, hot))
#define PYCTM_RARELY __attribute__((noinline, cold))

#endif
