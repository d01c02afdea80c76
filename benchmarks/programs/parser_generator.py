"""A parser generator: an LALR(1) parser made from a grammar of JSON, and documents parsed into trees."""

import json

import lark
import pyperf

GRAMMAR = r"""
?value: dict | list | string | SIGNED_NUMBER -> number | "true" -> true | "false" -> false | "null" -> null
list: "[" [value ("," value)*] "]"
dict: "{" [pair ("," pair)*] "}"
pair: string ":" value
string: ESCAPED_STRING
%import common.ESCAPED_STRING
%import common.SIGNED_NUMBER
%import common.WS
%ignore WS
"""
DOCUMENT = json.dumps([{"id": n, "name": f"n{n}", "values": [n, n / 3, None, True], "inner": {"a": []}} for n in range(60)])


def work():
    parser = lark.Lark(GRAMMAR, parser="lalr", start="value")
    return len(parser.parse(DOCUMENT).children)


if __name__ == "__main__":
    runner = pyperf.Runner()
    runner.bench_func("parser_generator", work)
