/* live/helper.h: starting a thread of the core's own.
 *
 * Model: such a thread has all signals blocked, so that the program's handlers run in the program's threads, and a
 * small stack. It takes no lock of a shard and never asks for Python. Whoever starts one joins it.
 */
#ifndef CTM_LIVE_HELPER_H
#define CTM_LIVE_HELPER_H

#include <pthread.h>

/* As pthread_create; gives its error number, 0: it runs. */
int ctm_helper_start(pthread_t *out_thread, void *(*run)(void *), void *argument);

#endif
