"""The Celery dispatcher: due executions travel to workers as messages that hold nothing but an id.

RabbitMQ with quorum queues and late acknowledgement; the truth is the row, its lease and its fence. Long timers stay
in rows: RabbitMQ drops a channel that holds a message for thirty minutes.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import structlog
from celery import Celery
from kombu import Connection, Exchange, Queue  # type: ignore[attr-defined]  # re-exported lazily
from kombu.exceptions import OperationalError

from engine.dispatch.local import Carrier, LeaseKeeper, carry_safely
from engine.dispatch.publisher import Publisher
from engine.dispatch.timers import Timers
from engine.store import ExecutionStore
from infra.clock import Clock
from infra.db import Database

log = structlog.get_logger()

QUEUE = "playbook-bot.carry"
"""The queue unless the settings name another one: two installations may share a broker."""
TASK = "playbook-bot.carry"
BRIEFLY_SECONDS = 2.0
"""How long a question to the broker may take that is not worth waiting for."""
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
        self._timers = Timers(db, store, clock, self._publisher.publish, waiting=self._in_the_queue)
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

    def _in_the_queue(self) -> int:
        """Messages that no worker has yet; 0 when the broker does not say. On a connection that cannot hang."""
        url, patience = self._app.connection_for_read().as_uri(include_password=True), BRIEFLY_SECONDS
        limits = {"read_timeout": patience, "write_timeout": patience}
        try:
            asking = Connection(url, connect_timeout=patience, transport_options=limits)  # type: ignore[no-untyped-call]
            with asking as connection:
                queue = connection.default_channel.queue_declare(self._app.conf.task_default_queue, passive=True)
                return int(queue.message_count)
        except Exception as error:  # noqa: BLE001 - whatever the client raises, the sweep must go on
            log.warning("broker does not tell what waits", error=str(error))
            return 0

    def _send(self, execution_id: str) -> None:
        """Raises whatever the broker's client raises while there is no broker."""
        policy: dict[str, Any] = {"max_retries": 1, "interval_start": 0, "interval_step": 0.2, "interval_max": 0.2}
        self._app.send_task(TASK, (execution_id,), retry=True, retry_policy=policy, confirm_timeout=PATIENCE_SECONDS)
