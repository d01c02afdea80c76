/* ctmfixture.c: what a C extension can do to a tracer, for the tests.
 *
 * Model: addresses cross to Python as plain numbers, so that a test can free, resize or track the same block
 * from anywhere. Blocks that a test keeps are in arrays of libc memory, which no tracer sees: what the
 * tracer reports is exactly what was asked of CPython's allocators here. Nothing is checked; tests may misuse it.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { RAW = 0, MEM = 1, OBJ = 2 };

static void *call_malloc(int which, size_t size)
{
    return which == RAW   ? PyMem_RawMalloc(size)
           : which == MEM ? PyMem_Malloc(size)
                          : PyObject_Malloc(size);
}

static void *call_calloc(int which, size_t count, size_t size)
{
    return which == RAW   ? PyMem_RawCalloc(count, size)
           : which == MEM ? PyMem_Calloc(count, size)
                          : PyObject_Calloc(count, size);
}

static void *call_realloc(int which, void *block, size_t size)
{
    return which == RAW   ? PyMem_RawRealloc(block, size)
           : which == MEM ? PyMem_Realloc(block, size)
                          : PyObject_Realloc(block, size);
}

static void call_free(int which, void *block)
{
    if (which == RAW) {
        PyMem_RawFree(block);
    } else if (which == MEM) {
        PyMem_Free(block);
    } else {
        PyObject_Free(block);
    }
}

static PyObject *address_of(void *block)
{
    return PyLong_FromVoidPtr(block);
}

/* --- single calls: which is 0 raw, 1 mem, 2 obj --- */

static PyObject *fixture_malloc(PyObject *module, PyObject *args)
{
    int which;
    Py_ssize_t size;
    (void)module;
    if (!PyArg_ParseTuple(args, "in", &which, &size)) {
        return NULL;
    }
    return address_of(call_malloc(which, (size_t)size));
}

static PyObject *fixture_calloc(PyObject *module, PyObject *args)
{
    int which;
    Py_ssize_t count, size;
    (void)module;
    if (!PyArg_ParseTuple(args, "inn", &which, &count, &size)) {
        return NULL;
    }
    return address_of(call_calloc(which, (size_t)count, (size_t)size));
}

static PyObject *fixture_realloc(PyObject *module, PyObject *args)
{
    int which;
    unsigned long long address;
    Py_ssize_t size;
    (void)module;
    if (!PyArg_ParseTuple(args, "iKn", &which, &address, &size)) {
        return NULL;
    }
    return address_of(call_realloc(which, (void *)(uintptr_t)address, (size_t)size));
}

static PyObject *fixture_free(PyObject *module, PyObject *args)
{
    int which;
    unsigned long long address;
    (void)module;
    if (!PyArg_ParseTuple(args, "iK", &which, &address)) {
        return NULL;
    }
    call_free(which, (void *)(uintptr_t)address);
    Py_RETURN_NONE;
}

/* raw malloc by a thread that has let go of the GIL */
static PyObject *fixture_malloc_nogil(PyObject *module, PyObject *args)
{
    Py_ssize_t size;
    void *block;
    (void)module;
    if (!PyArg_ParseTuple(args, "n", &size)) {
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS
        block = PyMem_RawMalloc((size_t)size);
    Py_END_ALLOW_THREADS
    return address_of(block);
}

/* --- blocks kept in an array, by one call --- */

typedef struct {
    int which;
    size_t count;
    void **blocks; /* owned, libc memory */
} held_blocks;

static void held_free(PyObject *capsule)
{
    held_blocks *held = PyCapsule_GetPointer(capsule, "held");
    for (size_t i = 0; i < held->count; i++) {
        call_free(held->which, held->blocks[i]);
    }
    free(held->blocks);
    free(held);
}

/* hold(which, count, size): count blocks, freed when the result dies */
static PyObject *fixture_hold(PyObject *module, PyObject *args)
{
    int which;
    Py_ssize_t count, size;
    (void)module;
    if (!PyArg_ParseTuple(args, "inn", &which, &count, &size)) {
        return NULL;
    }
    held_blocks *held = malloc(sizeof *held);
    held->which = which;
    held->count = (size_t)count;
    held->blocks = calloc((size_t)count + 1, sizeof(void *));
    for (Py_ssize_t i = 0; i < count; i++) {
        held->blocks[i] = call_malloc(which, (size_t)size);
    }
    return PyCapsule_New(held, "held", held_free);
}

/* --- the same work on many threads --- */

typedef struct {
    unsigned seed;
    int iterations;
    int keep; /* blocks left alive per thread */
    size_t keep_size;
    int track;        /* also PyTraceMalloc_Track and Untrack */
    atomic_int *stop; /* NULL, or: go on until it is set */
    void **kept;      /* owned by the caller */
} storm;

#define STORM_SLOTS 64

static void storm_step(storm *work, void **slots)
{
    unsigned slot = (unsigned)rand_r(&work->seed) % STORM_SLOTS;
    size_t size = (size_t)rand_r(&work->seed) % 3000;
    switch (rand_r(&work->seed) % 4) {
    case 0:
        PyMem_RawFree(slots[slot]);
        slots[slot] = PyMem_RawMalloc(size);
        break;
    case 1:
        PyMem_RawFree(slots[slot]);
        slots[slot] = PyMem_RawCalloc(size / 8 + 1, 8);
        break;
    case 2: {
        void *moved = PyMem_RawRealloc(slots[slot], size);
        slots[slot] = moved != NULL ? moved : slots[slot];
        break;
    }
    default:
        PyMem_RawFree(slots[slot]);
        slots[slot] = NULL;
        break;
    }
    if (work->track) {
        uintptr_t address = 0x10000u + (uintptr_t)slot * 64 + ((uintptr_t)work->seed << 20);
        PyTraceMalloc_Track(77, address, size);
        PyTraceMalloc_Untrack(77, address);
    }
}

static void *storm_run(void *argument)
{
    storm *work = argument;
    void *slots[STORM_SLOTS] = {NULL};
    for (int i = 0; work->stop != NULL ? !atomic_load(work->stop) : i < work->iterations; i++) {
        storm_step(work, slots);
    }
    for (int i = 0; i < STORM_SLOTS; i++) {
        PyMem_RawFree(slots[i]);
    }
    for (int i = 0; i < work->keep; i++) {
        work->kept[i] = PyMem_RawMalloc(work->keep_size);
    }
    return NULL;
}

static void free_all(void **kept, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        PyMem_RawFree(kept[i]);
    }
    free(kept);
}

/* storm(threads, iterations, keep, keep_size, track, callback): foreign threads without a thread state work with
 * the GIL released; while the kept blocks live, callback() is called. With threads 0 the calling
 * thread does the work itself. */
static PyObject *fixture_storm(PyObject *module, PyObject *args)
{
    int threads, iterations, keep, track;
    Py_ssize_t keep_size;
    PyObject *callback;
    (void)module;
    if (!PyArg_ParseTuple(args, "iiinpO", &threads, &iterations, &keep, &keep_size, &track,
                          &callback)) {
        return NULL;
    }
    int workers = threads > 0 ? threads : 1;
    storm *works = calloc((size_t)workers, sizeof *works);
    pthread_t *ids = calloc((size_t)workers, sizeof *ids);
    void **kept = calloc((size_t)workers * (size_t)keep + 1, sizeof *kept);
    for (int i = 0; i < workers; i++) {
        works[i] = (storm){.seed = (unsigned)i + 1,
                           .iterations = iterations,
                           .keep = keep,
                           .keep_size = (size_t)keep_size,
                           .track = track,
                           .kept = kept + (size_t)i * (size_t)keep};
    }
    Py_BEGIN_ALLOW_THREADS
        if (threads == 0) {
            storm_run(&works[0]);
        }
        for (int i = 0; i < threads; i++) {
            pthread_create(&ids[i], NULL, storm_run, &works[i]);
        }
        for (int i = 0; i < threads; i++) {
            pthread_join(ids[i], NULL);
        }
    Py_END_ALLOW_THREADS
    PyObject *result = callback == Py_None ? Py_NewRef(Py_None) : PyObject_CallNoArgs(callback);
    free_all(kept, (size_t)workers * (size_t)keep);
    free(works);
    free(ids);
    return result;
}

/* background(threads, track): threads that allocate until quiet() or the end of the process, which they outlast */
#define BACKGROUND_MAX 16
static atomic_int background_stop;
static pthread_t background_ids[BACKGROUND_MAX];
static storm background_works[BACKGROUND_MAX];
static int background_count;

static PyObject *fixture_background(PyObject *module, PyObject *args)
{
    int threads, track;
    (void)module;
    if (!PyArg_ParseTuple(args, "ip", &threads, &track)) {
        return NULL;
    }
    atomic_store(&background_stop, 0);
    background_count = threads < BACKGROUND_MAX ? threads : BACKGROUND_MAX;
    for (int i = 0; i < background_count; i++) {
        background_works[i] =
            (storm){.seed = (unsigned)i + 100, .track = track, .stop = &background_stop};
        pthread_create(&background_ids[i], NULL, storm_run, &background_works[i]);
    }
    Py_RETURN_NONE;
}

static PyObject *fixture_quiet(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    atomic_store(&background_stop, 1);
    Py_BEGIN_ALLOW_THREADS
        for (int i = 0; i < background_count; i++) {
            pthread_join(background_ids[i], NULL);
        }
    Py_END_ALLOW_THREADS
    background_count = 0;
    Py_RETURN_NONE;
}

/* foreign_call(callable): called from a thread that Python does not know, through PyGILState_Ensure */
static void *foreign_run(void *argument)
{
    PyGILState_STATE state = PyGILState_Ensure();
    PyObject *result = PyObject_CallNoArgs(argument);
    if (result == NULL) {
        PyErr_WriteUnraisable(argument);
    }
    Py_XDECREF(result);
    PyGILState_Release(state);
    void *block = PyMem_RawMalloc(100);
    PyMem_RawFree(block);
    return NULL;
}

/* A block allocated while another thread state of this interpreter is attached to this thread, which runs nothing. */
static PyObject *fixture_in_other_state(PyObject *self, PyObject *args)
{
    Py_ssize_t size;
    (void)self;
    if (!PyArg_ParseTuple(args, "n", &size)) {
        return NULL;
    }
    PyThreadState *own = PyThreadState_Get();
    PyThreadState *other = PyThreadState_New(PyThreadState_GetInterpreter(own));
    PyThreadState_Swap(other);
    void *block = PyObject_Malloc((size_t)size);
    PyThreadState_Clear(other);
    PyThreadState_Swap(own);
    PyThreadState_Delete(other);
    return PyLong_FromVoidPtr(block);
}

static PyObject *fixture_foreign_call(PyObject *module, PyObject *callable)
{
    pthread_t id;
    (void)module;
    Py_BEGIN_ALLOW_THREADS
        pthread_create(&id, NULL, foreign_run, callable);
        pthread_join(id, NULL);
    Py_END_ALLOW_THREADS
    Py_RETURN_NONE;
}

/* --- PyTraceMalloc_Track and Untrack --- */

static PyObject *fixture_track(PyObject *module, PyObject *args)
{
    unsigned domain;
    unsigned long long address, size;
    int nogil = 0, status;
    (void)module;
    if (!PyArg_ParseTuple(args, "IKK|p", &domain, &address, &size, &nogil)) {
        return NULL;
    }
    if (nogil) {
        Py_BEGIN_ALLOW_THREADS
            status = PyTraceMalloc_Track(domain, (uintptr_t)address, (size_t)size);
        Py_END_ALLOW_THREADS
    } else {
        status = PyTraceMalloc_Track(domain, (uintptr_t)address, (size_t)size);
    }
    return PyLong_FromLong(status);
}

static PyObject *fixture_untrack(PyObject *module, PyObject *args)
{
    unsigned domain;
    unsigned long long address;
    int nogil = 0, status;
    (void)module;
    if (!PyArg_ParseTuple(args, "IK|p", &domain, &address, &nogil)) {
        return NULL;
    }
    if (nogil) {
        Py_BEGIN_ALLOW_THREADS
            status = PyTraceMalloc_Untrack(domain, (uintptr_t)address);
        Py_END_ALLOW_THREADS
    } else {
        status = PyTraceMalloc_Untrack(domain, (uintptr_t)address);
    }
    return PyLong_FromLong(status);
}

/* exit_at_end(status): a raw allocation after Py_Finalize, from an atexit handler of the C library */
static void late_handler(void)
{
    void *block = PyMem_RawMalloc(1000);
    block = PyMem_RawRealloc(block, 2000);
    PyMem_RawFree(block);
    ssize_t written = write(1, "late\n", 5);
    (void)written;
}

static PyObject *fixture_allocate_after_exit(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    atexit(late_handler);
    Py_RETURN_NONE;
}

/* --- somebody else's hooks, which only call on --- */

static PyMemAllocatorEx the_wrapped[3]; /* by domain; the hooks' contexts point at them */

static void *wrapper_malloc(void *context, size_t size)
{
    const PyMemAllocatorEx *next = context;
    return next->malloc(next->ctx, size);
}

static void *wrapper_calloc(void *context, size_t count, size_t size)
{
    const PyMemAllocatorEx *next = context;
    return next->calloc(next->ctx, count, size);
}

static void *wrapper_realloc(void *context, void *block, size_t size)
{
    const PyMemAllocatorEx *next = context;
    return next->realloc(next->ctx, block, size);
}

static void wrapper_free(void *context, void *block)
{
    const PyMemAllocatorEx *next = context;
    next->free(next->ctx, block);
}

static PyObject *fixture_wrap(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    for (PyMemAllocatorDomain domain = PYMEM_DOMAIN_RAW; domain <= PYMEM_DOMAIN_OBJ; domain++) {
        PyMemAllocatorEx wrapper = {&the_wrapped[domain], wrapper_malloc, wrapper_calloc,
                                    wrapper_realloc, wrapper_free};
        PyMem_GetAllocator(domain, &the_wrapped[domain]);
        PyMem_SetAllocator(domain, &wrapper);
    }
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"malloc", fixture_malloc, METH_VARARGS, "malloc(which, size) -> address"},
    {"calloc", fixture_calloc, METH_VARARGS, "calloc(which, count, size) -> address"},
    {"realloc", fixture_realloc, METH_VARARGS, "realloc(which, address, size) -> address"},
    {"free", fixture_free, METH_VARARGS, "free(which, address)"},
    {"malloc_nogil", fixture_malloc_nogil, METH_VARARGS, "malloc_nogil(size) -> address"},
    {"hold", fixture_hold, METH_VARARGS, "hold(which, count, size) -> capsule"},
    {"storm", fixture_storm, METH_VARARGS,
     "storm(threads, iterations, keep, keep_size, track, callback)"},
    {"background", fixture_background, METH_VARARGS, "background(threads, track)"},
    {"quiet", fixture_quiet, METH_NOARGS, "quiet()"},
    {"foreign_call", fixture_foreign_call, METH_O, "foreign_call(callable)"},
    {"in_other_state", fixture_in_other_state, METH_VARARGS,
     "in_other_state(size) -> address of obj"},
    {"track", fixture_track, METH_VARARGS, "track(domain, address, size, nogil=False)"},
    {"untrack", fixture_untrack, METH_VARARGS, "untrack(domain, address, nogil=False)"},
    {"wrap", fixture_wrap, METH_NOARGS, "wrap(): once in a process"},
    {"allocate_after_exit", fixture_allocate_after_exit, METH_NOARGS, "allocate_after_exit()"},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, .m_name = "ctmfixture", .m_size = -1,
                                        .m_methods = methods};

PyMODINIT_FUNC PyInit_ctmfixture(void)
{
    return PyModule_Create(&definition);
}
