/* base/helper_thread.c: see base/helper_thread.h. */
#include "base/helper_thread.h"

#include <errno.h>
#include <signal.h>

#define STACK_SIZE (256u << 10)

int ctmi_helper_start(pthread_t *out_thread, void *(*run)(void *), void *argument)
{
    sigset_t all, before;
    pthread_attr_t attributes;
    sigfillset(&all);
    int error = pthread_attr_init(&attributes);
    if (error != 0) {
        return error;
    }
    pthread_attr_setstacksize(&attributes, STACK_SIZE);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    error = pthread_create(out_thread, &attributes, run, argument);
    if (error ==
        EINVAL) { /* the stack is too small for the thread-local storage of the loaded libraries */
        error = pthread_create(out_thread, NULL, run, argument);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return error;
}
