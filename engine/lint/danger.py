"""What cannot be undone and nobody was asked about: destructive steps with a way to them past every approval. Pure.

Source: SSM User Guide, "aws:approve" (a rejection or a time-out fails the step, and `onFailure` decides what follows).
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from engine.document import CONTINUE, Step
from engine.edges import Edge, EdgeKind
from engine.lint.rule import Family, Found, warning
from engine.lint.subject import Subject, texts_in
from engine.references import Reference
from engine.scripts.danger import EVERYONE

DESTRUCTIVE: Final = re.compile(
    r"(?:Batch|Force|Admin)?(?:Delete|Terminate|Purge|Destroy|Wipe|Erase|Dispose)(?![a-z])"
    r"|DeregisterImage|Release(?:Address|Hosts)|ScheduleKeyDeletion|SchedulePolicyDeletion"
)
HARMLESS: Final = re.compile(r"DeleteTags(?:OnResource)?$|DeleteMessage(?:Batch)?$|.*(?:Tags|Tagging)$")
"""Named like it, but nothing is lost: labels, and messages that were read."""
CREATES: Final = re.compile(r"(?:Batch)?(?:Create|Run|Copy|Allocate|Restore|Import|Register|Request)(?![a-z])")
MAKERS: Final = frozenset({"aws:createStack", "aws:runInstances", "aws:createImage", "aws:copyImage"})
OPENS: Final = frozenset({"AuthorizeSecurityGroupIngress"})
RUNBOOKS: Final = re.compile(r"(?:^|[-_])(?:Terminate|Delete|Destroy|Purge)[A-Z]")


def _check(subject: Subject) -> Iterator[Found]:
    ways = _unapproved(subject) if subject.is_flow_known else {}
    for step, path in subject.steps:
        if _opens(step, subject):
            yield Found("DNG002", f'step "{step.name}" opens a security group to everyone', (*path, "inputs"))
        what = _destroys(step, subject)
        if not what or step.name not in ways or _is_its_own(step, subject):
            continue
        way = _way(step.name, ways)
        text = f'step "{step.name}" ({what}) cannot be undone, and no aws:approve stands before it'
        yield Found("DNG001", f"{text} on the way {way}" if " → " in way else text, path)


def _destroys(step: Step, subject: Subject) -> str:
    """What a step destroys with, or ""."""
    match step.action:
        case "aws:deleteImage" | "aws:deleteStack":
            return step.action
        case "aws:changeInstanceState":
            is_looking = str(step.inputs.get("CheckStateOnly", "")).lower() == "true"
            return "to terminated" if step.inputs.get("DesiredState") == "terminated" and not is_looking else ""
        case "aws:executeAwsApi":
            model = subject.operation(step)
            return f"{model.name}" if model is not None and is_destructive(model.name) else ""
        case "aws:executeAutomation":
            name = subject.literal(step, "DocumentName")
            return name if RUNBOOKS.search(name) else ""
        case "aws:executeScript":
            calls = subject.needs[step.name].calls if step.name in subject.needs else ()
            names = dict.fromkeys(
                f"{each.service} {each.operation}" for each in calls if is_destructive(each.operation)
            )
            return ", ".join(names)
    return ""


def is_destructive(operation: str) -> bool:
    """Whether an operation takes away what cannot be brought back, by AWS's naming."""
    return DESTRUCTIVE.match(operation) is not None and HARMLESS.match(operation) is None


def _opens(step: Step, subject: Subject) -> bool:
    model = subject.operation(step) if step.action == "aws:executeAwsApi" else None
    return model is not None and model.name in OPENS and bool(EVERYONE & set(texts_in(dict(step.inputs))))


def _unapproved(subject: Subject) -> dict[str, str]:
    """Each step that a run can come to without anybody's yes, and the step before it on that way."""
    onward: dict[str, list[str]] = {}
    for edge in subject.edges:
        source = subject.named.get(edge.source)
        if edge.target is not None and source is not None and _needs_no_yes(source, edge):
            onward.setdefault(edge.source, []).append(edge.target)
    first = subject.document.steps[0].name if subject.document.steps else ""
    found, waiting = {first: ""}, [first]
    while waiting:
        name = waiting.pop(0)
        for target in onward.get(name, ()):
            if target not in found:
                found[target] = name
                waiting.append(target)
    return found


def _needs_no_yes(step: Step, edge: Edge) -> bool:
    """Whether the flow takes an edge although nobody has approved."""
    if step.action != "aws:approve" or edge.kind in (EdgeKind.FAILURE, EdgeKind.CANCEL):
        return True
    return step.on_failure == CONTINUE


def _way(name: str, ways: Mapping[str, str]) -> str:
    names = [name]
    while ways[names[0]]:
        names.insert(0, ways[names[0]])
    return " → ".join(names if len(names) <= 6 else [*names[:2], "…", *names[-3:]])


def _is_its_own(step: Step, subject: Subject) -> bool:
    """Whether a step only takes away what this very run has made."""
    mine = [each for each in subject.references if each.step.name == step.name and not each.is_in_script]
    if any(each.text == "automation:EXECUTION_ID" for each in mine):
        return True
    if step.action == "aws:deleteStack" and step.inputs.get("StackName") in _stacks(subject):
        return True
    sources = [each for each in mine if each.output[0]]
    return bool(sources) and all(_is_maker(each, subject) for each in sources)


def _stacks(subject: Subject) -> list[object]:
    return [step.inputs.get("StackName") for step, _ in subject.steps if step.action == "aws:createStack"]


def _is_maker(reference: Reference, subject: Subject) -> bool:
    step = subject.named.get(reference.output[0])
    if step is None:
        return False
    model = subject.operation(step)
    if model is not None:
        return CREATES.match(model.name) is not None
    needs = subject.needs.get(step.name)
    return step.action in MAKERS or (needs is not None and any(CREATES.match(call.operation) for call in needs.calls))


FAMILY: Final = Family(
    "Danger",
    (
        warning(
            "DNG001", "what cannot be undone, with a way to it that no aws:approve guards",
            "put aws:approve before it, or let the playbook name approvers",
        ),
        warning("DNG002", "a security group is opened to everyone", "name the addresses that need it"),
    ),
    _check,
)  # fmt: skip
