"""Is the output that a page shows the output that there was?

Model: both are lines. What differs from run to run by nature (process ids, dates, run times, the number of small rows
that are not shown) is the same word on both sides. Then every line must be equal, blanks at its end left out. With a
tolerance, each number may be off by that much, and runs of blanks and of a table's lines are one, because columns move
with their numbers; words, and order and count of the lines, hold still. `...` in a line stands for any text in it, a
line `...` for any number of lines.
"""

import re

# A number that stands for itself: no part of a name (worker-1, int64, 3.13.0).
NUMBER = re.compile(r"(?<![\w./-])[+-]?\d[\d,]*(?:\.\d+)?(?![\w,]|\.\w|-\w)")
VARIES = [
    (re.compile(r"\bpid \d+"), "pid N"),
    (re.compile(r"\b(top \d+ of) \d+"), r"\1 N"),  # how many small rows there are besides
    (re.compile(r"\bctracemalloc-\d+\b"), "ctracemalloc-N"),
    (re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d"), "DATE"),
    (re.compile(r"\(\d+(\.\d+)? (s|ms)\)"), "(TIME)"),
]
ANY_TEXT = "..."
LEAST_DIFFERENCE = 1  # what a number may be off by even if it is small: 0.3 % and 0.4 %


def lines_of(text):
    for pattern, word in VARIES:
        text = pattern.sub(word, text)
    lines = [line.rstrip() for line in text.rstrip().split("\n")]
    return [] if lines == [""] else lines


def near(shown, actual, tolerance):
    one, other = (float(text.replace(",", "")) for text in (shown, actual))
    return abs(one - other) <= max(LEAST_DIFFERENCE, tolerance * max(abs(one), abs(other)))


def same_line(shown, actual, tolerance=None):
    if ANY_TEXT in shown:
        pieces = (re.escape(piece) for piece in shown.split(ANY_TEXT))
        return re.fullmatch(".*".join(pieces), actual) is not None
    if tolerance is None:
        return shown == actual
    shown, actual = (re.sub("─+", "─", " ".join(text.split())) for text in (shown, actual))
    if NUMBER.sub("#", shown) != NUMBER.sub("#", actual):
        return False
    return all(near(*pair, tolerance) for pair in zip(NUMBER.findall(shown), NUMBER.findall(actual), strict=True))


def matches(shown, actual, tolerance):
    """Do these lines stand for those?"""
    if not shown:
        return not actual
    if shown[0] == ANY_TEXT:
        return any(matches(shown[1:], actual[skipped:], tolerance) for skipped in range(len(actual) + 1))
    return bool(actual) and same_line(shown[0], actual[0], tolerance) and matches(shown[1:], actual[1:], tolerance)


def same_output(shown, actual, tolerance=None):
    return matches(lines_of(shown), lines_of(actual), tolerance)


def refreshed(shown, actual):
    """What the page should show instead; None: lines that stand for many are better written by hand."""
    old, new = shown.rstrip("\n").split("\n"), actual.rstrip().split("\n")
    if ANY_TEXT in old:
        return None
    kept = [line for line in old if ANY_TEXT in line]
    return "\n".join(next((line for line in kept if same_line(line, fresh)), fresh.rstrip()) for fresh in new)
