/* core_build.h: declares the file as part of CPython, which its internal headers require. Included before Python.h. */
#ifndef PYCTM_CAPTURE_FRAMES_CORE_BUILD_H
#define PYCTM_CAPTURE_FRAMES_CORE_BUILD_H

#if defined(Py_PYTHON_H) && !defined(Py_BUILD_CORE)
#error "a file that reads CPython's structs includes its header for that before all others"
#endif
#ifndef Py_BUILD_CORE
#define Py_BUILD_CORE 1
#endif

#endif
