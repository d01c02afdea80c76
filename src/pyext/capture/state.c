/* state.c: the process's capture and each thread's state. */
#include "capture/state.h"

#if !defined(Py_GIL_DISABLED) /* free-threaded builds: module.c refuses the import */

__thread pyctm_hook_state pyctm_hook_tls __attribute__((tls_model("initial-exec")));
pyctm_capture pyctm_the_capture;

#endif
