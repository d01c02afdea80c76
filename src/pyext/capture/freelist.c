/* freelist.c: objects that come from one of the interpreter's free lists.
 *
 * Model: CPython stores dead floats, tuples, lists … and reuses them without calling an allocator, so the block would
 * keep the traceback of a dead object. Every version reports an object's first reference in some way
 * (freelist_tracer.c, freelist_patch.c); then this file gives the object's block the present traceback. A block that
 * the hook has just recorded has it already.
 */
#include "capture/capture.h"
#include "capture/frames/frames.h"
#include "capture/labels.h"

#if !defined(Py_GIL_DISABLED) /* free-threaded builds: module.c refuses the import */

#define MANAGED_HEADER (2 * sizeof(PyObject *)) /* dict and weak references, before the GC's */
#define GC_HEADER (2 * sizeof(uintptr_t))

/* HOOK: */
size_t pyctm_object_header_size(const PyTypeObject *type)
{
    size_t bytes = 0;
    if (PyType_HasFeature((PyTypeObject *)type, Py_TPFLAGS_HAVE_GC)) {
        bytes += GC_HEADER;
    }
#if PYCTM_HAS_MANAGED_WEAKREFS
    if (PyType_HasFeature((PyTypeObject *)type,
                          Py_TPFLAGS_MANAGED_DICT | Py_TPFLAGS_MANAGED_WEAKREF)) {
        bytes += MANAGED_HEADER;
    }
#else
    if (PyType_HasFeature((PyTypeObject *)type, Py_TPFLAGS_MANAGED_DICT)) {
        bytes += MANAGED_HEADER;
    }
#endif
    return bytes;
}

/* HOOK: The block's size according to the type. It may be wrong; then only the lookup in the cache fails. */
static inline uint64_t likely_size(const PyObject *op, uintptr_t block)
{
    const PyTypeObject *type = Py_TYPE(op);
    uint64_t size = (uint64_t)type->tp_basicsize + ((uintptr_t)op - block);
    if (type->tp_itemsize != 0) {
        size += (uint64_t)type->tp_itemsize * (uint64_t)((const PyVarObject *)op)->ob_size;
    }
    return size;
}

/* HOOK: The common path: see hooks.c. The site is looked up by the size that the type says, before the map returns the
 * block's real size, so that the processor does both at once. */
static inline bool reattribute_main(pyctm_capture *capture, const PyObject *op, uintptr_t block,
                                    bool labelled)
{
    PyThreadState *thread_state = pyctm_frames_attached_to_main(capture);
    ctm_shard *const shard = capture->exclusive;
    if (thread_state == NULL || pyctm_hook_tls.in_self_scope) {
        return false;
    }
    PYCTM_ASSERT_MAIN();
    ctm_found found;
    pyctm_where where;
    const uint64_t likely = likely_size(op, block);
    if (labelled) {
        pyctm_labels_follow(capture, thread_state);
    }
    const bool is_known =
        pyctm_stack_where(&capture->stacks, pyctm_frames_innermost(thread_state), &where);
    if (labelled && is_known) {
        pyctm_site_cache_set_epoch(&capture->stacks.sites, &where);
    }
    uint32_t site = is_known ? pyctm_site_cache_find(&capture->stacks.sites, &where, likely) : 0;
    if (!ctm_shard_seek(shard, 0, block, &found)) {
        return true; /* the block is older than the tracing, or not from our hooks */
    }
    const uint64_t size = ctm_shard_found_size(shard, &found);
    if (labelled) {
        site = pyctm_stack_labelled_site(&capture->stacks, shard, &where, likely, site);
    }
    if (__builtin_expect(site == 0 || size != likely, 0)) {
        site = is_known ? pyctm_site_cache_find(&capture->stacks.sites, &where, size) : 0;
        if (labelled) {
            site = pyctm_stack_labelled_site(&capture->stacks, shard, &where, size, site);
        }
        if (site == 0) {
            site =
                pyctm_stack_new_site(&capture->stacks, shard, thread_state, is_known, where, size);
        }
    }
    if (site != 0 && labelled) {
        ctm_shard_reattribute_labelled_at(shard, &found, site);
    } else if (site != 0) {
        ctm_shard_reattribute_at(shard, &found, site);
    }
    return site != 0;
}

/* HOOK: */
static PYCTM_RARELY void reattribute(pyctm_capture *capture, uintptr_t block)
{
    const pyctm_event_owner owner = pyctm_event_owner_get(capture, true);
    pyctm_labels_prepare(capture, owner.thread_state);
    ctm_shard *shard = ctm_shard_enter(capture->tracer, owner.shard);
    if (shard == NULL) {
        return;
    }
    ctm_found found;
    if (ctm_shard_seek(shard, 0, block, &found)) {
        uint32_t site;
        const ctm_status status = pyctm_attribution_site(
            capture, shard, &owner, 0, ctm_shard_found_size(shard, &found), &site);
        if (status == CTM_OK) {
            ctm_shard_reattribute_labelled_at(shard, &found, site);
        } else {
            atomic_fetch_add_explicit(&capture->lost_reattributions, 1, memory_order_relaxed);
            ctm_tracer_loss(capture->tracer, "memory",
                            "objects from free lists kept the traceback of their block", 1);
        }
    }
    ctm_shard_leave(shard);
}

/* HOOK: */
static __attribute__((noinline)) PYCTM_HOT int revive(pyctm_capture *capture, const PyObject *op,
                                                      uintptr_t block)
{
    if (!reattribute_main(capture, op, block, false)) {
        reattribute(capture, block);
    }
    return 0;
}

/* HOOK: If not every event is recorded, nothing is. */
static __attribute__((noinline)) PYCTM_HOT int revive_otherwise(pyctm_capture *capture,
                                                                const PyObject *op, uintptr_t block)
{
    if (pyctm_capture_mode(capture) == PYCTM_LABELLED &&
        !reattribute_main(capture, op, block, true)) {
        reattribute(capture, block);
    }
    return 0;
}

/* HOOK: Few instructions for an object whose block the hook has just recorded. Returns 0. */
int pyctm_event_reference(PyObject *op)
{
    const uintptr_t block = (uintptr_t)op - pyctm_object_header_size(Py_TYPE(op));
    pyctm_hook_state *const self = &pyctm_hook_tls;
    if (block == self->last_block) {
        self->last_block = 0;
        return 0;
    }
    static const pyctm_hook_state quiet = {.inside = true, .reported = true};
    if ((self->special & quiet.special) != 0) {
        return 0;
    }
    return pyctm_capture_mode(&pyctm_the_capture) == PYCTM_EXACT
               ? revive(&pyctm_the_capture, op, block)
               : revive_otherwise(&pyctm_the_capture, op, block);
}

/* --- self-test: revives one object of each kind and checks that its block got a new traceback --- */

static PyObject *new_float(void)
{
    return PyFloat_FromDouble(1234.5);
}

static PyObject *new_list(void)
{
    return PyList_New(0);
}

static PyObject *new_dict(void)
{
    return PyDict_New();
}

static PyObject *new_tuple(void)
{
    return PyTuple_New(3); /* its slots are empty: no code may see it */
}

#define NO_MEMORY "no memory to try an object from a free list"

static uintptr_t block_of(const PyObject *op)
{
    return (uintptr_t)op - pyctm_object_header_size(Py_TYPE(op));
}

/* Checks that the block under `op` has the present traceback. NULL, `failure` or NO_MEMORY. */
static const char *check_reattributed(pyctm_capture *capture, const PyObject *op,
                                      const char *failure)
{
    ctm_shard *shard = ctm_shard_enter(capture->tracer, 0);
    ctm_block known;
    if (shard == NULL) {
        return NO_MEMORY;
    }
    const pyctm_event_owner owner = pyctm_event_owner_get(capture, true);
    uint32_t traceback;
    if (pyctm_attribution_traceback(capture, shard, &owner, &traceback) != CTM_OK) {
        failure = NO_MEMORY;
    } else if (ctm_shard_find(shard, 0, block_of(op), &known) == CTM_OK && known.shard == 0 &&
               known.traceback == traceback) {
        failure = NULL;
    }
    ctm_shard_leave(shard);
    return failure;
}

/* Gives the block under `op` a traceback that no stack has. False: out of memory. */
static bool set_wrong_traceback(pyctm_capture *capture, const PyObject *op)
{
    const ctm_frame_text nowhere = {"<ctracemalloc self-test>", NULL, 0, 0};
    uint32_t traceback;
    ctm_shard *shard = ctm_shard_enter(capture->tracer, 0);
    bool is_set = false;
    if (shard != NULL) {
        is_set = ctm_shard_traceback_text(shard, &nowhere, 1, 1, &traceback) == CTM_OK &&
                 ctm_shard_alloc(shard, 0, block_of(op), 1, traceback) == CTM_OK;
        ctm_shard_leave(shard);
    }
    return is_set;
}

/* Whether the block under `op` was allocated since tracing began. */
static bool is_fresh(pyctm_capture *capture, const PyObject *op)
{
    ctm_shard *shard = ctm_shard_enter(capture->tracer, 0);
    ctm_block known;
    bool fresh = false;
    if (shard != NULL) {
        fresh = ctm_shard_find(shard, 0, block_of(op), &known) == CTM_OK;
        ctm_shard_leave(shard);
    }
    return fresh;
}

/* Frees an empty object: to the free list if it came from there, else to the allocator, so that the free lists are as
 * the program left them. */
static void dispose(PyObject *op, bool fresh)
{
    if (!fresh) {
        Py_DECREF(op);
    } else if (PyType_HasFeature(Py_TYPE(op), Py_TPFLAGS_HAVE_GC)) {
        PyObject_GC_UnTrack(op);
        PyObject_GC_Del(op);
    } else {
        PyObject_Free(op);
    }
}

/* Lets an object die and makes it again, under another traceback. */
static const char *try_revival(pyctm_capture *capture, PyObject *(*make)(void), const char *failure)
{
    PyObject *op = make();
    if (op == NULL) {
        return NO_MEMORY;
    }
    const bool fresh = is_fresh(capture, op), is_set = set_wrong_traceback(capture, op);
    if (is_set) {
        Py_DECREF(op);
        op = make();
    }
    if (op == NULL) {
        return NO_MEMORY;
    }
    failure = is_set ? check_reattributed(capture, op, failure) : NO_MEMORY;
    dispose(op, fresh);
    return failure;
}

/* A spare object makes space on the free list, which is last in, first out. */
static const char *try_kind(pyctm_capture *capture, PyObject *(*make)(void), const char *failure)
{
    PyObject *spare = make();
    if (spare == NULL) {
        PyErr_Clear();
        return NO_MEMORY;
    }
    const bool fresh = is_fresh(capture, spare);
    failure = try_revival(capture, make, failure);
    PyErr_Clear();
    dispose(spare, fresh);
    return failure;
}

static const char *try_all(pyctm_capture *capture)
{
    static const struct {
        const char *failure;
        PyObject *(*make)(void);
    } kinds[] = {
        {"a float from the free list went unseen", new_float},
        {"a list from the free list went unseen", new_list},
        {"a dict from the free list went unseen", new_dict},
        {"a tuple from the free list went unseen", new_tuple},
    };
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        const char *failure = try_kind(capture, kinds[i].make, kinds[i].failure);
        if (failure != NULL) {
            return failure;
        }
    }
    return NULL;
}

/* No collection meanwhile (3.11 collects at any allocation of an object): a finalizer could use the free lists, let
 * other threads run, or stop tracing. */
const char *pyctm_freelist_self_test(pyctm_capture *capture)
{
    PYCTM_ASSERT_MAIN();
    const int collecting = PyGC_Disable();
    const char *failure = try_all(capture);
    if (collecting) {
        PyGC_Enable();
    }
    return failure;
}
#endif
