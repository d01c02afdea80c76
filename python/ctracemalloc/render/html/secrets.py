"""Which source files a page must not have, by their names: those of secrets, and what is no Python code.

Model: a page is given to others, and names of files come from the snapshot, which may be somebody else's. So a file is in a
page only if its ending is one of Python code. Templates and notebooks are none: a notebook has results in it, and the endings
of templates are those of pages and configuration, too. A file is left out as well if a part of its path is named as secrets
are. A part consists of words: letters between other characters, or from a capital letter on. A few names count anywhere in a
part (`mypasswords.py`), others only as a whole word (`keys.py`, but not `keyboard.py`), some only as the name of a folder. All
of them count in any case of letters. A file of a harmless program that is called `keys.py` is left out, too: the page says so,
and that costs its lines of source, while the opposite mistake would cost a secret.
"""

import os
import re

CODE = (".py", ".pyw", ".pyx", ".pxd", ".pxi")
ANYWHERE = re.compile(r"secret(?!ar)|passw(or)?d|passphrase|credential|(api|private|access|signing)[^a-z0-9]?keys?(?![a-z])")
WORD = r"keys?|tokens?|pass|certs?|[rd]sa|ecdsa|ed25519|pem|pgp|gpg|gnupg|pwd|vault|keystore|keyring|netrc|wallet"
WORD_OF_FOLDER = re.compile(WORD)
WORD_OF_FILE = re.compile(WORD + r"|env|private")  # folders named `env` or `private_parts` are those of code
FOLDER = re.compile(r"\.(ssh|aws|kube|docker|m2|azure|env)|gcloud|private|ssh")
WORD_ENDS = re.compile(r"[\W_]+|(?<=[a-z0-9])(?=[A-Z])")

NO_CODE, SECRET = "no Python code", "named like secrets, or in a folder that is"


def why_left_out(name: str) -> str:
    """NO_CODE or SECRET; empty: a page may have the file, as far as its name and where its links lead say."""
    try:
        paths = name, os.path.realpath(name)
    except (OSError, ValueError):
        return NO_CODE  # no file can have the name
    return next((why for path in paths if (why := why_path_left_out(path))), "")


def why_path_left_out(path: str) -> str:
    *folders, base = path.split("/")
    if is_secret(base, WORD_OF_FILE) or any(map(is_secret_folder, folders)):
        return SECRET
    return "" if base.lower().endswith(CODE) else NO_CODE


def is_secret_folder(part: str) -> bool:
    return FOLDER.fullmatch(part.lower()) is not None or is_secret(part, WORD_OF_FOLDER)


def is_secret(part: str, word: re.Pattern[str]) -> bool:
    """part: of a path, without slashes. word: what no word of it may be."""
    words = (found.lower() for found in WORD_ENDS.split(part))
    return ANYWHERE.search(part.lower()) is not None or any(map(word.fullmatch, words))
