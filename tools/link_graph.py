#!/usr/bin/env python3
"""Which C file needs which at link level, and whether any two need each other.

Model: each file is compiled to an object. A file that has an undefined symbol needs the file that defines it. Files that
all need each other, directly or indirectly, form a circle (a strongly connected component of the graph): none of them can be
understood, tested or linked without the others. A circle fails, unless it is within a folder of ALLOWED; a folder of ALLOWED
that has no circle any more fails too, so that the list only gets shorter.

usage: link_graph.py [--dot FILE] [FOLDER…]     (default: src/libctm src/pyext)

--dot writes the graph of the folders for Graphviz, with a cluster for each folder of files and the edges of circles in red.
"""

import argparse
import shutil
import sys
from pathlib import Path

import c_sources

FOLDERS = ("src/libctm", "src/pyext")
# Folders whose circles are known.
ALLOWED = ()


def edges_of(symbols):
    """{file: {needed file: [symbols]}}"""
    owner = {symbol: name for name, (defined, _) in symbols.items() for symbol in defined}
    edges = {name: {} for name in symbols}
    for name, (_, undefined) in symbols.items():
        for symbol in sorted(undefined & owner.keys()):
            if owner[symbol] != name:
                edges[name].setdefault(owner[symbol], []).append(symbol)
    return edges


def reachable(edges, start):
    """All files that `start` needs, directly or indirectly."""
    seen, todo = set(), list(edges[start])
    while todo:
        name = todo.pop()
        if name not in seen:
            seen.add(name)
            todo += edges[name]
    return seen


def circles_of(edges):
    """The circles, each a sorted list of files."""
    needs = {name: reachable(edges, name) for name in edges}
    circles = {tuple(sorted(other for other in needs[name] if name in needs[other])) for name in edges if name in needs[name]}
    return [list(circle) for circle in sorted(circles)]


def describe(circle, edges):
    """The edges of a circle, one a line."""
    lines = []
    for name in circle:
        for other in sorted(set(edges[name]) & set(circle)):
            some = ", ".join(edges[name][other][:3]) + (" …" if len(edges[name][other]) > 3 else "")
            lines.append(f"    {name} -> {other}: {some}")
    return "\n".join(lines)


def is_in(folder, circle):
    return all(name.startswith(f"{folder}/") for name in circle)


def problems_of(edges, allowed=ALLOWED):
    """(a file, a text) for each circle that is not allowed, and for each allowed folder that has none."""
    circles = circles_of(edges)
    for circle in circles:
        if not any(is_in(folder, circle) for folder in allowed):
            yield circle[0], f"{len(circle)} files need each other:\n{describe(circle, edges)}"
    for folder in allowed:
        is_here = any(name.startswith(f"{folder}/") for name in edges)
        if is_here and not any(is_in(folder, circle) for circle in circles):
            yield folder, "ALLOWED of tools/link_graph.py names this folder, which has no circle any more"


def dot_of(edges, folders):
    """The graph in Graphviz's language."""
    circle_of = {name: number for number, circle in enumerate(circles_of(edges)) for name in circle}
    common = folders[0] if len(folders) == 1 else "src"
    short = {name: Path(name).relative_to(common).as_posix() for name in edges}
    lines = ["digraph files {", "    rankdir=LR; node [shape=box, fontname=monospace];"]
    for number, room in enumerate(sorted({str(Path(text).parent) for text in short.values()})):
        members = " ".join(f'"{text}";' for text in short.values() if str(Path(text).parent) == room)
        lines.append(f'    subgraph cluster_{number} {{ label="{room}"; {members} }}')
    for name in edges:
        for other in sorted(edges[name]):
            in_circle = name in circle_of and circle_of[name] == circle_of.get(other)
            lines.append(f'    "{short[name]}" -> "{short[other]}"' + (" [color=red];" if in_circle else ";"))
    return "\n".join([*lines, "}"]) + "\n"


def symbols_of_all(root, folders):
    """For the files of all the folders, each in the first of its builds: ({file: (defined symbols, undefined ones)}, {file: why
    it does not compile})."""
    symbols, broken = {}, {}
    for folder in folders:
        build = c_sources.builds_of(folder)[0]
        for into, found in zip((symbols, broken), c_sources.symbols_of(root, folder, build), strict=True):
            into.update(found)
    return symbols, broken


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--dot", type=Path)
    parser.add_argument("folders", nargs="*", default=FOLDERS)
    arguments = parser.parse_args()
    if c_sources.compiler() is None or shutil.which("nm") is None or not c_sources.pythons():
        print("no C compiler, nm or Python.h here")
        return c_sources.COULD_NOT_RUN
    folders = [Path(folder).as_posix().rstrip("/") for folder in arguments.folders]
    symbols, broken = symbols_of_all(c_sources.ROOT, folders)
    edges = edges_of(symbols)
    if arguments.dot is not None:
        arguments.dot.write_text(dot_of(edges, folders), encoding="utf-8")
    problems = [*broken.items(), *problems_of(edges)]
    for name, problem in problems:
        print(f"{name}: {problem}")
    circles = circles_of(edges)
    count = sum(len(needed) for needed in edges.values())
    print(f"{len(edges)} files, {count} edges, {len(circles)} circles of {sum(map(len, circles))} files")
    print(f"::counts passed={int(not problems)} failed={len(problems)} skipped=0")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
