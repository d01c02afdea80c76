"""What a process calls to run an order: machine code for x86-64, and the data that it is given.

Model: in C it is this. It calls by the pointers in `order` only, so it runs at any address. Exceptions that the order does
not handle itself are the program's (a signal's handler raised them), so run() lets them through, as the interpreter expects
of a pending call. The two that mean that there was no room to begin are not.

    struct order {
        PyObject *(*dict_new)(void);                       // PyDict_New
        PyObject *(*run_string)(const char *, int, PyObject *, PyObject *, void *);  // PyRun_StringFlags
        void (*decref)(PyObject *);                        // Py_DecRef
        int (*matches)(PyObject *);                        // PyErr_ExceptionMatches
        void (*clear)(void);                               // PyErr_Clear
        PyObject **recursion_error, **memory_error;        // PyExc_RecursionError, PyExc_MemoryError
        int (*ensure)(void);                               // PyGILState_Ensure
        void (*release)(int);                              // PyGILState_Release
        char text[];
    };

    int run(struct order *order)
    {
        PyObject *names = order->dict_new(), *result = NULL;
        if (names) {
            result = order->run_string(order->text, Py_file_input, names, names, NULL);
            order->decref(names);
        }
        if (result) {
            order->decref(result);
            return 0;
        }
        if (!order->matches(*order->recursion_error) && !order->matches(*order->memory_error))
            return -1;
        order->clear();
        return 0;
    }

    void run_in_thread(struct order *order)
    {
        int state = order->ensure();
        if (run(order))
            order->clear();
        order->release(state);
    }
"""

import struct
from collections.abc import Mapping

NAMES = (
    *("PyDict_New", "PyRun_StringFlags", "Py_DecRef", "PyErr_ExceptionMatches", "PyErr_Clear"),
    *("PyExc_RecursionError", "PyExc_MemoryError", "PyGILState_Ensure", "PyGILState_Release"),
)
POINTERS = struct.Struct(f"<{len(NAMES)}Q")
CODE = bytes.fromhex(
    # run: names = dict_new()
    "4154 55 53 4889fb ff17 4885c0 742e 4889c5"
    # result = run_string(text, 257, names, names, NULL)
    "488d7b48 4531c0 4889c1 4889c2 be01010000 ff5308"
    # decref(names); if (result) { decref(result); return 0; }
    "4889ef 4989c4 ff5310 4d85e4 7408 4c89e7 ff5310 eb11"
    # if (matches(*recursion_error) || ...) { clear(); return 0; }
    "488b4328 488b38 ff5318 85c0 7407 ff5320 31c0 eb11"
    # ... matches(*memory_error); return -1
    "488b4330 488b38 ff5318 85c0 75eb 83c8ff 5b 5d 415c c3"
    # run_in_thread: state = ensure(); if (run()) clear(); release(state)
    "55 53 4889fb 51 ff5738 4889df 89c5 e886ffffff 85c0 7403 ff5320 488b4340 89ef 5a 5b 5d ffe0"
)
RUN, RUN_IN_THREAD = 0, 0x67  # where the functions begin


def order(addresses: Mapping[str, int], text: bytes) -> bytes:
    """struct order. addresses: of each of NAMES."""
    return POINTERS.pack(*(addresses[name] for name in NAMES)) + text + b"\0"
