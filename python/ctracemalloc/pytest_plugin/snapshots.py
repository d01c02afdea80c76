"""A snapshot of each failed test, in a folder.

Model: it is of what the test's function has allocated and is live at its end, when the frames of an exception still hold what
they refer to, and has its peak as well. Its name is the test's, with what a file's name should not have replaced; a long one
ends in a digest of the whole.
"""

import hashlib
import os
import re

from ..formats import kinds, output

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .. import Snapshot

LONGEST = 200  # bytes
NOT_IN_NAMES = re.compile(r"[^\w.\-\[\]]+")


def make_folder(path: str) -> None:
    """OSError: it cannot be made, or is something else."""
    try:
        os.makedirs(path, exist_ok=True)
    except FileExistsError:
        raise OSError(f"--ctracemalloc-snapshots: {path} is not a folder") from None


def path_of(folder: str, test: str) -> str:
    name = NOT_IN_NAMES.sub("-", test.encode("utf-8", "backslashreplace").decode())
    encoded = name.encode()
    if len(encoded) > LONGEST:
        digest = hashlib.sha256(test.encode("utf-8", "surrogatepass")).hexdigest()[:16]
        name = encoded[:LONGEST].decode(errors="ignore") + "-" + digest
    return os.path.join(folder, name + ".ctm")


def save(snapshot: "Snapshot", folder: str, test: str) -> str:
    """Returns the path. A snapshot of an earlier run is replaced. OSError: it cannot be written."""
    path = path_of(folder, test)
    output.check(path, kinds.SNAPSHOT)
    output.save(snapshot, path, None)
    return path
