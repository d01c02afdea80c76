#!/usr/bin/env python3
"""Checks which modules of the Python package import which.

- COMPONENTS is the layering: a module imports only modules of its own component and of those that are listed for it. Only
  an entry point (cli, _startup, __main__) imports a module of an entry point.
- There is no circle of imports. Imports inside functions count; those below `if TYPE_CHECKING:` do not, but the layering
  applies to them too.
- The model has numbers only: no f-string, no str(), no format() there; and it neither prints nor opens files.

--dot writes the graph of the modules for Graphviz instead: `tools/check_imports.py --dot | dot -Tsvg`. Imports inside
functions are dashed, those for type checkers dotted.

usage: check_imports.py [--dot] [ROOT]
"""

import argparse
import ast
import sys
from collections import namedtuple
from pathlib import Path

PACKAGE = "ctracemalloc"
# Each component with those that it may import from. "" is the public API, __init__.py. A component lists only components
# before it, so there are no circles of components.
COMPONENTS = {
    "_words": set(),
    "_losses": set(),
    "_messages": {"_words"},
    "_ctracemalloc": {"_losses"},
    "_install": {"_ctracemalloc"},
    "formats": {"_ctracemalloc"},
    "blackbox": {"_ctracemalloc", "_losses", "_messages"},
    "recording": {"_ctracemalloc", "_losses", "_messages", "_words", "formats"},
    "_provide": {"_ctracemalloc", "_losses", "formats", "blackbox"},
    "": {"_ctracemalloc", "_install", "_losses", "_provide", "blackbox", "recording"},
    "model": {"", "_ctracemalloc", "_losses", "blackbox", "recording"},
    "render": {"", "_ctracemalloc", "_losses", "_words", "blackbox", "recording", "model"},
    "run": {"", "_ctracemalloc", "_messages", "_words", "formats", "blackbox", "recording", "model", "render"},
    "_startup": {"", "_messages", "run"},
    "cli": {"", "_ctracemalloc", "_messages", "_words", "formats", "blackbox", "recording", "model", "render", "run"},
    "__main__": {"cli"},
}
ENTRY_POINTS = ("_startup", "cli", "__main__")
MODEL = "model"
TEXT_FUNCTIONS = {"str", "format", "repr", "ascii"}
INPUT_AND_OUTPUT = {"print", "open", "input"}

Import = namedtuple("Import", "source target path line kind")  # kind: "module", "function" or "type"


def modules_of(root):
    """{name without the package's: file}. "": the package itself. The extension has no source, so its stub is read."""
    base = root / "python" / PACKAGE
    found = {}
    for path in [*sorted(base.rglob("*.pyi")), *sorted(base.rglob("*.py"))]:
        parts = path.relative_to(base).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def is_type_checking(node):
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def walk(node, kind):
    """(import statement, kind) of all below a node."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child, kind
        elif is_type_checking(child):
            for statement in child.body:
                yield from walk(ast.Module([statement], []), "type")
            for statement in child.orelse:
                yield from walk(ast.Module([statement], []), kind)
        elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield from walk(child, kind if kind == "type" else "function")
        else:
            yield from walk(child, kind)


def absolute(statement, module, is_package):
    """The full name of the module in `from X import`."""
    if statement.level == 0:
        return statement.module or ""
    parts = [PACKAGE, *(module.split(".") if module else [])]
    parts = parts[: len(parts) - statement.level + is_package]
    return ".".join([*parts, *([statement.module] if statement.module else [])])


def targets_of(statement, module, is_package, modules):
    """The modules of the package that an import statement imports, without the packages that contain them."""
    if isinstance(statement, ast.Import):
        names = [alias.name for alias in statement.names]
    else:
        start = absolute(statement, module, is_package)
        names = [f"{start}.{alias.name}" for alias in statement.names]
    for name in names:
        if name != PACKAGE and not name.startswith(PACKAGE + "."):
            continue
        inner = name[len(PACKAGE) + 1 :]
        while inner and inner not in modules:
            inner = inner.rpartition(".")[0]
        yield inner


def imports_of(modules):
    found = []
    for module, path in modules.items():
        is_package = path.stem == "__init__"
        for statement, kind in walk(ast.parse(path.read_text(encoding="utf-8")), "module"):
            for target in targets_of(statement, module, is_package, modules):
                if target != module:
                    found.append(Import(module, target, path, statement.lineno, kind))
    return found


def component_of(module):
    return module.split(".")[0]


def check_components(modules, imports):
    order = list(COMPONENTS)
    for index, component in enumerate(order):
        for seen in sorted(COMPONENTS[component] - set(order[:index])):
            yield Path(__file__), 1, f"COMPONENTS lets '{component}' import '{seen}', which is not listed before it"
    for module, path in modules.items():
        if component_of(module) not in COMPONENTS:
            yield path, 1, f"'{component_of(module)}' is not in COMPONENTS of check_imports.py"
    for one in imports:
        source, target = component_of(one.source), component_of(one.target)
        if source == target or source not in COMPONENTS:
            continue
        if target in ENTRY_POINTS and source not in ENTRY_POINTS:
            yield one.path, one.line, f"imports {PACKAGE}.{one.target}, an entry point"
        elif target not in COMPONENTS[source]:
            yield one.path, one.line, f"the component '{source or '__init__'}' imports {PACKAGE}.{one.target}".rstrip(".")


def circles(modules, imports):
    """Sets of modules that import each other, directly or through others (Tarjan's strongly connected components)."""
    following = {module: [] for module in modules}
    for one in imports:
        if one.kind != "type":
            following[one.source].append(one.target)
    numbers, lowest, stack, found = {}, {}, [], []

    def visit(module):
        numbers[module] = lowest[module] = len(numbers)
        stack.append(module)
        for target in following[module]:
            if target not in numbers:
                visit(target)
                lowest[module] = min(lowest[module], lowest[target])
            elif target in stack:
                lowest[module] = min(lowest[module], numbers[target])
        if lowest[module] == numbers[module]:
            circle = stack[stack.index(module) :]
            del stack[-len(circle) :]
            if len(circle) > 1:
                found.append(sorted(circle))

    for module in modules:
        if module not in numbers:
            visit(module)
    return found


def check_circles(modules, imports):
    for circle in circles(modules, imports):
        names = ", ".join(f"{PACKAGE}.{module}".rstrip(".") for module in circle)
        yield modules[circle[0]], 1, f"a circle of {len(circle)} modules: {names}"


def makes_text(node):
    if isinstance(node, ast.JoinedStr):
        return True
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod) and isinstance(node.left, ast.Constant):
        return isinstance(node.left.value, str)
    return called(node) in TEXT_FUNCTIONS


def called(node):
    """The last name of the function that is called; "": none is."""
    if not isinstance(node, ast.Call):
        return ""
    return node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")


def check_model(modules, imports):
    for module, path in modules.items():
        if component_of(module) == MODEL:
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if makes_text(node):
                    yield path, node.lineno, "the model makes a text: that is for render"
                if called(node) in INPUT_AND_OUTPUT:
                    yield path, node.lineno, f"the model calls {called(node)}: it has facts only"


def dot(modules, imports):
    styles = {"module": "solid", "function": "dashed", "type": "dotted"}
    lines = ["digraph imports {", "    rankdir=LR; node [shape=box];"]
    for component in COMPONENTS:
        inside = [module for module in modules if component_of(module) == component]
        lines.append(f'    subgraph "cluster_{component}" {{ label="{component or "public API"}";')
        lines += [f'        "{module or PACKAGE}";' for module in inside]
        lines.append("    }")
    edges = {(one.source, one.target): one.kind for one in sorted(imports, key=lambda one: one.kind, reverse=True)}
    lines += [
        f'    "{source or PACKAGE}" -> "{target or PACKAGE}" [style={styles[kind]}];'
        for (source, target), kind in sorted(edges.items())
    ]
    return "\n".join([*lines, "}"])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dot", action="store_true")
    parser.add_argument("root", nargs="?", type=Path, default=Path(__file__).parent.parent)
    options = parser.parse_args()
    root = options.root.resolve()
    modules = modules_of(root)
    imports = imports_of(modules)
    if options.dot:
        print(dot(modules, imports))
        return 0
    passed = failed = 0
    for check in (check_components, check_circles, check_model):
        problems = list(check(modules, imports))
        for path, line, problem in problems:
            print(f"{path.relative_to(root)}:{line}: {problem}")
        passed, failed = passed + (not problems), failed + bool(problems)
        print(f"{'ok' if not problems else 'FAILED'}: {check.__name__}")
    print(f"{len(modules)} modules, {len(set(imports))} imports, {len(circles(modules, imports))} circles")
    print(f"::counts passed={passed} failed={failed} skipped=0")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
