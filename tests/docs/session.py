"""Runs the Python blocks of a page, one after another: started by blocks.py, in the page's folder.

Model: each line on the standard input is a block, as JSON: its source and the line of the program where it begins. Its
output is written to this process's stdout. When the block has run, a line with its outcome is written to the descriptor that
the first argument names; the second is the program's file name. The blocks share one namespace, __main__'s.
"""

import json
import os
import sys
import traceback
import types


def run(source, first_line, namespace):
    code = compile("\n" * (first_line - 1) + source, sys.argv[0], "exec")
    exec(code, namespace)


def main():
    outcomes = os.fdopen(int(sys.argv[1]), "w")
    blocks = os.fdopen(os.dup(0), encoding="utf-8")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    sys.argv[:] = [sys.argv[2]]
    sys.path.insert(0, "")
    program = types.ModuleType("__main__")  # also for objects that are pickled by name
    program.__file__ = sys.argv[0]
    sys.modules["__main__"] = program
    namespace = vars(program)
    for line in blocks:
        block = json.loads(line)
        error = None
        try:
            run(block["source"], block["line"], namespace)
        except BaseException:
            error = traceback.format_exc()
        sys.stdout.flush()
        sys.stderr.flush()
        outcomes.write(json.dumps(error) + "\n")
        outcomes.flush()


if __name__ == "__main__":
    main()
