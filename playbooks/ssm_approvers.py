"""Whether the bot could sign what people decide, where AWS Systems Manager runs a playbook's runbook. Pure."""

from collections.abc import Collection, Iterator

from engine.document import MISSING, Document, Step
from engine.expressions import Scope, resolve
from infra.canonical import Json
from playbooks.playbook import Playbook


def on_aws(playbooks: Collection[Playbook], default: str) -> list[Playbook]:
    """The playbooks that AWS Systems Manager runs, where the settings' `engine` is `default`."""
    return [playbook for playbook in playbooks if (playbook.engine or default) == "ssm"]


def problems(playbook: Playbook, principals: Collection[str]) -> Iterator[str]:
    """One sentence for each aws:approve step whose Approvers name none of the bot's principals.

    Of a document that AWS has (`aws_document`) the runbook here says nothing.
    """
    if playbook.aws_document:
        return
    scope = _scope(playbook)
    for step in playbook.runbook.all_steps():
        if step.action != "aws:approve":
            continue
        named = _approvers(step, scope)
        if not set(named) & set(principals):
            told = ", ".join(named) or "nobody"
            yield f'step "{step.name}" of {playbook.name} has Approvers {told}: none of ssm_principals is among them'


def roles(playbooks: Collection[Playbook]) -> list[str]:
    """The roles that AWS is to take on for their runbooks, as far as they are known before a start; each once."""
    found = (resolve(playbook.runbook.assume_role, _scope(playbook)) for playbook in playbooks)
    return list(dict.fromkeys(role for role in found if isinstance(role, str) and role.startswith("arn:")))


def documents(playbooks: Collection[Playbook]) -> list[str]:
    """The documents of AWS's that playbooks name, each once."""
    return list(dict.fromkeys(playbook.aws_document for playbook in playbooks if playbook.aws_document))


def topics(playbooks: Collection[Playbook]) -> list[str]:
    """The SNS topics that approvals of their runbooks are told to, as far as they are known before a start."""
    found = [
        resolve(step.inputs.get("NotificationArn"), _scope(playbook))
        for playbook in playbooks if not playbook.aws_document
        for step in playbook.runbook.all_steps() if step.action == "aws:approve"
    ]  # fmt: skip
    return list(dict.fromkeys(topic for topic in found if isinstance(topic, str) and topic.startswith("arn:")))


def _scope(playbook: Playbook) -> Scope:
    return Scope(parameters={**_defaults(playbook.runbook), **playbook.parameters})


def _defaults(document: Document) -> dict[str, Json]:
    declared = document.parameters.items()
    return {name: each.default for name, each in declared if each.default is not MISSING}


def _approvers(step: Step, scope: Scope) -> list[str]:
    value = resolve(step.inputs.get("Approvers"), scope)
    return [str(each) for each in (value if isinstance(value, list) else [value]) if isinstance(each, str)]
