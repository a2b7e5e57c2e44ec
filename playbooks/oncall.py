"""Who is on call: rotas of the settings, and services that are asked; lists name them as `oncall:NAME`."""

import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

import structlog

from infra.clock import Clock
from infra.oncall import RotaUnanswered

log = structlog.get_logger()

PREFIX: Final = "oncall:"
FRESH: Final = timedelta(seconds=60)
STALE: Final = timedelta(minutes=10)
"""So long an answer still counts while the service does not answer; then nobody is on call."""


class Rota(Protocol):
    """Says who is on call. Raises RotaUnanswered."""

    def now(self, now: datetime) -> tuple[str, ...]:
        """Names of lists, or e-mail addresses."""


@dataclass(frozen=True, slots=True)
class Absence:
    """Somebody is away from a moment to another; `instead` stands in, or the next of the rota."""

    who: str
    since: datetime
    until: datetime
    instead: str = ""


@dataclass(frozen=True, slots=True)
class TurnRota:
    """People in turn, each for `every`, the first one from `starts` on."""

    people: tuple[str, ...]
    starts: datetime
    every: timedelta
    absences: tuple[Absence, ...] = ()

    def now(self, now: datetime, is_away: Callable[[str], bool] = lambda _who: False) -> tuple[str, ...]:
        """Whose turn it is, or who stands in; () before the beginning and where everybody is away."""
        if now < self.starts or not self.people:
            return ()
        turn = (now - self.starts) // self.every
        for step in range(len(self.people)):
            who = self.people[(turn + step) % len(self.people)]
            away = self._absence(who, now)
            if away is None and not is_away(who):
                return (who,)
            instead = away.instead if away is not None else ""
            if instead and self._absence(instead, now) is None and not is_away(instead):
                return (instead,)
        return ()

    def _absence(self, who: str, now: datetime) -> Absence | None:
        return next((each for each in self.absences if each.who == who and each.since <= now < each.until), None)


@dataclass(frozen=True, slots=True)
class NamedRota:
    """Whoever an entry of lists stands for, such as a Slack user group that a pager keeps filled."""

    names: tuple[str, ...]

    def now(self, now: datetime) -> tuple[str, ...]:
        """The names."""
        return self.names


@dataclass(frozen=True, slots=True)
class AskedRota:
    """A service that is asked."""

    ask: Callable[[], tuple[str, ...]]

    def now(self, now: datetime) -> tuple[str, ...]:
        """What it says. Raises RotaUnanswered."""
        return self.ask()


class OnCall:
    """The rotas by name. `refresh` asks, outside of transactions; `opened` only remembers."""

    def __init__(
        self, rotas: Mapping[str, Rota], clock: Clock, is_away: Callable[[str], bool] = lambda _who: False
    ) -> None:
        """`is_away`: whether somebody is away whatever the rota says, so that the next one has their turn."""
        self._rotas, self._clock, self._is_away = rotas, clock, is_away
        self._known: dict[str, tuple[datetime, tuple[str, ...]]] = {}
        self._lock = threading.Lock()

    def refresh(self, names: Collection[str]) -> None:
        """Have the answers of the rotas that a list names, none older than a minute."""
        for name in dict.fromkeys(each.removeprefix(PREFIX) for each in names if each.startswith(PREFIX)):
            known, now = self._known.get(name), self._clock()
            if name not in self._rotas or (known is not None and timedelta(0) <= now - known[0] <= FRESH):
                continue
            try:
                found = self._rotas[name].now(now)
            except RotaUnanswered as error:
                log.warning("nobody says who is on call", rota=name, reason=str(error))
                continue
            with self._lock:
                self._known[name] = (now, found)

    def run(self, stop: threading.Event) -> None:
        """Keep the answers fresh until `stop` is set, so that cards can say who is on call."""
        while not stop.is_set():
            self.refresh([f"{PREFIX}{name}" for name in self._rotas])
            stop.wait(FRESH.total_seconds())

    @property
    def is_asking(self) -> bool:
        """Whether any rota has to be asked for."""
        return any(isinstance(rota, AskedRota) for rota in self._rotas.values())

    def opened(self, names: Iterable[str]) -> tuple[str, ...]:
        """The list with `oncall:NAME` replaced by those who are on call, as far as that is known."""
        found: list[str] = []
        for name in names:
            found += self._now(name.removeprefix(PREFIX)) if name.startswith(PREFIX) else [name]
        return tuple(dict.fromkeys(found))

    def is_known(self, entry: str) -> bool:
        """Whether it is known now who an entry of a list stands for; nobody is an answer, too."""
        return not entry.startswith(PREFIX) or self._told(entry.removeprefix(PREFIX)) is not None

    def _now(self, name: str) -> tuple[str, ...]:
        return self._told(name) or ()

    def _told(self, name: str) -> tuple[str, ...] | None:
        rota, now = self._rotas.get(name), self._clock()
        if isinstance(rota, TurnRota):
            return rota.now(now, self._is_away)
        if isinstance(rota, NamedRota):
            return rota.now(now)
        known = self._known.get(name)
        return known[1] if known is not None and timedelta(0) <= now - known[0] <= STALE else None
