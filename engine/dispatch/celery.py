"""The Celery dispatcher: due executions travel to workers as messages that hold nothing but an id.

RabbitMQ with quorum queues and late acknowledgement; the truth is the row, its lease and its fence. Long timers stay
in rows: RabbitMQ drops a channel that holds a message for thirty minutes.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from celery import Celery
from kombu import Exchange, Queue  # type: ignore[attr-defined]  # re-exported lazily
from kombu.exceptions import OperationalError

from engine.dispatch.local import Carrier, LeaseKeeper, carry_safely
from engine.dispatch.publisher import Publisher
from engine.dispatch.timers import Timers
from engine.store import ExecutionStore
from infra.clock import Clock
from infra.db import Database

QUEUE = "playbook-bot.carry"
"""The queue unless the settings name another one: two installations may share a broker."""
TASK = "playbook-bot.carry"
PATIENCE_SECONDS = 5.0
"""How long a broker may take to confirm a message, or to accept a connection."""


def unreachable(broker_url: str, *, seconds: float) -> str:
    """Why RabbitMQ does not answer, or ""."""
    try:
        with celery_app(broker_url).connection(connect_timeout=seconds) as connection:
            connection.ensure_connection(max_retries=1, interval_start=0)
    except (OSError, OperationalError) as error:
        return str(error)
    return ""


def celery_app(broker_url: str, *, queue: str = QUEUE) -> Celery:
    """The Celery application that bots publish with and workers consume with."""
    app = Celery("playbook-bot", broker=broker_url, set_as_current=False)
    exchange = Exchange(queue, type="direct")  # type: ignore[no-untyped-call]  # kombu has no types
    arguments = {"x-queue-type": "quorum"}
    bound = Queue(queue, exchange, routing_key=queue, queue_arguments=arguments)  # type: ignore[no-untyped-call]
    app.conf.update(
        task_queues=[bound],
        task_default_queue=queue,
        task_default_exchange=queue,
        task_default_routing_key=queue,
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        task_ignore_result=True,
        worker_prefetch_multiplier=1,
        worker_enable_remote_control=False,
        worker_send_task_events=False,
        worker_hijack_root_logger=False,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        worker_enable_prefetch_count_reduction=False,
        broker_connection_timeout=PATIENCE_SECONDS,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,  # a worker outlives every outage of its broker
        broker_transport_options={"confirm_publish": True},
        broker_heartbeat=10,
        worker_detect_quorum_queues=True,
    )
    return app


def serve_tasks(app: Celery, carrier: Carrier) -> Callable[[str], None]:
    """Make this process's carrier the one that does the work of arriving messages."""

    def carry(execution_id: str) -> None:
        carry_safely(carrier, execution_id)

    task: Callable[[str], None] = app.task(name=TASK, shared=False)(carry)
    return task


class CeleryDispatcher:
    """Publishes what is due. Every process may run one: the lease decides who works."""

    def __init__(self, app: Celery, db: Database, store: ExecutionStore, carrier: Carrier, clock: Clock) -> None:
        self._app = app
        self._publisher = Publisher(self._send)
        self._timers = Timers(db, store, clock, self._publisher.publish)
        self._leases = LeaseKeeper(carrier)

    @property
    def depth(self) -> int:
        """Executions that wait to be told to RabbitMQ; it knows its own queue."""
        return self._publisher.depth

    def start(self) -> None:
        """Follow the clock; leases of other processes are left alone."""
        self._publisher.start()
        self._leases.start()
        self._timers.start()

    def stop(self) -> None:
        """Publish nothing any more."""
        self._timers.stop()
        self._publisher.stop()
        self._leases.stop()

    def wake(self, execution_id: str, due_at: datetime) -> None:
        """Have a worker carry this execution at that moment."""
        self._timers.wake(execution_id, due_at)

    def _send(self, execution_id: str) -> None:
        """Raises whatever the broker's client raises while there is no broker."""
        policy: dict[str, Any] = {"max_retries": 1, "interval_start": 0, "interval_step": 0.2, "interval_max": 0.2}
        self._app.send_task(TASK, (execution_id,), retry=True, retry_policy=policy, confirm_timeout=PATIENCE_SECONDS)
