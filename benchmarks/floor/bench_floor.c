/* bench_floor.c: allocator hooks that only call the original allocator: the least that any tracer costs. */
#include <Python.h>

static PyMemAllocatorEx the_originals[3];

#define DOMAIN_HOOKS(name, domain)                                                    \
    static void *name##_malloc(void *ctx, size_t size)                                \
    {                                                                                 \
        (void)ctx;                                                                    \
        return the_originals[domain].malloc(the_originals[domain].ctx, size);         \
    }                                                                                 \
    static void *name##_calloc(void *ctx, size_t count, size_t size)                  \
    {                                                                                 \
        (void)ctx;                                                                    \
        return the_originals[domain].calloc(the_originals[domain].ctx, count, size);  \
    }                                                                                 \
    static void *name##_realloc(void *ctx, void *block, size_t size)                  \
    {                                                                                 \
        (void)ctx;                                                                    \
        return the_originals[domain].realloc(the_originals[domain].ctx, block, size); \
    }                                                                                 \
    static void name##_free(void *ctx, void *block)                                   \
    {                                                                                 \
        (void)ctx;                                                                    \
        the_originals[domain].free(the_originals[domain].ctx, block);                 \
    }
DOMAIN_HOOKS(raw, PYMEM_DOMAIN_RAW)
DOMAIN_HOOKS(mem, PYMEM_DOMAIN_MEM)
DOMAIN_HOOKS(obj, PYMEM_DOMAIN_OBJ)

static PyObject *install(PyObject *self, PyObject *unused)
{
    (void)self;
    (void)unused;
    PyMemAllocatorEx hooks[3] = {
        [PYMEM_DOMAIN_RAW] = {NULL, raw_malloc, raw_calloc, raw_realloc, raw_free},
        [PYMEM_DOMAIN_MEM] = {NULL, mem_malloc, mem_calloc, mem_realloc, mem_free},
        [PYMEM_DOMAIN_OBJ] = {NULL, obj_malloc, obj_calloc, obj_realloc, obj_free},
    };
    for (PyMemAllocatorDomain domain = PYMEM_DOMAIN_RAW; domain <= PYMEM_DOMAIN_OBJ; domain++) {
        PyMem_GetAllocator(domain, &the_originals[domain]);
        PyMem_SetAllocator(domain, &hooks[domain]);
    }
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"install", install, METH_NOARGS, "Put the hooks in place, for the rest of the process."},
    {NULL, NULL, 0, NULL},
};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, .m_name = "bench_floor", .m_size = -1,
                                    .m_methods = methods};

PyMODINIT_FUNC PyInit_bench_floor(void)
{
    return PyModule_Create(&module);
}
