"""A static type checker: mypy over a module of the standard library, without its cache."""

import colorsys

import mypy.api
import pyperf


def work(path):
    report = mypy.api.run(["--cache-dir=/dev/null", "--no-error-summary", "--follow-imports=silent", path])
    return len(report[0])


if __name__ == "__main__":
    runner = pyperf.Runner()
    runner.bench_func("type_checker", work, colorsys.__file__)
