/* resend.c: sends a signal again until its Python handler has run.
 *
 * Model: CPython's C handler only sets a flag, which the main thread looks at between two instructions.
 * A signal that arrives after the last look and before a system call begins to wait is therefore
 * not handled until that call returns, perhaps never. So a C handler of ours calls CPython's and then
 * arms a one-shot timer that sends the same signal once more; it interrupts the wait. The Python
 * handler ends this by resend_stop.
 *
 * One signal per process. State is written with the GIL held while the timer is not armed; the handler
 * reads it and calls what is safe in a signal handler only. Timers do not survive fork and exec.
 */
#include "module.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#if !defined(Py_GIL_DISABLED)

#define PAUSE_NS 100000000L /* long enough for the Python handler to begin in most cases */

static struct sigaction the_python_action; /* CPython's; set before ours is installed */
static timer_t the_timer;                  /* good while the_signal is not 0 */
static volatile sig_atomic_t the_signal;   /* the one that is sent again; 0: none */

static void on_signal(int signum)
{
    const int saved_errno = errno;
    const struct itimerspec once = {.it_value = {.tv_nsec = PAUSE_NS}};
    the_python_action.sa_handler(signum);
    if (the_signal == signum) {
        (void)timer_settime(the_timer, 0, &once, NULL);
    }
    errno = saved_errno;
}

static bool is_function(const struct sigaction *action)
{
    return !(action->sa_flags & SA_SIGINFO) && action->sa_handler != SIG_DFL &&
           action->sa_handler != SIG_IGN && action->sa_handler != on_signal;
}

const char ctm_resend_start_doc[] =
    "_resend_start($module, signum, /)\n--\n\n"
    "Send the signal again every 0.1 seconds from its next arrival on, until\n"
    "_resend_stop(). It must have a Python handler.";

PyObject *ctm_module_resend_start(PyObject *Py_UNUSED(module), PyObject *number)
{
    const long signum = PyLong_AsLong(number);
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = (int)signum};
    if (signum == -1 && PyErr_Occurred()) {
        return NULL;
    }
    if (the_signal != 0) {
        PyErr_SetString(PyExc_RuntimeError, "a signal is being sent again already");
        return NULL;
    }
    if (signum < 1 || signum > SIGRTMAX || sigaction((int)signum, NULL, &the_python_action) != 0 ||
        !is_function(&the_python_action)) {
        PyErr_Format(PyExc_ValueError, "signal %ld has no Python handler", signum);
        return NULL;
    }
    struct sigaction action = the_python_action;
    action.sa_handler = on_signal;
    if (timer_create(CLOCK_MONOTONIC, &event, &the_timer) != 0) {
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    the_signal = (sig_atomic_t)signum;
    (void)sigaction((int)signum, &action, NULL);
    Py_RETURN_NONE;
}

const char ctm_resend_stop_doc[] = "_resend_stop($module, /)\n--\n\n"
                                   "End what _resend_start() began. Does nothing without it.";

PyObject *ctm_module_resend_stop(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    struct sigaction now;
    const int signum = the_signal;
    the_signal = 0;
    if (signum != 0) {
        (void)timer_delete(the_timer);
        /* The program may have installed a handler of its own meanwhile. */
        if (sigaction(signum, NULL, &now) == 0 && now.sa_handler == on_signal) {
            (void)sigaction(signum, &the_python_action, NULL);
        }
    }
    Py_RETURN_NONE;
}
#endif
