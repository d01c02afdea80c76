"""A second reader of the HTML pages, written from the description of their data alone: it shares no code with the writer.

`read(text)` returns a Page. Elements are found by Python's own HTML parser, so what a name could break is seen.
"""

import base64
import hashlib
import json
import zlib
from collections import namedtuple
from html.parser import HTMLParser

Page = namedtuple("Page", "head datasets title policy digests elements")
Dataset = namedtuple("Dataset", "facts columns")
QUIET = {"meta", "link", "br"}


class Elements(HTMLParser):
    """The elements of a page, each with its attributes and its text."""

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.found, self.open = [], []

    def handle_starttag(self, tag, attributes):
        element = (tag, dict(attributes), [])
        self.found.append(element)
        if tag not in QUIET:
            self.open.append(element)

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> ends nothing"
        begun = self.open.pop()
        assert begun[0] == tag, f"</{tag}> ends <{begun[0]}>"

    def handle_data(self, data):
        if self.open:
            self.open[-1][2].append(data)


def read(text):
    parser = Elements()
    parser.feed(text)
    parser.close()
    assert not parser.open, parser.open
    elements = [(tag, attributes, "".join(parts)) for tag, attributes, parts in parser.found]
    by_id = {attributes["id"]: content for _tag, attributes, content in elements if "id" in attributes}
    head = json.loads(by_id["head"])
    datasets = [dataset(by_id[f"data-{number}"]) for number in range(len(head["datasets"]))]
    (title,) = (content for tag, _attributes, content in elements if tag == "title")
    (policy,) = (a["content"] for _tag, a, _content in elements if a.get("http-equiv") == "Content-Security-Policy")
    inline = [content for tag, a, content in elements if tag == "style" or (tag == "script" and "type" not in a)]
    digests = [base64.b64encode(hashlib.sha256(content.encode()).digest()).decode() for content in inline]
    return Page(head, datasets, title, policy, digests, [(tag, attributes) for tag, attributes, _content in elements])


def dataset(encoded):
    raw = zlib.decompress(base64.b64decode(encoded, validate=True))
    length = int.from_bytes(raw[:4], "little")
    facts = json.loads(raw[4 : 4 + length])
    body, columns = raw[4 + length :], {}
    for name, column in facts["columns"].items():
        rows, planes = column["length"], column["planes"]
        assert len(body) >= column["at"] + rows * planes
        parts = [body[column["at"] + plane * rows :][:rows] for plane in range(planes)]
        values = [int.from_bytes(value, "little", signed=True) for value in zip(*parts)] if planes else [0] * rows
        if column["minus"] is not None:
            values = [value + other for value, other in zip(values, columns[column["minus"]], strict=True)]
        columns[name] = values
    columns["parent"] = [node - distance for node, distance in enumerate(columns["parent"])]
    return Dataset(facts, columns)


def totals(found, name):
    """A figure of each node with all that is below it."""
    column = list(found.columns[name])
    for node in range(len(column) - 1, 0, -1):
        column[found.columns["parent"][node]] += column[node]
    return column


def paths(found):
    """Of each node the frames from the root: (file, line, function); of merged ones None as the last."""
    columns, strings = found.columns, found.facts["strings"]
    of_node = [()]
    for node in range(1, len(columns["parent"])):
        frame = columns["frame"][node]
        name = None
        if frame != 1:
            function = columns["frame_function"][frame]
            file = strings[columns["file_name"][columns["function_file"][function]]]
            name = (file, columns["frame_line"][frame], strings[columns["function_name"][function]])
        of_node.append((*of_node[columns["parent"][node]], name))
    return of_node
