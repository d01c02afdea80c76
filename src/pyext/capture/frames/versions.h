/* versions.h: the one list of differences between versions of CPython.
 *
 * Model: each macro is a property of the interpreter this build is for, 1 or 0, under the version that changed it. The
 * rest of the extension tests the property. Only this file and this directory test the version itself;
 * tools/check_layers.py checks that.
 *
 * Does not need Python.h, because some files must define Py_BUILD_CORE before they include it.
 */
#ifndef PYCTM_CAPTURE_FRAMES_VERSIONS_H
#define PYCTM_CAPTURE_FRAMES_VERSIONS_H

#include <patchlevel.h>
#include <pyconfig.h>

#if PY_VERSION_HEX < 0x030B0000 || PY_VERSION_HEX >= 0x03100000
#error "ctracemalloc knows CPython 3.11 to 3.15"
#endif

/* The version that this build is for: major << 8 | minor. */
#define PYCTM_BUILT_FOR (PY_VERSION_HEX >> 16)

/* Which family_3xx.h reads the frames; 0: none, free-threaded builds are refused at import. */
#if defined(Py_GIL_DISABLED)
#define PYCTM_FAMILY 0
#elif PY_VERSION_HEX >= 0x030E0000
#define PYCTM_FAMILY 314
#elif PY_VERSION_HEX >= 0x030D0000
#define PYCTM_FAMILY 313
#elif PY_VERSION_HEX >= 0x030C0000
#define PYCTM_FAMILY 312
#else
#define PYCTM_FAMILY 311
#endif

/* --- 3.12 --- */

/* A watcher is called when a code object dies (PyCode_AddWatcher). */
#define PYCTM_HAS_CODE_WATCHERS (PY_VERSION_HEX >= 0x030C0000)
/* Each thread stores its own current thread state, and an interpreter may have a GIL of its own. */
#define PYCTM_HAS_OWN_GILS (PY_VERSION_HEX >= 0x030C0000)
/* Weak references may be stored before the object. */
#define PYCTM_HAS_MANAGED_WEAKREFS (PY_VERSION_HEX >= 0x030C0000)
/* Python.h has the names Py_T_OBJECT_EX and so on; structmember.h the older ones. */
#define PYCTM_HAS_MEMBER_NAMES (PY_VERSION_HEX >= 0x030C0000)
/* The settings of stdlib's tracemalloc are part of _PyRuntime. */
#define PYCTM_STDLIB_IS_IN_RUNTIME (PY_VERSION_HEX >= 0x030C0000)
/* A raised exception is always an instance. */
#define PYCTM_RAISES_INSTANCES (PY_VERSION_HEX >= 0x030C0000)
/* _posixsubprocess.fork_exec takes its arguments as an array, not as a tuple. */
#define PYCTM_FORK_EXEC_IS_FAST (PY_VERSION_HEX >= 0x030C0000)
/* _tracemalloc can be imported by one interpreter only: 3.12 alone. */
#define PYCTM_STDLIB_IS_IMPORTED_ONCE (PY_VERSION_HEX >= 0x030C0000 && PY_VERSION_HEX < 0x030D0000)

/* --- 3.13 --- */

/* A public reference tracer is called for each new reference; before 3.13 only stdlib's tracemalloc is, while it traces. */
#define PYCTM_HAS_REF_TRACER (PY_VERSION_HEX >= 0x030D0000)
/* PyTraceMalloc_Track tests again, with the GIL held, whether stdlib traces. */
#define PYCTM_TRACK_ASKS_AGAIN (PY_VERSION_HEX >= 0x030D0000)
/* The AttributeError of a slot that is not set names the module too. */
#define PYCTM_NAMES_MODULES (PY_VERSION_HEX >= 0x030D0000)
/* Py_IsFinalizing is public. */
#define PYCTM_HAS_IS_FINALIZING (PY_VERSION_HEX >= 0x030D0000)
/* _PyRuntime.debug_offsets contains the offsets of structs' fields. */
#define PYCTM_HAS_DEBUG_OFFSETS (PY_VERSION_HEX >= 0x030D0000)

/* --- 3.14 --- */

/* "too many values to unpack" includes the number of values. */
#define PYCTM_TELLS_UNPACK_SIZE (PY_VERSION_HEX >= 0x030E0000)

/* --- 3.15 --- */

/* A reference tracer is called when another one replaces it. */
#define PYCTM_TELLS_OF_REMOVAL (PY_VERSION_HEX >= 0x030F0000)
/* There are instructions CALL_EX_PY and CALL_EX_NON_PY_GENERAL. */
#define PYCTM_HAS_CALL_EX (PY_VERSION_HEX >= 0x030F0000)

#endif
