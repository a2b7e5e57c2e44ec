"""Whether enough people of every group have answered alike; nobody fills two seats. Pure."""

from collections.abc import Sequence

from approvals.request import ApprovalRequest, Decision, Verdict


def is_reached(request: ApprovalRequest, verdict: Verdict) -> bool:
    """Whether the answers of one kind are enough."""
    given = [each for each in request.decisions if each.verdict == verdict]
    people = len({each.actor.id for each in given})
    return people >= request.minimum and not missing(request, verdict)


def missing(request: ApprovalRequest, verdict: Verdict = "Approve") -> tuple[int, ...]:
    """How many people each group still lacks; () when none lacks any."""
    given = [each for each in request.decisions if each.verdict == verdict]
    seats = [number for number, group in enumerate(request.groups) for _ in range(group.minimum)]
    taken = _seated(seats, given)
    lacking = [0] * len(request.groups)
    for seat, number in enumerate(seats):
        lacking[number] += seat not in taken
    return tuple(lacking) if any(lacking) else ()


def _seated(seats: Sequence[int], given: Sequence[Decision]) -> dict[int, int]:
    """Seat -> index of the answer that fills it: as many seats as can be filled (augmenting paths)."""
    taken: dict[int, int] = {}
    for answer in range(len(given)):
        _seat(answer, seats, given, taken, set())
    return taken


def _seat(answer: int, seats: Sequence[int], given: Sequence[Decision], taken: dict[int, int], tried: set[int]) -> bool:
    for seat, group in enumerate(seats):
        if seat in tried or group not in given[answer].groups:
            continue
        tried.add(seat)
        if seat not in taken or _seat(taken[seat], seats, given, taken, tried):
            taken[seat] = answer
            return True
    return False
