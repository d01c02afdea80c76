"""Imports of new modules, of source compiled at run time, and exec."""

import sys
import types

MOMENTS = ["imported", "executed"]
SOURCE = """
CONSTANTS = [{n}, {n}.5, "constant {n}"]
def function_{n}(a, b=(1, 2, {n})):
    return [a, b, CONSTANTS]
class Class_{n}:
    attribute = function_{n}({n})
"""


def main(moment):
    import colorsys
    import sched
    import wave

    modules = [colorsys, sched, wave]
    moment("imported")
    for n in range(30):
        code = compile(SOURCE.format(n=n), f"<generated {n}>", "exec")
        module = types.ModuleType(f"generated_{n}")
        exec(code, vars(module))
        sys.modules[module.__name__] = module
        modules.append(getattr(module, f"Class_{n}").attribute)
    values = [eval(f"[{n}, '{n}', {n}.25]") for n in range(100)]
    moment("executed")
    return modules, values
