"""Text and files: formatting, encoding, csv, configparser, pickle, ast, datetime and decimal."""

import ast
import configparser
import csv
import datetime
import decimal
import io
import pickle

MOMENTS = ["text", "objects"]


def main(moment):
    lines = [f"{n:>8}|{n / 7:.3f}|{n!r:<5}" for n in range(300)]
    rows = list(csv.reader(line.replace("|", ",") for line in lines))
    writer = io.StringIO()
    csv.writer(writer).writerows(rows)
    config = configparser.ConfigParser()
    config.read_string("\n".join(f"[section {n}]\nkey = value {n}\nother = %(key)s" for n in range(40)))
    values = [config.get(section, "other") for section in config.sections()]
    encoded = ["zeichen äöü %d" % n for n in range(100)]
    raw = [text.encode("utf-16") for text in encoded]
    moment("text")
    source = "\n".join(f"def f{n}(a):\n    return [a, {n}, '{n}']" for n in range(50))
    parsed = ast.parse(source)
    names = [node.name for node in ast.walk(parsed) if isinstance(node, ast.FunctionDef)]
    packed = pickle.dumps((rows, values, names))
    unpacked = pickle.loads(packed)
    days = [datetime.date(2026, 1, 1) + datetime.timedelta(days=n) for n in range(100)]
    amounts = [decimal.Decimal(n) / 7 for n in range(100)]
    large = [7**n for n in range(0, 400, 5)]
    moment("objects")
    return raw, unpacked, days, amounts, large
