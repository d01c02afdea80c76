/* hot.h: one event is one function: what it calls on the common way is inlined, what it calls seldom is kept out. */
#ifndef PYCTM_CAPTURE_HOT_H
#define PYCTM_CAPTURE_HOT_H

#define PYCTM_HOT __attribute__((flatten, hot))
#define PYCTM_RARELY __attribute__((noinline, cold))

#endif
