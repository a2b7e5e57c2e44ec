"""Ids reach the broker once and in order; nobody waits for a broker that does not answer."""

import threading

import pytest

from engine.dispatch import publisher as module
from engine.dispatch.publisher import Publisher


class Broker:
    """Remembers what it was sent; `gate` closed, it lets a sender wait, `errors` are raised one after the other."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.errors: list[Exception] = []
        self.gate = threading.Event()
        self.gate.set()
        self.asked = threading.Event()

    def send(self, execution_id: str) -> None:
        """Take one."""
        self.asked.set()
        assert self.gate.wait(20)
        if self.errors:
            raise self.errors.pop(0)
        self.sent.append(execution_id)


@pytest.fixture
def broker() -> Broker:
    """A broker that answers."""
    return Broker()


def test_what_waits_is_sent_in_order_before_the_end(broker: Broker) -> None:
    """Stopping sends the rest."""
    publisher = Publisher(broker.send)
    for name in ("a", "b", "c"):
        publisher.publish(name)
    publisher.start()
    publisher.stop(20)

    assert broker.sent == ["a", "b", "c"]
    assert publisher.depth == 0


def test_nobody_waits_for_a_broker_that_hangs(broker: Broker) -> None:
    """`publish` returns while a send is stuck; the same id is sent once more, not as often as it was published."""
    broker.gate.clear()
    publisher = Publisher(broker.send)
    publisher.start()
    publisher.publish("a")
    assert broker.asked.wait(20)
    for _ in range(5):
        publisher.publish("a")
    publisher.publish("b")
    assert publisher.depth == 2
    broker.gate.set()
    publisher.stop(20)

    assert broker.sent == ["a", "a", "b"]


def test_what_a_broker_refuses_is_kept_for_the_next_try(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    """An outage loses no id and changes no order, whatever the client raises."""
    monkeypatch.setattr(module, "PAUSE_SECONDS", 0.001)
    broker.errors = [OSError("gone"), RuntimeError("the client's own defect")]
    publisher, is_sent = Publisher(broker.send), threading.Event()
    publisher.publish("a")
    publisher.publish("b")
    publisher.start()
    while len(broker.sent) < 2:
        is_sent.wait(0.001)
    publisher.stop(20)

    assert broker.sent == ["a", "b"]


def test_a_broker_that_is_away_does_not_keep_the_process_from_ending(broker: Broker) -> None:
    """The rows say what is due; whoever comes next finds it."""
    broker.errors = [OSError("gone")] * 3
    publisher = Publisher(broker.send)
    publisher.publish("a")
    publisher.start()
    assert broker.asked.wait(20)
    publisher.stop(20)

    assert broker.sent == []
    assert publisher.depth == 1


def test_too_much_is_left_to_the_sweep(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    """A long outage does not fill the memory."""
    monkeypatch.setattr(module, "MOST_WAITING", 2)
    publisher = Publisher(broker.send)
    for name in ("a", "b", "c"):
        publisher.publish(name)

    assert publisher.depth == 2
