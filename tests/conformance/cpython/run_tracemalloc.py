"""CPython's own test_tracemalloc.py, unmodified, with this module in place of the standard one.

Every test has to pass, or to be skipped exactly where it is skipped with the original.
"""

import compare

MODULE = "test.test_tracemalloc"


def main():
    compare.require_tests("test_tracemalloc")
    original = compare.Run("plain", MODULE)
    ours = compare.Run("standin", MODULE)
    wrong = [n for n, outcome in ours.outcomes.items() if outcome not in ("passed", "skipped")]
    differences = sorted(set(wrong) | set(compare.differing(original, ours)))
    for name in differences:
        print("DIFFERENT " + compare.describe(name, original, ours))
    failed = len(differences)
    if not ours.whole or not ours.outcomes:
        print(f"the run did not end well: {ours.end}")
        failed += 1
    compare.finish(ours.count("passed"), failed, ours.count("skipped"))


if __name__ == "__main__":
    main()
