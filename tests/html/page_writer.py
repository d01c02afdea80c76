"""A second writer of the HTML page, for the tests of its browser side.

Model: the package's writer (render/html) and the page's script agree on how data is stored. This one stores it in the same way,
with code of its own and from plain lists, so a test knows each figure that the page has to show. A tree is made of tracebacks:
a traceback is a tuple of frames (file, function, line), the outermost first, with a dict of figures for each state.
"""

import base64
import hashlib
import html
import json
import struct
import zlib
from pathlib import Path

BUILT = Path(__file__).resolve().parents[2] / "python" / "ctracemalloc" / "render" / "html"
ORIGINS = ["own", "installed", "stdlib", "imports", "tracer", "unknown"]
LIVE = ("size", "count")
PEAK = ("peak_size", "peak_count")
CHURN = ("allocated_size", "allocated_count")


class Columns:
    """The bytes of a dataset, and where each column lies in them."""

    def __init__(self):
        self.places, self.parts, self.at, self.values = {}, [], 0, {}

    def add(self, name, values, minus=None):
        self.values[name] = values
        stored = values if minus is None else [a - b for a, b in zip(values, self.values[minus])]
        planes = planes_of(stored)
        data = packed(stored, planes)
        self.places[name] = {"at": self.at, "length": len(stored), "planes": planes, "minus": minus, "parent": name == "parent"}
        self.parts.append(data)
        self.at += len(data)


def planes_of(values):
    most = max((max(values), -min(values) - 1), default=0) if values else 0
    return 0 if not any(values) else most.bit_length() // 8 + 1


def packed(values, planes):
    """All first bytes, then all second bytes …"""
    whole = b"".join(value.to_bytes(planes, "little", signed=True) for value in values)
    return b"".join(whole[plane::planes] for plane in range(planes))


class Tree:
    """A call tree of tracebacks, and its tables of frames, functions and files."""

    def __init__(self, figures):
        self.figures = figures  # names of the own figures that each state has
        self.strings, self.files, self.functions, self.frames, self.nodes = {}, {}, {}, {}, {}
        self.code = {}  # file: (module, package, origin)
        self.frame("", "", 0)
        self.frame("", "smaller", 0)
        self.nodes[None, 0] = 0
        self.own = [{}]  # by node: {(state, figure): value}
        self.merged_nodes = []

    def string(self, text):
        return self.strings.setdefault(text, len(self.strings))

    def file(self, name):
        return self.files.setdefault(name, len(self.files))

    def frame(self, file, function, line, first=None):
        key = (self.file(file), self.string(function), line if first is None else first)
        number = self.functions.setdefault(key, len(self.functions))
        return self.frames.setdefault((number, line), len(self.frames))

    def describe(self, file, module, package, origin):
        self.code[file] = (module, package, origin)

    def node(self, parent, frame):
        number = self.nodes.setdefault((parent, frame), len(self.own))
        if number == len(self.own):
            self.own.append({})
        return number

    def add(self, traceback, *states, first=1):
        """states: for each a dict of figures. first: the line where each function begins."""
        node = 0
        for file, function, line in traceback:
            node = self.node(node, self.frame(file, function, line, first))
        self.add_figures(node, states)

    def add_figures(self, node, states):
        for state, figures in enumerate(states):
            for name, value in figures.items():
                self.own[node][state, name] = self.own[node].get((state, name), 0) + value

    def add_smaller(self, traceback, places, *states):
        node = 0
        for file, function, line in traceback:
            node = self.node(node, self.frame(file, function, line, 1))
        self.add_figures(self.node(node, 1), states)
        self.merged_nodes.append(places)

    def columns(self, states, compared):
        columns = Columns()
        pairs = list(self.nodes)
        columns.add("parent", [0, *(node - parent for node, (parent, _) in enumerate(pairs) if node)])
        columns.add("frame", [frame for _, frame in pairs])
        for state in range(states):
            for name in self.figures:
                values = [own.get((state, name), 0) for own in self.own]
                before = f"s{state - 1}.{name}" if compared and state else None
                columns.add(f"s{state}.{name}", values, before)
        columns.add("merged_nodes", self.merged_nodes)
        columns.add("frame_function", [function for function, _ in self.frames])
        columns.add("frame_line", [line for _, line in self.frames])
        columns.add("function_file", [file for file, _, _ in self.functions])
        columns.add("function_name", [name for _, name, _ in self.functions])
        columns.add("function_line", [line for _, _, line in self.functions])
        code = [self.code.get(file, (file, file, "unknown")) for file in self.files]
        columns.add("file_name", [self.string(file) for file in self.files])
        columns.add("file_module", [self.string(module) for module, _, _ in code])
        columns.add("file_package", [self.string(package) for _, package, _ in code])
        columns.add("file_origin", [ORIGINS.index(origin) for _, _, origin in code])
        return columns

    def totals(self, state):
        return {name: sum(own.get((state, name), 0) for own in self.own) for name in self.figures}


def dataset(tree, labels=("",), times=None, ticks=None, **facts):
    """The bytes of a dataset before they are deflated. facts: other keys of its JSON."""
    columns = tree.columns(len(labels), compared=len(labels) > 1)
    for name, values in (ticks or {}).items():
        columns.add("tick_" + name, values)
    times = times or [None] * len(labels)
    states = [{"label": label, "time": times[i], "totals": tree.totals(i)} for i, label in enumerate(labels)]
    meta = {
        "facts": [],
        "losses": [],
        "estimated": False,
        "peak_known": set(PEAK) <= set(tree.figures),
        "churn_known": set(CHURN) <= set(tree.figures),
        "is_diff": False,
        "states": states,
        "merged": {"percent": 0.01, "nodes": sum(tree.merged_nodes)},
        "strings": list(tree.strings),
        "origins": ORIGINS,
        "sources": [],
        "no_source": "",
        "timeline": None,
        "processes": None,
        "columns": columns.places,
        **facts,
    }
    text = json.dumps(meta).encode("ascii")
    return struct.pack("<I", len(text)) + text + b"".join(columns.parts)


def page(datasets, title="a page", sections=("summary", "flame", "table", "source"), names=None):
    """The HTML file. datasets: as dataset() makes them; names: (name, detail, parent) of each."""
    names = names or [(f"data {i}", "python job.py", None) for i in range(len(datasets))]
    head = {
        "schema": 1,
        "version": "0",
        "title": title,
        "created": 1764500000.0,
        "sections": sections,
        "datasets": [{"name": name, "detail": detail, "parent": parent} for name, detail, parent in names],
    }
    script, style = ((BUILT / name).read_text(encoding="utf-8") for name in ("app.js", "app.css"))
    data = [
        f'<script type="application/octet-stream" id="data-{i}">{base64.b64encode(zlib.compress(data, 6)).decode()}</script>\n'
        for i, data in enumerate(datasets)
    ]
    policy = (
        f"default-src 'none'; script-src 'sha256-{digest(script)}'; style-src 'sha256-{digest(style)}'; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'"
    )
    return "".join(
        [
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n',
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n',
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n',
            f"<title>{html.escape(ascii(title)[1:-1])}</title>\n<style>{style}</style>\n</head>\n",
            '<body>\n<div id="app"></div>\n<noscript>This page needs scripts.</noscript>\n',
            f'<script type="application/json" id="head">{escaped(head)}</script>\n',
            *data,
            f"<script>{script}</script>\n</body>\n</html>\n",
        ]
    )


def escaped(head):
    text = json.dumps(head)
    for char in "<>&":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return text


def digest(text):
    return base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode()
