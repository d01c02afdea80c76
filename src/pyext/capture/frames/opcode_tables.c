/* opcode_tables.c: a table that CPython 3.12 does not export: the base instruction of each specialized one
 * (family_312.h).
 */
#include "capture/frames/versions.h"

#if PYCTM_FAMILY == 312

#include "capture/frames/core_build.h"

#define NEED_OPCODE_TABLES 1
#include <Python.h>

#include "internal/pycore_opcode.h"

#endif
