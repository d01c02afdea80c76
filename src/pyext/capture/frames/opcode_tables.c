/* opcode_tables.c: what CPython 3.12 does not export: which instruction stands behind a specialized one (family_312.h).
 */
#include "capture/frames/versions.h"

#if PYCTM_FAMILY == 312

#include "capture/frames/core_build.h"

#define NEED_OPCODE_TABLES 1
#include <Python.h>

#include "internal/pycore_opcode.h"

#endif
