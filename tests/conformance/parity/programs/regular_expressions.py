"""re: patterns compiled, matches held, substitutions with functions, splits and scanners."""

import re

MOMENTS = ["matched"]
TEXT = " ".join(f"user{n}@example{n % 9}.org 2026-{n % 12 + 1:02}-{n % 28 + 1:02}" for n in range(200))


def swap(match):
    return f"<{match.group(2)} at {match.group(1)}>"


def main(moment):
    patterns = [re.compile(rf"(user{n}\d*)@(\w+)\.org") for n in range(10)]
    matches = [match for pattern in patterns for match in pattern.finditer(TEXT)]
    groups = [match.groups() for match in matches]
    dates = re.findall(r"(\d{4})-(\d\d)-(\d\d)", TEXT)
    replaced = re.sub(r"(\w+)@(\w+)", swap, TEXT)
    pieces = re.split(r"[\s@]+", TEXT)
    named = [m.groupdict() for m in re.finditer(r"(?P<year>\d{4})-(?P<month>\d\d)", TEXT)]
    moment("matched")
    return groups, dates, replaced, pieces, named
