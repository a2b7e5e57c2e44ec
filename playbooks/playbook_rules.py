"""What contradicts itself in a playbook, though every key of it is well formed. Pure."""

import difflib
from collections.abc import Collection, Iterator
from typing import Final

from engine.actions.approve import MOST_APPROVERS
from engine.document import Problem
from engine.parameters import supply
from engine.source import Source
from playbooks.approval_policy import ApprovalPolicy
from playbooks.mapping import KNOWN, is_known_reference, template_references
from playbooks.playbook import Playbook
from playbooks.playbook_file import NAME

APPROVAL_KEYS: Final = (
    "approvers",
    "minimum_approvals",
    "approval_expires_in",
    "may_approve_own",
    "approval",
    "break_glass",
)
OWN_APPROVERS: Final = "playbook.approvers"


def contradictions(playbook: Playbook, source: Source, given: Collection[str]) -> Iterator[Problem]:
    """Everything that cannot be meant; `given` are the keys that the file has."""
    if not NAME.fullmatch(playbook.name):
        text = f'"{playbook.name}" cannot be typed as a name; rename the folder, or give a name: such as my-playbook'
        yield source.problem("PBK012", text, ("name",) if "name" in given else ())
    for rule in (_mapping, _approvals, _start, _lock, _secret):
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
    if playbook.needs_approval or playbook.runs_others:
        yield from _policy(playbook, source, given)
        return
    for key in APPROVAL_KEYS:
        if key in given:
            yield source.problem("PBK008", f"{key} is given, but no step of the runbook is aws:approve", (key,))


def _policy(playbook: Playbook, source: Source, given: Collection[str]) -> Iterator[Problem]:
    """What contradicts itself within `approval`."""
    if playbook.approval is None:
        return
    asking = {step.name: step for step in playbook.runbook.all_steps() if step.action == "aws:approve"}
    for name in playbook.approval.of_steps:
        if name not in asking:
            text = f'"{name}" is no aws:approve step of the runbook; there are: {", ".join(asking) or "none"}'
            yield source.problem("PBK016", text, ("approval", "steps", name))
    most = len(playbook.approvers)
    if most > MOST_APPROVERS:
        text = f"{most} names may approve; aws:approve takes {MOST_APPROVERS}: put people into groups"
        yield source.problem("PBK017", text, ("approval",))
    for step, asked in asking.items():
        policy = playbook.policy_of(step)
        place = ("approval", "steps", step) if step in playbook.approval.of_steps else ("approval",)
        for problem in _policy_problems(policy, str(asked.inputs.get("MinRequiredApprovals") or 1)):
            yield source.problem("PBK018", f"step {step}: {problem}", place)
    if playbook.runs_others:
        for problem in _policy_problems(playbook.policy_of(""), "1"):
            yield source.problem("PBK018", f"questions of further runbooks: {problem}", ("approval",))
    if "approvers" in given and playbook.approval.usual.groups and playbook.approval.usual.groups[0].title:
        text = "approvers and approval.groups both say who approves; keep one of them"
        yield source.problem("PBK019", text, ("approvers",))


def _policy_problems(policy: ApprovalPolicy, needed: str) -> Iterator[str]:
    if not policy.groups:
        yield "nobody is named: give approval.groups, or approvers"
    if policy.at_expiry == "approve" and policy.expires_in is None:
        yield "silence cannot mean approval without an end: give expires_in"
    if policy.at_expiry == "approve" and needed != "1":
        yield f"silence cannot mean {needed} approvals: MinRequiredApprovals has to be 1"
    titles = [group.title for group in policy.groups]
    if len(policy.groups) > 1 and (len(set(titles)) < len(titles) or "" in titles):
        yield "several groups need a name each, so that people know which one is missing"
    for group in policy.groups:
        if not group.names:
            yield f'group "{group.title}" has nobody in it'
    for handover in policy.handovers:
        if handover.group < 0:
            yield f"escalation to {', '.join(handover.names)} names none of the groups: {', '.join(titles) or 'none'}"
        if policy.expires_in is not None and handover.after >= policy.expires_in:
            yield f"escalation to {', '.join(handover.names)} would come after the question has expired"


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


def _lock(playbook: Playbook, source: Source, given: Collection[str]) -> Iterator[Problem]:  # noqa: ARG001 - as its kin
    declared = playbook.runbook.parameters
    for name in playbook.lock or ():
        if name not in declared:
            near = difflib.get_close_matches(name, declared, n=1)
            hint = f' Did you mean "{near[0]}"?' if near else f" It declares: {', '.join(declared) or 'none'}."
            yield source.problem("PBK020", f'lock: the runbook declares no parameter "{name}".{hint}', ("lock",))


def _secret(playbook: Playbook, source: Source, given: Collection[str]) -> Iterator[Problem]:  # noqa: ARG001 - as its kin
    declared = playbook.runbook.parameters
    for name in playbook.secret:
        if name not in declared:
            near = difflib.get_close_matches(name, declared, n=1)
            hint = f' Did you mean "{near[0]}"?' if near else f" It declares: {', '.join(declared) or 'none'}."
            yield source.problem("PBK021", f'secret: the runbook declares no parameter "{name}".{hint}', ("secret",))
