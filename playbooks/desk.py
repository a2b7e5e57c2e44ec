"""What concerns one person: questions to them, their runs, what runs at all, what is red, what they may start. Pure."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from playbooks.facts import ApprovalFacts, ExecutionFacts, PlaybookFacts, SuggestionFacts
from playbooks.people import Identity

_MENTION: Final = re.compile(r"<(?:@|!subteam\^)([A-Z0-9]+)>")


@dataclass(frozen=True, slots=True)
class Desk:
    """The App Home's content. `search` is what playbooks were filtered by."""

    mine: tuple[ApprovalFacts, ...] = ()
    others: tuple[ApprovalFacts, ...] = ()
    running: tuple[ExecutionFacts, ...] = ()
    runs: tuple[ExecutionFacts, ...] = ()
    alarms: tuple[SuggestionFacts, ...] = ()
    playbooks: tuple[PlaybookFacts, ...] = ()
    search: str = ""


def may_answer(approval: ApprovalFacts, by: Identity) -> bool:
    """Whether this person is asked: on the list of a question, and not one of those who never may approve it.

    Who decides in the end is the policy's business.
    """
    if approval.never & {*by.spellings, by.id, by.account}:
        return False
    named = (_MENTION.fullmatch(entry) for entry in approval.approvers)
    ids = {match[1] if match else entry for match, entry in zip(named, approval.approvers, strict=True)}
    return bool(ids & by.spellings) or ("*" in ids and by.is_full_member)


def divided(
    approvals: Iterable[ApprovalFacts], by: Identity
) -> tuple[tuple[ApprovalFacts, ...], tuple[ApprovalFacts, ...]]:
    """Questions to this person that they have not answered yet, and the others."""
    mine: list[ApprovalFacts] = []
    others: list[ApprovalFacts] = []
    for each in approvals:
        has_answered = any(decision.actor.id == by.id for decision in each.decisions)
        (mine if may_answer(each, by) and not has_answered else others).append(each)
    return tuple(mine), tuple(others)


def filtered(playbooks: Sequence[PlaybookFacts], search: str) -> tuple[PlaybookFacts, ...]:
    """Those in whose name, title, description or trigger every word occurs; names that begin with it come first."""
    words = search.lower().split()

    def text(each: PlaybookFacts) -> str:
        return f"{each.name} {each.title} {each.description} {each.trigger}".lower()

    found = [each for each in playbooks if all(word in text(each) for word in words)]
    return tuple(sorted(found, key=lambda each: not (words and each.name.lower().startswith(words[0]))))
