/* resend.c: makes sure that a signal whose Python handler is ours is not lost, in this process or in a child of fork.
 *
 * Model: CPython's C handler only sets a flag, which the main thread tests between two instructions.
 * - A signal that arrives after the last test and before a system call begins to wait is not handled until that call
 *   returns, perhaps never. So a C handler of ours calls CPython's and then arms a one-shot timer that sends the same
 *   signal once more; it interrupts the wait. The Python handler calls resend_stop, which disarms the timer.
 * - A child of fork inherits the handler, and CPython clears the flag there before any Python code runs. A signal that
 *   arrives until then would be lost, while without our handler it ends the child. So the C handler, if it runs in
 *   another process, restores the signal's default action and sends the signal again.
 *
 * One signal per process, with its default action before. State is written with the GIL held while the timer is not
 * armed; the handler reads it and calls only functions that are async-signal-safe. Timers do not survive fork and exec.
 */
#include "api/module.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#if !defined(Py_GIL_DISABLED)

#define PAUSE_NS 100000000L /* long enough for the Python handler to begin in most cases */

/* The process's, because a signal handler gets no data of ours. The model above says who writes it when. */
static struct {
    struct sigaction python_action; /* CPython's; set before ours is installed */
    timer_t timer;                  /* valid while timer_exists */
    volatile sig_atomic_t timer_exists;
    volatile sig_atomic_t signal; /* the one that is sent again; 0: none */
    pid_t pid; /* of the process that set the handler; written before it is set */
} the_resend;

/* Restores the default action. The signal is blocked while the handler runs: it ends the process after that. */
static void die_by_default(int signum)
{
    const struct sigaction by_default = {.sa_handler = SIG_DFL};
    (void)sigaction(signum, &by_default, NULL);
    (void)raise(signum);
}

static void on_signal(int signum)
{
    const int saved_errno = errno;
    const struct itimerspec once = {.it_value = {.tv_nsec = PAUSE_NS}};
    if (getpid() != the_resend.pid) {
        die_by_default(signum);
        errno = saved_errno;
        return;
    }
    the_resend.python_action.sa_handler(signum);
    if (the_resend.signal == signum && the_resend.timer_exists) {
        (void)timer_settime(the_resend.timer, 0, &once, NULL);
    }
    errno = saved_errno;
}

static bool is_function(const struct sigaction *action)
{
    return !(action->sa_flags & SA_SIGINFO) && action->sa_handler != SIG_DFL &&
           action->sa_handler != SIG_IGN && action->sa_handler != on_signal;
}

static bool is_handled_by(int signum, void (*handler)(int))
{
    struct sigaction now;
    return sigaction(signum, NULL, &now) == 0 && !(now.sa_flags & SA_SIGINFO) &&
           now.sa_handler == handler;
}

/* Installs our handler in place of CPython's, which is the_resend.python_action. */
static void install_handler(int signum)
{
    struct sigaction action = the_resend.python_action;
    action.sa_handler = on_signal;
    (void)sigaction(signum, &action, NULL);
}

const char pyctm_resend_start_doc[] =
    "_resend_start($module, signum, /)\n--\n\n"
    "Send the signal again every 0.1 seconds from its next arrival on, until\n"
    "_resend_stop(); in a child of fork it has its default action at once. It must\n"
    "have a Python handler, and have been at its default before.\n\n"
    "Called again, it takes the place of CPython's C handler again, which the\n"
    "program has put back after a handler of its own.";

PyObject *pyctm_module_resend_start(PyObject *Py_UNUSED(module), PyObject *number)
{
    const long signum = PyLong_AsLong(number);
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = (int)signum};
    if (signum == -1 && PyErr_Occurred()) {
        return NULL;
    }
    if (the_resend.signal != 0 && the_resend.signal != signum) {
        PyErr_SetString(PyExc_RuntimeError, "another signal is being sent again already");
        return NULL;
    }
    if (the_resend.signal != 0 && the_resend.signal == signum) {
        if (is_handled_by((int)signum, the_resend.python_action.sa_handler)) {
            install_handler((int)signum);
        }
        Py_RETURN_NONE;
    }
    if (signum < 1 || signum > SIGRTMAX ||
        sigaction((int)signum, NULL, &the_resend.python_action) != 0 ||
        !is_function(&the_resend.python_action)) {
        PyErr_Format(PyExc_ValueError, "signal %ld has no Python handler", signum);
        return NULL;
    }
    /* Without a timer, the handler alone is sufficient in most cases. */
    the_resend.timer_exists = timer_create(CLOCK_MONOTONIC, &event, &the_resend.timer) == 0;
    the_resend.pid = getpid();
    the_resend.signal = (sig_atomic_t)signum;
    install_handler((int)signum);
    Py_RETURN_NONE;
}

const char pyctm_resend_stop_doc[] = "_resend_stop($module, /)\n--\n\n"
                                     "End what _resend_start() began. Does nothing without it.";

PyObject *pyctm_module_resend_stop(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    const int signum = the_resend.signal;
    the_resend.signal = 0;
    if (signum != 0) {
        if (the_resend.timer_exists && getpid() == the_resend.pid) {
            (void)timer_delete(the_resend.timer);
        }
        the_resend.timer_exists = 0;
        /* The program may have installed a handler of its own meanwhile. */
        if (is_handled_by(signum, on_signal)) {
            (void)sigaction(signum, &the_resend.python_action, NULL);
        }
    }
    Py_RETURN_NONE;
}
#endif
