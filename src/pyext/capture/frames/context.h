/* context.h: the value of one context variable, read in a hook.
 *
 * Model: PyContextVar_Get may raise (a comparison of two variables checks the recursion limit), so hooks read the thread's context
 * themselves. A context has a hash array mapped trie, whose nodes never change; the thread's own context holds them.
 */
#ifndef PYCTM_CAPTURE_FRAMES_CONTEXT_H
#define PYCTM_CAPTURE_FRAMES_CONTEXT_H

#include <Python.h>
#include <stdint.h>

/* A variable, and how this interpreter stores it. Written once with the GIL held, before hooks read it. */
typedef struct pyctm_context_variable {
    PyObject *variable;         /* owned, for ever */
    uint32_t hash;              /* as the trie has it */
    PyTypeObject *bitmap_nodes; /* borrowed: static types of the interpreter */
    PyTypeObject *array_nodes;
    size_t
        vars_offset; /* in a context: a pointer to what it has, another one after each change of any variable */
} pyctm_context_variable;

/* Makes a variable of this name and tries out that it can be read. -1 with an exception; RuntimeError: contexts are laid out in
 * another way. GIL; not in a hook. */
int pyctm_context_variable_init(pyctm_context_variable *variable, const char *name);
/* HOOK: The variable's value in the present context of this thread, borrowed; NULL: none. The thread's own state; the GIL need not
 * be held. */
PyObject *pyctm_context_value(const pyctm_context_variable *variable,
                              const PyThreadState *thread_state);

#endif
