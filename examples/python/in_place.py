"""Unchanged code for the standard module runs with this one.

Run it:  python examples/python/in_place.py
"""

import warnings

import ctracemalloc

ctracemalloc.install()

import tracemalloc  # noqa: E402 - this is ctracemalloc now


def open_and_forget():
    return open(__file__)


def main():
    tracemalloc.start(5)
    warnings.simplefilter("always")
    open_and_forget()  # the ResourceWarning says where the file was opened
    print(f"import tracemalloc gives {tracemalloc.__name__}")
    ctracemalloc.uninstall()


if __name__ == "__main__":
    main()
