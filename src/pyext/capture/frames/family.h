/* family.h: how this interpreter's frames are read. Each family has the same six inline functions:
 *
 *   pyctm_frame_innermost(thread_state)      its innermost frame, complete or not; NULL: none
 *   pyctm_frame_is_complete(frame)           not a shim, and its function has begun
 *   pyctm_frame_code(frame)                  of a complete one: its code object, borrowed
 *   pyctm_frame_instruction(frame)           of a complete one: its instruction
 *   pyctm_frame_is_entered_from_c(frame)     C code has called it, and there is no shim frame in between
 *   pyctm_frame_sentinel_slot(frame, owner)  slot for a sentinel; NULL: none (sentinels_inline.h)
 *
 * Hooks call them. Included before Python.h.
 */
#ifndef PYCTM_CAPTURE_FRAMES_FAMILY_H
#define PYCTM_CAPTURE_FRAMES_FAMILY_H

#include "capture/frames/versions.h"

#if PYCTM_FAMILY == 311
#include "capture/frames/family_311.h"
#elif PYCTM_FAMILY == 312
#include "capture/frames/family_312.h"
#elif PYCTM_FAMILY == 313
#include "capture/frames/family_313.h"
#elif PYCTM_FAMILY == 314
#include "capture/frames/family_314.h"
#endif

#endif
