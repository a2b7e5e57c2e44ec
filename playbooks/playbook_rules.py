"""What contradicts itself in a playbook, though every key of it is well formed. Pure."""

import difflib
from collections.abc import Collection, Iterator
from typing import Final

from engine.document import Problem
from engine.parameters import supply
from engine.source import Source
from playbooks.mapping import KNOWN, is_known_reference, template_references
from playbooks.playbook import Playbook
from playbooks.playbook_file import NAME

APPROVAL_KEYS: Final = ("approvers", "minimum_approvals", "approval_expires_in", "may_approve_own")
OWN_APPROVERS: Final = "playbook.approvers"


def contradictions(playbook: Playbook, source: Source, given: Collection[str]) -> Iterator[Problem]:
    """Everything that cannot be meant; `given` are the keys that the file has."""
    if not NAME.fullmatch(playbook.name):
        text = f'"{playbook.name}" cannot be typed as a name; rename the folder, or give a name: such as my-playbook'
        yield source.problem("PBK012", text, ("name",) if "name" in given else ())
    for rule in (_mapping, _approvals, _start):
        yield from rule(playbook, source, given)


def _mapping(playbook: Playbook, source: Source, given: Collection[str]) -> Iterator[Problem]:  # noqa: ARG001 - as its kin
    declared = playbook.runbook.parameters
    for name, value in playbook.parameters.items():
        place = ("parameters", name)
        references = template_references(value)
        if name not in declared:
            near = difflib.get_close_matches(name, declared, n=1)
            hint = f' Did you mean "{near[0]}"?' if near else f" It declares: {', '.join(declared) or 'none'}."
            yield source.problem("PBK006", f'the runbook declares no parameter "{name}".{hint}', place)
        elif not references:
            try:
                supply(declared[name], value)
            except ValueError as error:
                yield source.problem("PBK013", str(error), place)
        for reference in references:
            if not is_known_reference(reference):
                near = difflib.get_close_matches(reference, KNOWN, n=1)
                hint = f'Did you mean "{near[0]}"?' if near else f"Known are: {', '.join(KNOWN)}."
                yield source.problem("PBK007", f'"{reference}" is not known here. {hint}', place)
        if OWN_APPROVERS in references and not playbook.approvers:
            text = f'"{name}" takes the playbook\'s approvers, and there are none: nobody could answer; add approvers:'
            yield source.problem("PBK014", text, place)


def _approvals(playbook: Playbook, source: Source, given: Collection[str]) -> Iterator[Problem]:
    if playbook.needs_approval:
        return
    for key in APPROVAL_KEYS:
        if key in given:
            yield source.problem("PBK008", f"{key} is given, but no step of the runbook is aws:approve", (key,))


def _start(playbook: Playbook, source: Source, given: Collection[str]) -> Iterator[Problem]:
    place = ("parameters",) if "parameters" in given else ()
    if playbook.start == "auto" and playbook.trigger is None:
        yield source.problem("PBK009", "start: auto needs a trigger, or nothing will ever start it", ("start",))
    for name, parameter in playbook.runbook.parameters.items():
        if not parameter.is_required or name in playbook.parameters:
            continue
        if playbook.start == "auto":
            text = f'start: auto needs a value for "{name}", which the runbook requires; add it to parameters:'
            yield source.problem("PBK010", text, place)
        elif name in playbook.fixed:
            text = (
                f'the runbook requires "{name}", which decides who approves or as whom it runs, so no person may give '
                f'it; add it to parameters:, for approvers as ["{{{{ {OWN_APPROVERS} }}}}"]'
            )
            yield source.problem("PBK011", text, place)
