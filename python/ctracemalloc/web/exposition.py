"""Metrics as text: the format of Prometheus, version 0.0.4, and OpenMetrics, version 1.0.

Model: the two differ in the name of a counter's family (with `_total` in the first), in the lines UNIT and EOF of the second,
and in what a help text escapes. Which one is written is what the Accept header prefers, as Prometheus itself sends it.
"""

from collections.abc import Iterable

from .messages import Response
from .metrics import COUNTER, PREFIX, Metric

PLAIN_TYPE = "text/plain; version=0.0.4; charset=utf-8"
OPEN_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"
MOST_ACCEPTED = 32  # entries of an Accept header


def exposition(metrics: Iterable[Metric], accept: str) -> Response:
    is_open = prefers_open(accept)
    lines = [line for metric in metrics for line in lines_of(metric, is_open)]
    text = "\n".join([*lines, *(["# EOF"] if is_open else []), ""])
    return Response(200, text.encode(), OPEN_TYPE if is_open else PLAIN_TYPE)


def lines_of(metric: Metric, is_open: bool) -> list[str]:
    family = metric.family
    name = PREFIX + family.name
    sample = f"{name}_total" if family.kind == COUNTER else name
    head = name if is_open else sample
    lines = [f"# TYPE {head} {family.kind}", f"# HELP {head} {family.help}"]
    if is_open and family.unit:
        lines.insert(1, f"# UNIT {head} {family.unit}")
    for values, value in metric.samples.items():
        lines.append(f"{sample}{labels_text(family.labels, values)} {number_text(value)}")
    return lines


def labels_text(names: Iterable[str], values: Iterable[str]) -> str:
    pairs = [f'{name}="{escaped(value)}"' for name, value in zip(names, values, strict=True)]
    return f"{{{','.join(pairs)}}}" if pairs else ""


def escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def number_text(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(float(value))


def prefers_open(accept: str) -> bool:
    """Does an Accept header prefer OpenMetrics to plain text? Of equal wishes it does not."""
    wishes = {"application/openmetrics-text": 0.0, "text/plain": 0.0, "*/*": 0.0}
    for entry in accept.split(",")[:MOST_ACCEPTED]:
        kind, *parameters = (part.strip().lower() for part in entry.split(";"))
        if kind in wishes and version_is_known(kind, parameters):
            wishes[kind] = max(wishes[kind], quality_of(parameters))
    return wishes["application/openmetrics-text"] > max(wishes["text/plain"], wishes["*/*"])


def version_is_known(kind: str, parameters: Iterable[str]) -> bool:
    """Of OpenMetrics: a reader of another version alone cannot read ours."""
    versions = [parameter.removeprefix("version=") for parameter in parameters if parameter.startswith("version=")]
    return "openmetrics" not in kind or versions in ([], ["1.0.0"])


def quality_of(parameters: Iterable[str]) -> float:
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return min(max(float(parameter[2:]), 0.0), 1.0)
            except ValueError:
                return 0.0
    return 1.0
