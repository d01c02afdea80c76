/* got_dlsym.c: what pyctm_got_dlsym, which is written for each processor, calls. */
#include "capture/patch/got.h"

__attribute__((used, visibility("hidden"))) void *(*pyctm_got_real_dlsym)(void *handle,
                                                                          const char *name);
__attribute__((used, visibility("hidden")))
const void *(*pyctm_got_ask_dlsym)(void *handle, const char *name);
