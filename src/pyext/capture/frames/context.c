/* context.c: see context.h. All versions have the same nodes; their structs are in no header, so they are repeated here, and tried
 * out with contexts of few and of many variables.
 */
#include "capture/frames/core_build.h"
#include "capture/frames/versions.h"

#include "capture/frames/assert.h"
#include "capture/frames/context.h"

#if PYCTM_FAMILY != 0

#include <stddef.h>

#include "internal/pycore_context.h"
#include "internal/pycore_hamt.h"

#define BITS 5u /* of the hash for each level */
#define CHILDREN (1u << BITS)
#define MOST_VARIABLES 400

/* Pairs of a key and a value, or of NULL and a node; one for each bit that is set. */
typedef struct bitmap_node {
    PyObject_VAR_HEAD uint32_t bitmap;
    PyObject *pairs[];
} bitmap_node;

typedef struct array_node {
    PyObject_HEAD
    PyObject *children[CHILDREN];
} array_node;

/* Pairs of keys with one hash, and values. */
typedef struct collision_node {
    PyObject_VAR_HEAD int32_t hash;
    PyObject *pairs[];
} collision_node;

/* HOOK: Without the processor's instruction for it, a compiler calls a function. */
static inline uint32_t count_bits(uint32_t bits)
{
    bits -= bits >> 1 & 0x55555555u;
    bits = (bits & 0x33333333u) + (bits >> 2 & 0x33333333u);
    return ((bits + (bits >> 4)) & 0x0f0f0f0fu) * 0x01010101u >> 24;
}

/* HOOK: */
static PyObject *value_in_collision(const collision_node *node, const PyObject *key)
{
    const Py_ssize_t n = ((const PyVarObject *)node)->ob_size;
    for (Py_ssize_t i = 0; i + 1 < n; i += 2) {
        if (node->pairs[i] == key) {
            return node->pairs[i + 1];
        }
    }
    return NULL;
}

/* HOOK: */
PyObject *pyctm_context_value(const pyctm_context_variable *variable,
                              const PyThreadState *thread_state)
{
    const PyContext *context = (const PyContext *)thread_state->context;
    const void *node = context != NULL ? context->ctx_vars->h_root : NULL;
    for (uint32_t hash = variable->hash; node != NULL; hash >>= BITS) {
        const PyTypeObject *type = Py_TYPE((PyObject *)(uintptr_t)node);
        const uint32_t child = hash & (CHILDREN - 1);
        if (type == variable->array_nodes) {
            node = ((const array_node *)node)->children[child];
        } else if (type == variable->bitmap_nodes) {
            const bitmap_node *bitmap = node;
            if ((bitmap->bitmap >> child & 1) == 0) {
                return NULL;
            }
            PyObject *const *pair =
                &bitmap->pairs[2 * (size_t)count_bits(bitmap->bitmap & ((1u << child) - 1))];
            if (pair[0] != NULL) {
                return pair[0] == variable->variable ? pair[1] : NULL;
            }
            node = pair[1];
        } else {
            return value_in_collision(node, variable->variable);
        }
    }
    return NULL;
}

static uint32_t trie_hash(Py_hash_t hash)
{
    const uint32_t folded =
        (uint32_t)((uint64_t)hash & UINT32_MAX) ^ (uint32_t)((uint64_t)hash >> 32);
    return folded == UINT32_MAX ? UINT32_MAX - 1 : folded;
}

static PyTypeObject *root_type(void)
{
    const PyContext *context = (const PyContext *)PyThreadState_Get()->context;
    return Py_TYPE((PyObject *)context->ctx_vars->h_root);
}

/* Sets a variable and reads it again. */
static int try_variable(pyctm_context_variable *variable)
{
    PyObject *value = PyLong_FromLong(1), *token = NULL, *usual = NULL;
    const Py_hash_t hash = PyObject_Hash(variable->variable);
    int result = -1;
    if (value != NULL && hash != -1) {
        variable->hash = trie_hash(hash);
        token = PyContextVar_Set(variable->variable, value);
    }
    if (token != NULL && PyContextVar_Get(variable->variable, NULL, &usual) == 0) {
        if (variable->bitmap_nodes == NULL) {
            variable->bitmap_nodes = root_type();
        } else if (variable->array_nodes == NULL && root_type() != variable->bitmap_nodes) {
            variable->array_nodes = root_type();
        }
        result = pyctm_context_value(variable, PyThreadState_Get()) == usual ? 0 : -1;
        if (result < 0) {
            PyErr_SetString(PyExc_RuntimeError, "contexts are laid out differently");
        }
    }
    Py_XDECREF(usual);
    Py_XDECREF(token);
    Py_XDECREF(value);
    return result;
}

/* In a new context, the present one: one variable, and so many more that the root becomes another kind of node. */
static int try_all(pyctm_context_variable *variable, PyObject *list)
{
    int result = try_variable(variable);
    pyctm_context_variable other = *variable;
    for (int i = 0; i < MOST_VARIABLES && result == 0 && other.array_nodes == NULL; i++) {
        other.variable = PyContextVar_New("ctracemalloc.trial", NULL);
        result = other.variable == NULL ? -1 : PyList_Append(list, other.variable);
        Py_XDECREF(other.variable);
        if (result == 0) {
            result = try_variable(&other);
        }
    }
    variable->array_nodes = other.array_nodes;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list) && result == 0; i++) {
        other.variable = PyList_GET_ITEM(list, i);
        result = try_variable(&other);
    }
    if (result == 0 && (variable->array_nodes == NULL ||
                        pyctm_context_value(variable, PyThreadState_Get()) == NULL)) {
        PyErr_SetString(PyExc_RuntimeError, "contexts are laid out differently");
        result = -1;
    }
    return result;
}

int pyctm_context_variable_init(pyctm_context_variable *variable, const char *name)
{
    PYCTM_ASSERT_GIL();
    *variable = (pyctm_context_variable){.variable = PyContextVar_New(name, NULL),
                                         .vars_offset = offsetof(PyContext, ctx_vars)};
    PyObject *context = PyContext_New(), *list = PyList_New(0);
    int result = -1;
    if (variable->variable != NULL && context != NULL && list != NULL &&
        PyContext_Enter(context) == 0) {
        result = try_all(variable, list);
        PyObject *type, *value, *traceback;
        PyErr_Fetch(&type, &value, &traceback);
        if (PyContext_Exit(context) < 0) {
            result = -1;
        }
        if (type != NULL) {
            PyErr_Restore(type, value, traceback);
        }
    }
    Py_XDECREF(list);
    Py_XDECREF(context);
    if (result < 0) {
        Py_CLEAR(variable->variable);
    }
    return result;
}
#endif
