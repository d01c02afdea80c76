"""Compares the output in a page with the actual output.

Model: both are lines. Parts that differ in every run (process ids, dates, run times, the number of small rows that are not
shown) are replaced by the same word on both sides. Then every line must be equal, without blanks at its end. With a tolerance,
each number may differ by that much, and runs of blanks and of a table's lines count as one, because columns move with their
numbers; words, and order and count of the lines, must be equal. `...` in a line matches any text (the rest of the line is
compared as before), a line `...` any number of lines.
"""

import re

# A number by itself: not a part of a name (worker-1, int64, 3.13.0).
NUMBER = re.compile(r"(?<![\w./-])[+-]?\d[\d,]*(?:\.\d+)?(?![\w,]|\.\w|-\w)")
VARIES = [
    (re.compile(r"\bpid \d+"), "pid N"),
    (re.compile(r"\b(top \d+ of) [\d,]+"), r"\1 N"),  # how many small rows are left out
    (re.compile(r"^ *\d+(?= .* ctracemalloc\.\d+\.)", re.M), "N"),  # a row of a tree of processes
    (re.compile(r"\bctracemalloc\.\d+\b"), "ctracemalloc.N"),
    (re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d"), "DATE"),
    (re.compile(r"\(\d+(\.\d+)? (s|ms)\)"), "(TIME)"),
]
ANY_TEXT = "..."
LEAST_DIFFERENCE = 1  # by which even a small number may differ: 0.3 % and 0.4 %


def lines_of(text):
    for pattern, word in VARIES:
        text = pattern.sub(word, text)
    lines = [line.rstrip() for line in text.rstrip().split("\n")]
    return [] if lines == [""] else lines


def is_close(shown, actual, tolerance):
    one, other = (float(text.replace(",", "")) for text in (shown, actual))
    return abs(one - other) <= max(LEAST_DIFFERENCE, tolerance * max(abs(one), abs(other)))


def same_line(shown, actual, tolerance=None):
    if tolerance is None:
        return re.fullmatch(pattern_of(shown), actual) is not None
    shown, actual = (re.sub("─+", "─", " ".join(text.split())) for text in (shown, actual))
    found = re.fullmatch(pattern_of(shown, NUMBER), actual)
    return found is not None and all(
        is_close(*pair, tolerance) for pair in zip(NUMBER.findall(shown), found.groups(), strict=True)
    )


def pattern_of(shown, number=None):
    """The pattern of the lines that a line of the page stands for. number: of what may be any number, a group each."""
    texts = number.split(shown) if number is not None else [shown]
    any_number = f"({number.pattern})" if number is not None else ""
    return any_number.join(".*".join(map(re.escape, text.split(ANY_TEXT))) for text in texts)


def matches(shown, actual, tolerance):
    """Do the lines of the page match the actual ones?"""
    if not shown:
        return not actual
    if shown[0] == ANY_TEXT:
        return any(matches(shown[1:], actual[skipped:], tolerance) for skipped in range(len(actual) + 1))
    return bool(actual) and same_line(shown[0], actual[0], tolerance) and matches(shown[1:], actual[1:], tolerance)


def same_output(shown, actual, tolerance=None):
    return matches(lines_of(shown), lines_of(actual), tolerance)


def refreshed(shown, actual):
    """The new text for the page; None: it has a line `...`, and has to be written by hand."""
    old, new = shown.rstrip("\n").split("\n"), actual.rstrip().split("\n")
    if ANY_TEXT in old:
        return None
    kept = [line for line in old if ANY_TEXT in line]
    return "\n".join(next((line for line in kept if same_line(line, fresh)), fresh.rstrip()) for fresh in new)
