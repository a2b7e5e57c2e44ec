"""Who is on call: turns, absences, services that are asked, and what counts while they do not answer."""

from datetime import timedelta
from typing import Any

import pytest

from infra import oncall
from infra.oncall import RotaUnanswered
from playbooks.answering import Answering
from playbooks.oncall import FRESH, STALE, Absence, AskedRota, NamedRota, OnCall, TurnRota
from playbooks.people import Directory, Person
from tests.fakes.clock import NIGHT, ManualClock

WEEK = timedelta(days=7)


def rota(*absences: Absence) -> TurnRota:
    """Lee, Sam and Kim, a week each."""
    return TurnRota(("lee", "sam", "kim"), NIGHT, WEEK, absences)


@pytest.mark.parametrize(("weeks", "who"), [(0, "lee"), (1, "sam"), (2, "kim"), (3, "lee"), (-1, "")])
def test_turns_go_round(weeks: int, who: str) -> None:
    """A turn begins at its very moment; before the first one nobody is on call."""
    assert "".join(rota().now(NIGHT + weeks * WEEK)) == who


def test_who_is_away_is_stood_in_for() -> None:
    """By whom they named, else by the next; where everybody is away, nobody is on call."""
    until = NIGHT + timedelta(days=1)

    assert rota(Absence("lee", NIGHT, until, "kim")).now(NIGHT) == ("kim",)
    assert rota(Absence("lee", NIGHT, until)).now(NIGHT) == ("sam",)
    assert rota(Absence("lee", NIGHT, until)).now(until) == ("lee",)
    assert rota(*(Absence(name, NIGHT, until, "lee") for name in ("lee", "sam", "kim"))).now(NIGHT) == ()


def test_lists_are_opened(clock: ManualClock) -> None:
    """`oncall:NAME` becomes who is on call; a name that no rota has is nobody."""
    on_call = OnCall({"first": TurnRota(("lee",), NIGHT, WEEK), "group": NamedRota(("S01",))}, clock)

    assert on_call.opened(("oncall:first", "sam", "oncall:group", "oncall:void")) == ("lee", "sam", "S01")


def test_a_service_is_asked_once_a_minute_and_trusted_for_ten(clock: ManualClock) -> None:
    """While it does not answer the last answer counts for a while; then nobody is on call."""
    asked: list[str] = []
    is_away = [False]

    def ask() -> tuple[str, ...]:
        asked.append("x")
        if is_away[0]:
            raise RotaUnanswered("away")
        return ("lee@example.org",)

    on_call = OnCall({"pager": AskedRota(ask)}, clock)
    names = ("oncall:pager",)
    assert on_call.opened(names) == ()
    on_call.refresh(names)
    on_call.refresh(names)
    assert (len(asked), on_call.opened(names)) == (1, ("lee@example.org",))

    is_away[0] = True
    clock.advance(FRESH + timedelta(seconds=1))
    on_call.refresh(names)
    assert (len(asked), on_call.opened(names)) == (2, ("lee@example.org",))
    clock.advance(STALE)
    assert on_call.opened(names) == ()


def test_an_address_is_its_person(clock: ManualClock) -> None:
    """PagerDuty knows e-mail addresses: they stand for the person of the table, and for nobody who is not there."""
    directory = Directory((Person("lee", slack="U01LEE", email="Lee@Example.org"), Person("sam", slack="U02SAM")))
    on_call = OnCall({"pager": NamedRota(("lee@example.org",))}, clock)
    answering = Answering(directory, on_call)

    assert answering.is_listed(directory.slack("T01", "U01LEE"), ("oncall:pager",))
    assert not answering.is_listed(directory.slack("T01", "U02SAM"), ("oncall:pager",))
    assert not answering.is_listed(directory.slack("T01", "U99", name="lee@example.org"), ("oncall:pager",))


def test_pagerduty_is_asked_as_it_wants_to_be() -> None:
    """The schedule by id, users included, the token in the header."""
    seen: list[Any] = []

    def get(url: str, headers: Any) -> Any:
        seen.append((url, headers["Authorization"]))
        return {"oncalls": [{"user": {"email": "lee@x.org"}}, {"user": {"email": "lee@x.org"}}]}

    assert oncall.pagerduty("P&1", "secret", get) == ("lee@x.org",)
    url = "https://api.pagerduty.com/oncalls?schedule_ids%5B%5D=P%261&include%5B%5D=users&limit=100"
    assert seen == [(url, "Token token=secret")]


def test_opsgenie_is_asked_as_it_wants_to_be() -> None:
    """The schedule by name, flat, the key in the header."""
    seen: list[Any] = []

    def get(url: str, headers: Any) -> Any:
        seen.append((url, headers["Authorization"]))
        return {"data": {"onCallRecipients": ["lee@x.org"]}}

    assert oncall.opsgenie("a/b", "secret", get) == ("lee@x.org",)
    url = "https://api.opsgenie.com/v2/schedules/a%2Fb/on-calls?scheduleIdentifierType=name&flat=true"
    assert seen == [(url, "GenieKey secret")]


@pytest.mark.parametrize("answer", [None, [], {"error": "x"}, {"oncalls": [{"user": None}]}, {"data": None}])
def test_an_answer_of_another_shape_is_none(answer: Any) -> None:
    """What cannot be read is no list of nobody."""
    with pytest.raises(RotaUnanswered):
        oncall.pagerduty("P1", "t", lambda *_: answer)
    with pytest.raises(RotaUnanswered):
        oncall.opsgenie("P1", "t", lambda *_: answer)
