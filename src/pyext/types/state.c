/* state.c: from an object or a type to its module's state. */
#include "types/types.h"

#include "capture/frames/assert.h"

PyModuleDef pyctm_module_def = {
    PyModuleDef_HEAD_INIT,
    .m_name = "ctracemalloc._ctracemalloc",
    .m_doc = "Trace memory allocations: the compiled part of ctracemalloc.",
};

pyctm_state *pyctm_state_of_module(PyObject *module)
{
    PYCTM_ASSERT_GIL();
    return (pyctm_state *)PyModule_GetState(module);
}

pyctm_state *pyctm_state_of(PyObject *self)
{
    PyObject *module = PyType_GetModuleByDef(Py_TYPE(self), &pyctm_module_def);
    /* Every caller is a method or slot of a type made with this module. */
    PYCTM_ASSERT(module != NULL);
    return pyctm_state_of_module(module);
}
