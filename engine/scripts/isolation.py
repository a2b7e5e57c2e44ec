"""What keeps a script away from the bot and the machine here, and whether that is enough. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from engine.scripts.inside.seat import Plan

Kind = Literal["bubblewrap", "namespaces", "landlock", "none"]
KINDS: Final[tuple[Kind, ...]] = ("bubblewrap", "namespaces", "landlock", "none")
"""Strongest first."""
NOBODY: Final = 65534
INSTEAD: Final = (
    "install bubblewrap, or run the bot where a user may make name spaces or on Linux 5.13 or newer with Landlock, "
    "or set allow_unjailed_scripts to true if every runbook's author may do all that the bot may"
)
NO_PLAN: Final = Plan()


@dataclass(frozen=True, slots=True)
class Isolation:
    """How scripts are kept apart; `is_safe` is False where they are not run without the operator's word."""

    kind: Kind
    detail: str
    plan: Plan = NO_PLAN

    @property
    def is_safe(self) -> bool:
        """Whether scripts of people who are not the operator may run."""
        return self.kind != "none"


def judged(abilities: Mapping[str, Any], *, strongest: Kind = "bubblewrap") -> Isolation:
    """The strongest isolation that these abilities make, not stronger than `strongest` (for tests)."""
    rank = KINDS.index(strongest)
    landlock, has_seccomp = int(abilities["landlock"]), bool(abilities["seccomp"])
    plan = Plan(
        has_room=bool(abilities["has_room"]),
        has_namespaces=bool(abilities["namespaces"]) and rank <= KINDS.index("namespaces"),
        has_landlock=landlock > 0 and strongest != "none",
        has_seccomp=has_seccomp and strongest != "none",
        user=NOBODY if abilities["can_change_user"] else None,
    )
    return Isolation(_kind(plan), _detail(plan, abilities), plan)


def _kind(plan: Plan) -> Kind:
    if not plan.has_seccomp:
        return "none"
    if plan.has_room and (plan.has_namespaces or plan.has_landlock):
        return "bubblewrap"
    if plan.has_landlock:
        return "namespaces" if plan.has_namespaces else "landlock"
    return "none"


def _detail(plan: Plan, abilities: Mapping[str, Any]) -> str:
    parts = {
        "bubblewrap": plan.has_room,
        "own name spaces": plan.has_namespaces,
        f"Landlock {abilities['landlock']}": plan.has_landlock,
        "seccomp": plan.has_seccomp,
        "an unprivileged user": plan.user is not None,
    }
    present = ", ".join(name for name, is_there in parts.items() if is_there) or "limits of time and memory only"
    return f"Python {abilities['python']}, boto3 {abilities['boto3']}; {present}"
