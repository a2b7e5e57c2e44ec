"""How an explanation of access reads: every rule, whether it matched, and what else stands in the way. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from infra.canonical import Json
from playbooks.access import Decision, Finding, Wish

Mark = Literal["decides", "matches", "not", "info"]


@dataclass(frozen=True, slots=True)
class Why:
    """Everything that speaks for and against a start now."""

    wish: Wish
    decision: Decision
    tried: Decision | None
    obstacles: tuple[str, ...]
    """What holds it back besides access: a pause, a freeze, an execution that has the resource."""


def headline(why: Why, who: str) -> str:
    """Lee may run restart with environment=prod, or may not."""
    verb = "may" if why.decision.is_allowed else "may not"
    what = "decide about" if why.wish.verb == "approve" else why.wish.verb
    return f"{who} {verb} {what} {why.wish.playbook}{_with(why.wish)}."


def lines(why: Why) -> Iterator[tuple[Mark, str]]:
    """Each rule, the deciding one first, then those that match; and what holds a start back now."""
    yield from _rules(why.decision)
    if not why.decision.is_allowed:
        yield "info", f"Ask {why.decision.ask}." if why.decision.ask else "No rule says whom to ask."
    if why.tried is not None:
        outcome = "allow" if why.tried.is_allowed else "refuse"
        yield "info", f"The rules of the file are being learned from; they would {outcome} it:"
        yield from _rules(why.tried)
    for obstacle in why.obstacles:
        yield "info", obstacle


def plain(decision: Decision) -> Mapping[str, Json]:
    """A decision as JSON."""
    return {
        "allowed": decision.is_allowed,
        "reason": decision.reason,
        "ask": decision.ask,
        "rules": [
            {"rule": each.rule.source, "matched": each.is_matched, "decides": each.decides, "why": each.why}
            for each in decision.findings
        ],
    }


def _rules(decision: Decision) -> Iterator[tuple[Mark, str]]:
    order = sorted(decision.findings, key=lambda each: (not each.decides, not each.is_matched))
    if not any(each.decides for each in order):
        yield "info", "No rule matches, and what no rule allows is refused:"
    for finding in order:
        yield _mark(finding), f"{finding.rule.source}: {finding.why}{' – this one decides' if finding.decides else ''}"


def _mark(finding: Finding) -> Mark:
    return "decides" if finding.decides else "matches" if finding.is_matched else "not"


def _with(wish: Wish) -> str:
    said = [f"{name}={', '.join(wish.spelled(name))}" for name in sorted(wish.parameters or {}) if wish.spelled(name)]
    places = [(word, place) for word, place in (("in", wish.region), ("in account", wish.account)) if place]
    return (f" with {', '.join(said)}" if said else "") + "".join(f" {word} {place}" for word, place in places)
