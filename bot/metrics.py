"""The figures a monitoring system reads: acknowledgement times, queue depths, executions by status, 429s."""

from collections.abc import Callable, Iterator, Mapping

import structlog
from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from infra.db import DatabaseUnavailable

log = structlog.get_logger()

ACK_BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 3.0)


class _Gauges(Collector):
    """Reads its figures when it is asked, so that nothing has to keep them up to date."""

    def __init__(self, name: str, text: str, label: str, read: Callable[[], Mapping[str, float]]) -> None:
        self._name, self._text, self._label, self._read = name, text, label, read

    def collect(self) -> Iterator[Metric]:
        """One gauge with one label; without any value while the database is away, for the rest can still be told."""
        gauge = GaugeMetricFamily(self._name, self._text, labels=[self._label])
        try:
            found = self._read()
        except DatabaseUnavailable as error:
            log.warning("figures not read", metric=self._name, error=str(error))
            found = {}
        for key, value in found.items():
            gauge.add_metric([key], value)
        yield gauge

    def describe(self) -> Iterator[Metric]:
        """Nothing is read at registration."""
        yield GaugeMetricFamily(self._name, self._text, labels=[self._label])


class Metrics:
    """One registry per process, made at composition: no global state."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.ack_seconds = Histogram(
            "playbook_bot_ack_seconds",
            "Time until a Slack request was acknowledged",
            ["kind"],
            buckets=ACK_BUCKETS,
            registry=self.registry,
        )
        self.slack_calls = Counter(
            "playbook_bot_slack_calls", "Slack Web API calls", ["method", "outcome"], registry=self.registry
        )
        self.api_calls = Counter(
            "playbook_bot_api_calls", "Calls of SSM's API; code is empty for a good answer", ["operation", "code"],
            registry=self.registry,
        )  # fmt: skip
        self.alarms = Counter("playbook_bot_alarms", "Alarm messages", ["verdict"], registry=self.registry)

    def watch(self, name: str, text: str, label: str, read: Callable[[], Mapping[str, float]]) -> None:
        """Publish figures that are read on demand."""
        self.registry.register(_Gauges(f"playbook_bot_{name}", text, label, read))
