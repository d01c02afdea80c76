/* base/helper_thread.h: starting a thread of the core's own.
 *
 * Model: such a thread has all signals blocked, so that the program's handlers run in the program's threads, and a
 * small stack. It takes no lock of a shard and never asks for Python. Whoever starts one joins it.
 */
#ifndef CTMI_BASE_HELPER_THREAD_H
#define CTMI_BASE_HELPER_THREAD_H

#include <pthread.h>

/* As pthread_create; gives its error number, 0: it runs. */
int ctmi_helper_start(pthread_t *out_thread, void *(*run)(void *), void *argument);

#endif
