/* base/helper_thread.h: starts a thread of the library's own.
 *
 * Model: a helper thread has a small stack, and all signals blocked, so the program's signal handlers run in the
 * program's threads. It takes no shard's lock and never calls Python. The module that starts one joins it.
 */
#ifndef CTMI_BASE_HELPER_THREAD_H
#define CTMI_BASE_HELPER_THREAD_H

#include <pthread.h>

/* As pthread_create: 0, or an error number. */
int ctmi_helper_start(pthread_t *out_thread, void *(*run)(void *), void *argument);

#endif
