"""The metrics for prometheus_client: a collector that a registry asks at each scrape.

Model: prometheus_client is imported when a collector is made, and needed for nothing else.
"""

from typing import Any

from .._exempt import exempt
from .metrics import COUNTER, FAMILIES, PREFIX, Metric, metrics_now
from .settings import checked_top
from .snapshots import Busy, snapshot_turn

PATIENCE = 2.0  # seconds that a scrape waits for an answer that is being made


class MemoryCollector:
    """What prometheus_client calls a collector; it asks for no base class."""

    def __init__(self, top: int) -> None:
        import prometheus_client.core as core

        self.kinds = {True: core.CounterMetricFamily, False: core.GaugeMetricFamily}
        self.top = top

    def collect(self) -> list[Any]:
        """The metrics now; none if another answer is still being made after PATIENCE."""
        try:
            with exempt(), snapshot_turn(PATIENCE):
                metrics = metrics_now(self.top)
        except Busy:
            return []
        return [self.converted(metric) for metric in metrics]

    def describe(self) -> list[Any]:
        """The names alone, for which no snapshot is taken."""
        return [self.converted(Metric(family, {})) for family in FAMILIES]

    def converted(self, metric: Metric) -> Any:
        family = metric.family
        made = self.kinds[family.kind == COUNTER](PREFIX + family.name, family.help, labels=family.labels)
        for values, value in metric.samples.items():
            made.add_metric(values, value)
        return made


def collector(top: int = 20) -> Any:
    """A collector of the metrics of this process, to register: `prometheus_client.REGISTRY.register(web.collector())`.

    top: of so many lines the live size has a sample of its own (0 to 1000). ImportError without prometheus_client.
    """
    return MemoryCollector(checked_top(top))
