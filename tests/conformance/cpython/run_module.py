"""Runs a module of CPython's own test suite with and without this tracer, and compares the outcomes.

usage: run_module.py MODULE [--nframe N]

The tests that end differently are run again by themselves, both ways, because some of them depend on timing. One that still
differs is a failure, unless it ends the same way when the *standard* module traces: then tracing as such is the cause, and
the test is counted as skipped.
"""

import argparse

import compare

ATTEMPTS = 2
# Their children make a sub-interpreter with test.support, which refuses to while tracemalloc traces. The children run with
# -I, so that the standard module cannot be made to trace there for comparison.
REFUSED_BY_TEST_SUPPORT = (
    "SubinterpThreadingTests.test_daemon_threads_not_allowed",
    "SubinterpThreadingTests.test_threads_not_allowed",
)


def still_different(module, names, nframe):
    """The tests that differ each time they are run alone, with the two last runs."""
    before = after = None
    for _ in range(ATTEMPTS):
        before = compare.Run("plain", module, ids=names, timeout=300)
        after = compare.Run("traced", module, nframe, ids=names, timeout=600)
        names = compare.differing(before, after)
        if not names:
            break
    return names, before, after


def settle(module, names, before, after, nframe):
    """(failures, tests that the standard module's tracing changes in the same way)."""
    alone = [name for name in names if name.startswith(module)]
    texts = {name: compare.describe(name, before, after) for name in names}
    persistent = set(names) - set(alone)
    if alone:
        again, before, after = still_different(module, alone, nframe)
        for name in again:
            texts[name] = compare.describe(name, before, after)
        persistent |= set(again)
        for name in sorted(set(alone) - persistent):
            print(f"not steady: {texts[name]}; run alone both ways agree")
    failures, explained = [], []
    standard = compare.Run("standard", module, nframe, ids=sorted(persistent & set(alone))) if persistent else None
    for name in sorted(persistent):
        same = name in standard.outcomes and standard.outcomes[name] == after.outcomes.get(name)
        same = same or name.endswith(REFUSED_BY_TEST_SUPPORT)
        (explained if same else failures).append(name)
        print(("EXPLAINED " if same else "DIFFERENT ") + texts[name])
    return failures, explained


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("module")
    parser.add_argument("--nframe", type=int, default=1)
    arguments = parser.parse_args()
    compare.require_tests(arguments.module)
    compare.require_traceable()
    module = "test." + arguments.module
    before = compare.Run("plain", module)
    after = compare.Run("traced", module, arguments.nframe)
    names = compare.differing(before, after)
    failures, explained = settle(module, names, before, after, arguments.nframe) if names else ([], [])
    failed = len(failures)
    if before.whole and not after.whole and not failed:
        print(f"DIFFERENT the end of the run: {before.end} plain, {after.end} traced")
        failed += 1
    if not after.outcomes:
        print("no test was run")
        failed += 1
    for name in explained:
        print(f"::skip {name}: ends in the same way, or cannot be run, when the standard module traces")
    for name, reason in after.details.items():
        if after.outcomes[name] == "failed" and name not in failures:
            print(f"::skip {name}: fails without tracing as well")
        elif name == module:
            print(f"::skip {name}: {reason}")
    same = len(after.outcomes) - after.count("skipped") - after.count("failed")
    unjudged = len(after.outcomes) - same - failed
    compare.finish(max(same - len(explained), 0), failed, max(unjudged, 0))


if __name__ == "__main__":
    main()
