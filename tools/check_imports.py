#!/usr/bin/env python3
"""Checks which modules of the Python package import which.

- COMPONENTS is the layering: a module imports only modules of its own component and of those that are listed for it. Only
  an entry point (cli, _startup, __main__) imports a module of an entry point.
- There is no circle of imports. Imports inside functions count; those below `if TYPE_CHECKING:` do not, but the layering
  applies to them too. `sys.modules["ctracemalloc.x"]` is an import of x, and so is an attribute `package.x`.
- Each folder with modules is a package, and nothing is imported by a name that is made at run time, but for DYNAMIC.
- Only render formats a number with a unit (KiB). The model has numbers only: no f-string, no str(), no format(), no `%` there;
  and it neither prints nor opens files.

--dot writes the graph of the modules for Graphviz instead: `tools/check_imports.py --dot | dot -Tsvg`. Imports inside
functions are dashed, those for type checkers dotted.

usage: check_imports.py [--dot] [ROOT]
"""

import argparse
import ast
import re
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
    "_bodies": {"_ctracemalloc"},
    "labelling": {"_ctracemalloc", "_bodies"},
    "automatic_labels": {"_ctracemalloc", "labelling"},
    "_later": {"_ctracemalloc"},
    "scopes": {"_ctracemalloc", "_bodies", "_later"},
    "_exempt": {"_ctracemalloc"},
    "_threads": set(),
    "_program": set(),
    "inject": set(),
    "formats": {"_ctracemalloc"},
    "blackbox": {"_ctracemalloc", "_losses", "_messages"},
    "recording": {"_ctracemalloc", "_losses", "_messages", "_words", "formats"},
    "_provide": {"_ctracemalloc", "_losses", "_later", "formats", "blackbox"},
    "resident": {"_ctracemalloc", "blackbox"},
    "": {
        "_ctracemalloc",
        "_install",
        "_later",
        "_losses",
        "_provide",
        "labelling",
        "scopes",
        "blackbox",
        "recording",
        "resident",
    },
    "places": set(),
    "model": {"", "_ctracemalloc", "_losses", "blackbox", "recording", "places"},
    "importers": {"_ctracemalloc"},
    "export": {"", "_ctracemalloc", "_words", "_losses", "formats", "recording", "places", "model"},
    "render": {"", "_ctracemalloc", "_losses", "_words", "formats", "blackbox", "recording", "resident", "places", "model"},
    "tui": {
        "",
        "_ctracemalloc",
        "_losses",
        "_words",
        "formats",
        "blackbox",
        "recording",
        "resident",
        "places",
        "model",
        "render",
    },
    "web": {"", "_ctracemalloc", "_words", "_exempt", "_threads", "_program", "places", "export", "model", "render"},
    "frameworks": {"_ctracemalloc", "_bodies", "labelling"},
    "run": {"", "_ctracemalloc", "_messages", "_words", "formats", "blackbox", "recording", "model", "render"},
    "guards": {
        "",
        "_ctracemalloc",
        "_words",
        "_exempt",
        "_threads",
        "_program",
        "formats",
        "places",
        "model",
        "render",
        "run",
    },
    "testing": {"", "_words", "scopes", "render", "guards"},
    "pytest_plugin": {"", "_words", "_exempt", "scopes", "formats", "model", "render", "run", "testing"},
    "notebook": {"", "_ctracemalloc", "_words", "_exempt", "scopes", "model", "render", "guards"},
    "_startup": {"", "_messages", "run"},
    "cli": {
        "",
        "_ctracemalloc",
        "_messages",
        "_words",
        "formats",
        "inject",
        "blackbox",
        "recording",
        "resident",
        "places",
        "model",
        "importers",
        "export",
        "render",
        "tui",
        "run",
    },
    "__main__": {"cli"},
}
ENTRY_POINTS = ("_startup", "cli", "__main__")
MODEL = "model"
RENDER = "render"
TEXT_FUNCTIONS = {"str", "format", "format_map", "repr", "ascii", "hex", "oct", "bin", "join", "Template"}
TEXT_FUNCTIONS |= {"dumps", "strftime", "isoformat", "ctime", "asctime"}
UNIT = r"[KMGT]i?B\b"
INPUT_AND_OUTPUT = {"print", "open", "input"}

# The modules that may import by a name made at run time, or run others' code: what they do so with.
DYNAMIC = {
    "formats.compression": {"import_module"},  # zstd modules of others
    "importers.memray": {"import_module"},  # memray, which may be missing
    "export.arrow": {"import_module"},  # pyarrow, which may be missing
    "export.formats": {"import_module"},  # the module of a format, of its own folder
    "cli.commands": {"import_module"},  # the module of an order, of its own folder
    "_later": {"__import__"},  # guards and the notebook, which are made of the public API; some are names of it
    "notebook.statement": {"eval", "exec"},  # the statement of %ctracemalloc
    "web": {"__import__"},  # the module of a name, of its own folder
    "web.loading": {"exec"},  # the code of a module that is imported
    "_startup.pythonpath.sitecustomize": {"__import__"},  # the program's own one, which this one hides
}
BY_NAME = {"import_module", "__import__", "run_module", "run_path", "exec", "eval"}
NO_PACKAGE = {"_startup/pythonpath"}  # a folder for sys.path

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
        tree = ast.parse(path.read_text(encoding="utf-8"))
        found += other_imports_of(tree, module, path, modules)
        for statement, kind in walk(tree, "module"):
            for target in targets_of(statement, module, is_package, modules):
                if target != module:
                    found.append(Import(module, target, path, statement.lineno, kind))
    return found


def dotted(node):
    """["a", "b", "c"] of the expression a.b.c, [] of others."""
    names = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    return [node.id, *reversed(names)] if isinstance(node, ast.Name) else []


def names_of_modules(tree, module, is_package, modules):
    """{name in the file: module of the package that it is}"""
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                full = alias.name if alias.asname else alias.name.partition(".")[0]
                if full == PACKAGE or full.startswith(PACKAGE + "."):
                    found[alias.asname or full] = full[len(PACKAGE) + 1 :]
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                full = f"{absolute(node, module, is_package)}.{alias.name}"
                if full.startswith(PACKAGE + ".") and full[len(PACKAGE) + 1 :] in modules:
                    found[alias.asname or alias.name] = full[len(PACKAGE) + 1 :]
    return found


def asked_of_sys_modules(node):
    """The name of `sys.modules["NAME"]` or `sys.modules.get("NAME")`, or ""."""
    key, place = None, []
    if isinstance(node, ast.Subscript):
        key, place = node.slice, dotted(node.value)
    elif isinstance(node, ast.Call) and node.args:
        key, place = node.args[0], dotted(node.func)[:-1]
    is_text = isinstance(key, ast.Constant) and isinstance(key.value, str)
    return key.value if is_text and place[-1:] == ["modules"] else ""


def other_imports_of(tree, module, path, modules):
    """Uses of other modules that are no import statements."""
    names = names_of_modules(tree, module, path.stem == "__init__", modules)
    for node in ast.walk(tree):
        chain = dotted(node)
        full = asked_of_sys_modules(node)
        if len(chain) > 1 and chain[0] in names:
            full = ".".join([PACKAGE, *filter(None, [names[chain[0]]]), *chain[1:]])
        if full == PACKAGE or full.startswith(PACKAGE + "."):
            target = full[len(PACKAGE) + 1 :]
            while target and target not in modules:
                target = target.rpartition(".")[0]
            if target not in ("", module):
                yield Import(module, target, path, node.lineno, "function")


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


def check_names(modules, imports):
    """Nothing is imported by a name that is made at run time, and each folder is a package."""
    for module, path in modules.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if called(node) in BY_NAME - DYNAMIC.get(module, set()):
                yield (
                    path,
                    node.lineno,
                    f"{called(node)}() by a name: not to be seen here (DYNAMIC: exceptions)",
                )
    base = modules[""].parent
    for folder in sorted({path.parent for path in modules.values()}):
        name = folder.relative_to(base).as_posix()
        if name not in NO_PACKAGE and not (folder / "__init__.py").exists():
            yield folder, 1, "a folder with modules and no __init__.py"


def makes_text(node):
    if isinstance(node, ast.JoinedStr):
        return True
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod):
        return True  # of a text or not cannot be seen, and numbers have divmod()
    return called(node) in TEXT_FUNCTIONS


def has_unit(node):
    """Is a number formatted with a unit?"""
    if isinstance(node, ast.JoinedStr):
        pairs = zip(node.values, node.values[1:], strict=False)
        return any(isinstance(one, ast.FormattedValue) and is_text(two, "^ ?" + UNIT) for one, two in pairs)
    return is_text(node, r"(%[\d.,]*[dfgs]|\}) ?" + UNIT)


def is_text(node, pattern):
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and re.search(pattern, node.value) is not None


def check_units(modules, imports):
    for module, path in modules.items():
        if component_of(module) != RENDER:
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if has_unit(node):
                    yield path, node.lineno, "a number with a unit: that is for render"


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
    for check in (check_components, check_circles, check_names, check_units, check_model):
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
