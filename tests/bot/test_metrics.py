"""The figures: there when they are asked for, and as many as can be told."""

from prometheus_client import generate_latest

from bot.metrics import Metrics
from infra.db import DatabaseUnavailable


def lines(metrics: Metrics) -> list[str]:
    """What Prometheus would read."""
    return generate_latest(metrics.registry).decode().splitlines()


def test_acknowledgements_are_counted_in_slacks_scale() -> None:
    """Buckets reach from a millisecond to the three seconds that Slack waits."""
    metrics = Metrics()
    metrics.ack_seconds.labels("command").observe(0.004)
    metrics.ack_seconds.labels("command").observe(2.5)

    found = lines(metrics)
    assert 'playbook_bot_ack_seconds_bucket{kind="command",le="0.002"} 0.0' in found
    assert 'playbook_bot_ack_seconds_bucket{kind="command",le="0.005"} 1.0' in found
    assert 'playbook_bot_ack_seconds_bucket{kind="command",le="3.0"} 2.0' in found
    assert 'playbook_bot_ack_seconds_count{kind="command"} 2.0' in found


def test_slacks_answers_are_counted_by_outcome() -> None:
    """A 429 is an outcome of its own, by method."""
    metrics = Metrics()
    metrics.slack_calls.labels("chat.update", "ratelimited").inc()

    assert 'playbook_bot_slack_calls_total{method="chat.update",outcome="ratelimited"} 1.0' in lines(metrics)


def test_watched_figures_are_read_when_asked_for() -> None:
    """Nobody keeps them up to date: each scrape reads them anew, and registration reads nothing."""
    metrics, depth = Metrics(), {"outbox": 0.0}
    reads: list[str] = []

    def read() -> dict[str, float]:
        reads.append("read")
        return depth

    metrics.watch("queue_depth", "Work that waits", "queue", read)
    assert reads == []
    depth["outbox"] = 7.0

    assert 'playbook_bot_queue_depth{queue="outbox"} 7.0' in lines(metrics)


def test_without_a_database_the_rest_is_told() -> None:
    """A figure that cannot be read is left out; the scrape succeeds with all others."""
    metrics = Metrics()

    def unreadable() -> dict[str, float]:
        raise DatabaseUnavailable("it is away")

    metrics.watch("executions", "Executions by status", "status", unreadable)
    metrics.watch("queue_depth", "Work that waits", "queue", lambda: {"dispatcher": 2.0})
    metrics.alarms.labels("started").inc()

    found = lines(metrics)
    assert 'playbook_bot_queue_depth{queue="dispatcher"} 2.0' in found
    assert 'playbook_bot_alarms_total{verdict="started"} 1.0' in found
    assert not [line for line in found if line.startswith("playbook_bot_executions{")]
