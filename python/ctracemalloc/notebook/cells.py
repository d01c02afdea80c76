"""Names of cells: the code of each has a file name of IPython's, which the shell knows as In[3].

Model: linecache has the lines of a cell under that name, so source is found as for files.
"""

import sys
from typing import Any

from ..render.text.style import Style


def present_shell() -> Any:
    """The shell of this process, or None. IPython is not imported for it."""
    ipython = sys.modules.get("IPython")
    return ipython.get_ipython() if ipython is not None and hasattr(ipython, "get_ipython") else None


class CellStyle(Style):
    """Of text in a notebook: no colours, no width, and cells by their numbers."""

    def __init__(self, shell: Any = None) -> None:
        super().__init__(False)
        self.shell = present_shell() if shell is None else shell

    def path(self, path: str) -> str:
        return self.cell_of(path) or super().path(path)

    def cell_of(self, filename: str) -> str:
        """For example In[3]; "": it is no cell."""
        named = getattr(getattr(self.shell, "compile", None), "format_code_name", None)
        found = named(filename) if named is not None else None
        return str(found[1]) if found else ""
