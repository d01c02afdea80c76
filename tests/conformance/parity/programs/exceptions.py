"""Exceptions with their tracebacks, chains, groups, and frames to which they hold references."""

MOMENTS = ["caught"]


class Problem(Exception):
    def __init__(self, n):
        super().__init__(f"problem {n}")
        self.data = [n] * 10


def fail(n):
    local = bytearray(n + 100)
    if n % 3 == 0:
        raise Problem(n)
    if n % 3 == 1:
        return {}[f"missing {n}", len(local)]
    return 1 / (n - n)


def chain(n):
    try:
        fail(n)
    except Exception as error:
        raise RuntimeError(f"while {n}") from error


def finish(n, held):
    try:
        chain(n)
    finally:
        held.append((n, str(n) * 30))


def main(moment):
    held, errors = [], []
    for n in range(120):
        try:
            finish(n, held)
        except RuntimeError as error:
            errors.append(error)
    groups = []
    for n in range(10):
        try:
            raise ExceptionGroup(f"group {n}", [ValueError(n), TypeError([n] * 5)])
        except* ValueError as group:
            groups.append(group)
        except* TypeError as group:
            groups.append(group)
    for n in range(500):
        try:
            int("x%d" % n)
        except ValueError:
            held.append(n)
    moment("caught")
    return errors, groups
