/* ctmtool.c: other tools that put allocator hooks beside ours, for the tests.
 *
 * Model: a tool is one of a few static structs, with its functions in all three domains. Each passes calls on to what it found
 * when it was installed, but for small blocks, if it has a pool, and for every n-th call, if it is told to fail. The pool has
 * no raw blocks, which CPython frees by another allocator at times. It is an arena that is never given back; blocks are told from others by their address. How it stops is the test's choice: it puts
 * back what it found, whatever is there now, as most tools do; or it stays and passes everything on.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define TOOLS 16
#define ARENA (64u << 20)
#define STEP 16u /* a pool block's size is a multiple, kept in the STEP bytes before it */
#define CLASSES 64

typedef struct tool {
    PyMemAllocatorEx found[3]; /* by domain; what the hooks call on */
    size_t pool_bytes;         /* blocks of at most that many are the pool's; 0: no pool */
    bool refills;              /* for each of them a chunk comes from below, and goes back */
    _Atomic long every, calls; /* every n-th call fails; 0: none */
    _Atomic long seen;         /* calls that allocate, for the test */
    struct place {
        struct tool *tool;
        PyMemAllocatorDomain domain;
    } places[3]; /* the hooks' contexts */
} tool;

static tool the_tools[TOOLS];
static char *the_arena;
static size_t the_used;
static void *the_free[CLASSES];
static atomic_flag the_lock = ATOMIC_FLAG_INIT;

static size_t class_of(size_t size)
{
    return (size + STEP - 1) / STEP;
}

static void *pool_take(size_t size)
{
    const size_t class = class_of(size);
    char *block = NULL;
    while (atomic_flag_test_and_set(&the_lock)) {
    }
    if (the_free[class] != NULL) {
        block = the_free[class];
        the_free[class] = *(void **)block;
    } else if (the_used + (class + 1) * STEP <= ARENA) {
        block = the_arena + the_used + STEP;
        the_used += (class + 1) * STEP;
        *(size_t *)(block - STEP) = class;
    }
    atomic_flag_clear(&the_lock);
    return block;
}

static bool pool_has(const void *block)
{
    return the_arena != NULL && (const char *)block >= the_arena &&
           (const char *)block < the_arena + ARENA;
}

static void pool_return(char *block)
{
    const size_t class = *(size_t *)(block - STEP);
    if (class == 0) {
        return;
    }
    while (atomic_flag_test_and_set(&the_lock)) {
    }
    *(void **)block = the_free[class];
    the_free[class] = block;
    atomic_flag_clear(&the_lock);
}

static bool is_for_pool(const tool *self, PyMemAllocatorDomain domain, size_t size)
{
    return domain != PYMEM_DOMAIN_RAW && size <= self->pool_bytes && self->pool_bytes != 0;
}

static bool fails(tool *self)
{
    atomic_fetch_add(&self->seen, 1);
    const long every = atomic_load(&self->every);
    return every != 0 && atomic_fetch_add(&self->calls, 1) % every == every - 1;
}

static void *pool_malloc(tool *self, const PyMemAllocatorEx *next, size_t size)
{
    if (self->refills) {
        next->free(next->ctx, next->malloc(next->ctx, 4096));
    }
    return pool_take(size);
}

static void *tool_malloc(void *context, size_t size)
{
    tool *self = ((struct place *)context)->tool;
    const PyMemAllocatorEx *next = &self->found[((struct place *)context)->domain];
    if (fails(self)) {
        return NULL;
    }
    return is_for_pool(self, ((struct place *)context)->domain, size)
               ? pool_malloc(self, next, size)
               : next->malloc(next->ctx, size);
}

static void *tool_calloc(void *context, size_t count, size_t size)
{
    tool *self = ((struct place *)context)->tool;
    const PyMemAllocatorEx *next = &self->found[((struct place *)context)->domain];
    if (fails(self)) {
        return NULL;
    }
    if ((size != 0 && count > self->pool_bytes / size) ||
        !is_for_pool(self, ((struct place *)context)->domain, count * size)) {
        return next->calloc(next->ctx, count, size);
    }
    void *block = pool_take(count * size);
    return block != NULL ? memset(block, 0, count * size) : NULL;
}

static void tool_free(void *context, void *block)
{
    tool *self = ((struct place *)context)->tool;
    const PyMemAllocatorEx *next = &self->found[((struct place *)context)->domain];
    if (pool_has(block)) {
        pool_return(block);
    } else {
        next->free(next->ctx, block);
    }
}

static void *tool_realloc(void *context, void *block, size_t size)
{
    tool *self = ((struct place *)context)->tool;
    const PyMemAllocatorEx *next = &self->found[((struct place *)context)->domain];
    if (block == NULL) {
        return tool_malloc(context, size);
    }
    if (fails(self)) {
        return NULL;
    }
    if (!pool_has(block)) {
        return next->realloc(next->ctx, block, size);
    }
    const size_t old = *(size_t *)((char *)block - STEP) * STEP;
    void *moved = next->malloc(next->ctx, size);
    if (moved != NULL) {
        memcpy(moved, block, old < size ? old : size);
        pool_return(block);
    }
    return moved;
}

/* install(tool, pool_bytes=0, refills=False): on top of what is there, which it saves */
static PyObject *tool_install(PyObject *module, PyObject *args)
{
    int n, refills = 0;
    Py_ssize_t pool_bytes = 0;
    (void)module;
    if (!PyArg_ParseTuple(args, "i|np", &n, &pool_bytes, &refills)) {
        return NULL;
    }
    tool *self = &the_tools[n];
    if (the_arena == NULL) {
        the_arena = calloc(1, ARENA);
    }
    for (PyMemAllocatorDomain domain = PYMEM_DOMAIN_RAW; domain <= PYMEM_DOMAIN_OBJ; domain++) {
        self->places[domain] = (struct place){self, domain};
        PyMem_GetAllocator(domain, &self->found[domain]);
    }
    self->pool_bytes = (size_t)pool_bytes;
    self->refills = refills;
    for (PyMemAllocatorDomain domain = PYMEM_DOMAIN_RAW; domain <= PYMEM_DOMAIN_OBJ; domain++) {
        PyMemAllocatorEx hook = {&self->places[domain], tool_malloc, tool_calloc, tool_realloc,
                                 tool_free};
        PyMem_SetAllocator(domain, &hook);
    }
    Py_RETURN_NONE;
}

/* put_back(tool): what it found when it was installed, whatever is there now */
static PyObject *tool_put_back(PyObject *module, PyObject *args)
{
    int n;
    (void)module;
    if (!PyArg_ParseTuple(args, "i", &n)) {
        return NULL;
    }
    for (PyMemAllocatorDomain domain = PYMEM_DOMAIN_RAW; domain <= PYMEM_DOMAIN_OBJ; domain++) {
        PyMem_SetAllocator(domain, &the_tools[n].found[domain]);
    }
    Py_RETURN_NONE;
}

/* is_on_top(tool): in all three domains */
static PyObject *tool_is_on_top(PyObject *module, PyObject *args)
{
    int n;
    bool on_top = true;
    (void)module;
    if (!PyArg_ParseTuple(args, "i", &n)) {
        return NULL;
    }
    for (PyMemAllocatorDomain domain = PYMEM_DOMAIN_RAW; domain <= PYMEM_DOMAIN_OBJ; domain++) {
        PyMemAllocatorEx current;
        PyMem_GetAllocator(domain, &current);
        on_top =
            on_top && current.ctx == &the_tools[n].places[domain] && current.malloc == tool_malloc;
    }
    return PyBool_FromLong(on_top);
}

/* pool(tool, bytes): from now on; 0: none, but blocks of the pool go back to it */
static PyObject *tool_pool(PyObject *module, PyObject *args)
{
    int n;
    Py_ssize_t bytes;
    (void)module;
    if (!PyArg_ParseTuple(args, "in", &n, &bytes)) {
        return NULL;
    }
    the_tools[n].pool_bytes = (size_t)bytes;
    Py_RETURN_NONE;
}

/* fail(tool, every): every n-th call that allocates, from now on; 0: none */
static PyObject *tool_fail(PyObject *module, PyObject *args)
{
    int n;
    long every;
    (void)module;
    if (!PyArg_ParseTuple(args, "il", &n, &every)) {
        return NULL;
    }
    atomic_store(&the_tools[n].every, 0);
    atomic_store(&the_tools[n].calls, 0);
    atomic_store(&the_tools[n].every, every);
    Py_RETURN_NONE;
}

static PyObject *tool_seen(PyObject *module, PyObject *args)
{
    int n;
    (void)module;
    if (!PyArg_ParseTuple(args, "i", &n)) {
        return NULL;
    }
    return PyLong_FromLong(atomic_load(&the_tools[n].seen));
}

/* --- the reference tracer: the same tool, which passes on what it hears --- */

#if PY_VERSION_HEX >= 0x030D0000
typedef struct listener {
    PyRefTracer found;
    void *data;
} listener;

static listener the_listeners[TOOLS];

static int on_reference(PyObject *op, PyRefTracerEvent event, void *data)
{
    const listener *self = data;
    return self->found != NULL && (int)event < 2 ? self->found(op, event, self->data) : 0;
}

/* listen(tool): above who is there, whom it calls on */
static PyObject *tool_listen(PyObject *module, PyObject *args)
{
    int n;
    (void)module;
    if (!PyArg_ParseTuple(args, "i", &n)) {
        return NULL;
    }
    listener *self = &the_listeners[n];
    self->found = PyRefTracer_GetTracer(&self->data);
    return PyRefTracer_SetTracer(on_reference, self) < 0 ? NULL : Py_NewRef(Py_None);
}

/* unlisten(tool): puts back whom it found, whoever is there now */
static PyObject *tool_unlisten(PyObject *module, PyObject *args)
{
    int n;
    (void)module;
    if (!PyArg_ParseTuple(args, "i", &n)) {
        return NULL;
    }
    const listener *self = &the_listeners[n];
    return PyRefTracer_SetTracer(self->found, self->data) < 0 ? NULL : Py_NewRef(Py_None);
}
#endif

static PyMethodDef methods[] = {
#if PY_VERSION_HEX >= 0x030D0000
    {"listen", tool_listen, METH_VARARGS, "listen(tool)"},
    {"unlisten", tool_unlisten, METH_VARARGS, "unlisten(tool)"},
#endif
    {"install", tool_install, METH_VARARGS, "install(tool, pool_bytes=0, refills=False)"},
    {"put_back", tool_put_back, METH_VARARGS, "put_back(tool)"},
    {"is_on_top", tool_is_on_top, METH_VARARGS, "is_on_top(tool) -> bool"},
    {"pool", tool_pool, METH_VARARGS, "pool(tool, bytes)"},
    {"fail", tool_fail, METH_VARARGS, "fail(tool, every)"},
    {"seen", tool_seen, METH_VARARGS, "seen(tool) -> calls that allocate"},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, .m_name = "ctmtool", .m_size = -1,
                                        .m_methods = methods};

PyMODINIT_FUNC PyInit_ctmtool(void)
{
    return PyModule_Create(&definition);
}
