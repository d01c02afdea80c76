#!/usr/bin/env python3
"""Makes tables and a plot from the results of run.py.

usage: report.py FILE.json [--plot FILE.png]      one result: a Markdown table of ratios to no tracing
       report.py --compare OLD.json NEW.json      two: how each mode's ratio changed
"""

import argparse
import json
import math
import sys
from pathlib import Path


def load(path):
    return json.loads(Path(path).read_text(encoding="utf-8"))


def ratios_of(result, mode):
    """{benchmark: ratio to no tracing} where both were measured."""
    rows = {name: row["seconds"] for name, row in result["benchmarks"].items()}
    return {name: s[mode] / s["none"] for name, s in rows.items() if mode in s and "none" in s}


def geometric_mean(ratios):
    return math.exp(sum(map(math.log, ratios)) / len(ratios))


def summarize(ratios):
    """(geometric mean, worst, its name) of a mode's ratios."""
    worst = max(ratios, key=ratios.get)
    return geometric_mean(ratios.values()), ratios[worst], worst


def print_table(result):
    machine, modes = result["machine"], [mode for mode in result["modes"] if mode != "none"]
    modes = [mode for mode in modes if ratios_of(result, mode)]
    columns = {mode: ratios_of(result, mode) for mode in modes}
    print(f"Python {machine['python']}, {machine['processor']}, {machine['cores']} cores, {machine['system']},")
    print(f"commit {machine['commit']}, {machine['date']}. Ratios of run time to no tracing; best of the rounds.\n")
    print("| benchmark | " + " | ".join(modes) + " |")
    print("|---" * (len(modes) + 1) + "|")
    for name in result["benchmarks"]:
        cells = [f"{columns[mode][name]:.2f}" if name in columns[mode] else "-" for mode in modes]
        print(f"| {name} | " + " | ".join(cells) + " |")
    if modes:
        means = [f"**{geometric_mean(columns[mode].values()):.3f}**" for mode in modes]
        print("| **geometric mean** | " + " | ".join(means) + " |")
        worst = [f"{value:.2f} {name}" for _, value, name in (summarize(columns[mode]) for mode in modes)]
        print("| worst | " + " | ".join(worst) + " |")
    for name, row in result["benchmarks"].items():
        for mode, why in row["failed"].items():
            print(f"\nNot measured: {name} under {mode}: {why}")


def print_comparison(old, new):
    print("| mode | old mean | new mean | old worst | new worst | benchmarks |")
    print("|---|---|---|---|---|---|")
    for mode in new["modes"]:
        before, after = ratios_of(old, mode), ratios_of(new, mode)
        both = [name for name in after if name in before]
        if mode == "none" or not both:
            continue
        before, after = summarize({n: before[n] for n in both}), summarize({n: after[n] for n in both})
        worst = [f"{value:.2f} {name}" for _, value, name in (before, after)]
        print(f"| {mode} | {before[0]:.3f} | {after[0]:.3f} | {worst[0]} | {worst[1]} | {len(both)} |")


def draw(result, path):
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    names = sorted(ratios_of(result, "ctracemalloc:1"), key=ratios_of(result, "ctracemalloc:1").get)
    figure, axes = pyplot.subplots(figsize=(9, 0.2 * len(names) + 1.5))
    for mode in result["modes"]:
        ratios = ratios_of(result, mode)
        shown = [name for name in names if name in ratios]
        if mode != "none" and shown:
            axes.plot([ratios[name] for name in shown], [names.index(name) for name in shown], "o", markersize=4,
                      label=f"{mode} ({geometric_mean(ratios.values()):.2f})")  # fmt: skip
    axes.set_yticks(range(len(names)), names, fontsize=7)
    axes.set_xscale("log")
    axes.set_xticks([1, 1.5, 2, 3, 5, 10, 20, 50], ["1", "1.5", "2", "3", "5", "10", "20", "50"])
    axes.set_xlabel(f"run time, as a ratio to no tracing (Python {result['machine']['python']})")
    axes.grid(axis="x", linewidth=0.3)
    axes.legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("results", nargs="+")
    parser.add_argument("--compare", action="store_true")
    parser.add_argument("--plot")
    options = parser.parse_args()
    results = [load(path) for path in options.results]
    if options.compare:
        if len(results) != 2:
            parser.error("--compare takes two results")
        print_comparison(*results)
        return
    for result in results:
        print_table(result)
    if options.plot:
        draw(results[-1], options.plot)


if __name__ == "__main__":
    sys.exit(main())
