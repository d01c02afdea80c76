/* got_dlsym.c: the functions that pyctm_got_dlsym calls, which has one implementation for each processor. */
#include "capture/patch/got.h"

__attribute__((used, visibility("hidden"))) void *(*pyctm_got_real_dlsym)(void *handle,
                                                                          const char *name);
__attribute__((used, visibility("hidden")))
const void *(*pyctm_got_ask_dlsym)(void *handle, const char *name);
