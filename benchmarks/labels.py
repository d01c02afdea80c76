#!/usr/bin/env python3
"""Measures what a label for each request costs a web service.

Model: a Flask application, called through its test client in one process per measurement, with a template that was compiled
before. Three modes take turns: not traced, traced, and traced with the labels `request` (a new one each time) and `route`.
After a few hundred requests each process prints the CPU time of its best batch; of each mode the best of all rounds counts.

usage: labels.py [--python PATH] [--rounds N]     PATH: has the package, and Flask
"""

import argparse
import subprocess
import sys

ROWS = {"short": 60, "long": 600}  # of the table that a request makes
MODES = ("off", "traced", "labelled")
TEMPLATE = "{% for row in rows %}<tr><td>{{ row.name }}</td><td>{{ row.value }}</td></tr>{% endfor %}"
WARM_UP, BATCH, BATCHES = 300, 20, 25


def application(rows):
    import json

    import flask

    app = flask.Flask(__name__)
    template = app.jinja_env.from_string(TEMPLATE)

    @app.get("/page")
    def page():
        made = [{"name": f"n{i}", "value": i * 2} for i in range(rows)]
        return template.render(rows=json.loads(json.dumps(made)))

    return app.test_client()


def measure(mode, rows, nframe):
    import itertools
    import time

    import ctracemalloc

    client = application(rows)
    numbers = itertools.count()

    def requests(n):
        begun = time.process_time()
        for _ in range(n):
            if mode == "labelled":
                with ctracemalloc.labels(request=next(numbers), route="/page"):
                    client.get("/page")
            else:
                client.get("/page")
        return (time.process_time() - begun) / n * 1e6

    if mode != "off":
        ctracemalloc.start(nframe)
    requests(WARM_UP)
    print(min(requests(BATCH) for _ in range(BATCHES)))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--measure", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        mode, rows, nframe = options.measure
        measure(mode, int(rows), int(nframe))
        return
    print("| request | frames | not traced | traced | with labels | labels/traced |\n|---|---|---|---|---|---|")
    for name, rows in ROWS.items():
        for nframe in (1, 10):
            best = dict.fromkeys(MODES, float("inf"))
            for _ in range(options.rounds):
                for mode in MODES:
                    command = [options.python, __file__, "--measure", mode, str(rows), str(nframe)]
                    best[mode] = min(best[mode], float(subprocess.check_output(command)))
            row = " | ".join(f"{best[mode]:,.0f} µs" for mode in MODES)
            print(f"| {name} | {nframe} | {row} | {best['labelled'] / best['traced']:.2f} |")


if __name__ == "__main__":
    main()
