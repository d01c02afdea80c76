"""Which files are this package's own.

Model: a file name in a snapshot is that of the code object, which is the path that the package was imported from.
"""

import os

PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def escaped(path: str) -> str:
    """The path as a pattern that matches itself only."""
    return "".join(f"[{char}]" if char in "*?[" else char for char in path)


OWN_FILES = f"{escaped(PACKAGE)}/*"  # a pattern that matches each of them whole
