"""Makes moto's EC2 instances take time: stopping, pending, status checks, and a new launch time after each start.

`install()` is idempotent. Transitions end by themselves, on timers, so that every reader sees the same state.
"""

import copy
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from moto.core.utils import utcnow
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models.instances import Instance, InstanceState

Listener = Callable[[Instance], None]
CODES = {"pending": 0, "running": 16, "shutting-down": 32, "terminated": 48, "stopping": 64, "stopped": 80}

_plain = {"start": Instance.start, "stop": Instance.stop, "terminate": Instance.terminate, "reboot": Instance.reboot}


@dataclass(frozen=True, slots=True)
class Pace:
    """How long things take, in seconds. AWS takes longer; the order is the same."""

    stopping: float = 3.0
    pending: float = 2.0
    shutting_down: float = 2.0
    rebooting: float = 2.0
    initializing: float = 2.0


class IncorrectInstanceState(EC2ClientError):
    """An instance cannot do what was asked from the state it is in."""

    def __init__(self, instance: Instance, verb: str) -> None:
        sentence = f"The instance '{instance.id}' is not in a state from which it can be {verb}."
        super().__init__("IncorrectInstanceState", sentence)


# The serialiser of moto finds the error's service in the module of its class.
IncorrectInstanceState.__module__ = EC2ClientError.__module__


def install(pace: Pace, *, on_fresh: Listener | None = None) -> None:
    """Teach this process's moto; `on_fresh` hears of each instance that came up after a start or a reboot."""

    def start(self: Instance) -> InstanceState:
        before = _state_that_allows(self, ("stopped", "pending", "running"), "started")
        if before.name != "stopped":
            return before
        _plain["start"](self)
        self.launch_time = utcnow()
        impair(self, "")
        _change(self, "pending", "running", pace.pending, then=lambda: _initialize(self, pace.initializing, on_fresh))
        return before

    def stop(self: Instance) -> InstanceState:
        before = _state_that_allows(self, ("running", "stopping", "stopped"), "stopped")
        if before.name != "running":
            return before
        _plain["stop"](self)
        _change(self, "stopping", "stopped", pace.stopping)
        return before

    def terminate(self: Instance) -> InstanceState:
        before = copy.copy(self._state)
        if before.name in ("shutting-down", "terminated"):
            return before
        _plain["terminate"](self)
        _change(self, "shutting-down", "terminated", pace.shutting_down)
        return before

    def reboot(self: Instance) -> None:
        _state_that_allows(self, ("running",), "rebooted")
        _later(pace.rebooting, lambda: _come_back(self, pace.initializing, on_fresh))

    Instance.start = start  # type: ignore[method-assign]
    Instance.stop = stop  # type: ignore[method-assign]
    Instance.terminate = terminate  # type: ignore[method-assign]
    Instance.reboot = reboot  # type: ignore[method-assign]
    Instance.instance_status = property(lambda self: _checks(self, "instance"))  # type: ignore[assignment,method-assign]
    Instance.system_status = property(lambda self: _checks(self, "system"))  # type: ignore[assignment,method-assign]


def impair(instance: Instance, check: str) -> None:
    """Let one status check fail: `system`, `instance`, or "" for none."""
    vars(instance)["_impaired"] = check


def impaired_check(instance: Instance) -> str:
    """The status check that fails, or ""."""
    return str(vars(instance).get("_impaired", ""))


def _checks(instance: Instance, check: str) -> dict[str, Any]:
    status = "ok"
    if instance._state.name != "running":
        return {"Status": "not-applicable"}
    if impaired_check(instance) == check:
        status = "impaired"
    elif vars(instance).get("_is_initializing"):
        status = "initializing"
    detail = {"ok": "passed", "impaired": "failed", "initializing": "initializing"}[status]
    return {"Status": status, "Details": [{"Name": "reachability", "Status": detail}]}


def _state_that_allows(instance: Instance, states: tuple[str, ...], verb: str) -> InstanceState:
    if instance._state.name not in states:
        raise IncorrectInstanceState(instance, verb)
    return copy.copy(instance._state)


def _change(
    instance: Instance, now: str, finally_: str, seconds: float, *, then: Callable[[], None] | None = None
) -> None:
    _set(instance, now)

    def settle() -> None:
        if instance._state.name == now:
            _set(instance, finally_)
            if then is not None:
                then()

    _later(seconds, settle)


def _come_back(instance: Instance, seconds: float, on_fresh: Listener | None) -> None:
    """After a reboot the software is fresh, the host is the same."""
    if impaired_check(instance) != "system":
        impair(instance, "")
    _initialize(instance, seconds, on_fresh)


def _initialize(instance: Instance, seconds: float, on_fresh: Listener | None) -> None:
    vars(instance)["_is_initializing"] = True

    def done() -> None:
        vars(instance)["_is_initializing"] = False
        if on_fresh is not None and instance._state.name == "running":
            on_fresh(instance)

    _later(seconds, done)


def _set(instance: Instance, name: str) -> None:
    instance._state.name, instance._state.code = name, CODES[name]


def _later(seconds: float, action: Callable[[], None]) -> None:
    timer = threading.Timer(seconds, action)
    timer.daemon = True
    timer.start()
