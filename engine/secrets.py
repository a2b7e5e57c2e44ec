"""Which values of an execution are secrets: those its start names, those AWS gives as such, those named so. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

from audit.events import Event
from engine.execution import Change, Execution, StepExecution
from infra.canonical import Json
from infra.masking import Masking, is_secret_name, leaves, masking, tells

GIVING: Final = frozenset(
    {
        "secretsmanager:getsecretvalue",
        "secretsmanager:batchgetsecretvalue",
        "secretsmanager:getrandompassword",
        "sts:assumerole",
        "sts:assumerolewithsaml",
        "sts:assumerolewithwebidentity",
        "sts:getsessiontoken",
        "sts:getfederationtoken",
        "iam:createaccesskey",
        "kms:decrypt",
        "kms:generatedatakey",
        "ecr:getauthorizationtoken",
        "ec2:createkeypair",
        "ec2:getpassworddata",
    }
)
"""Operations whose answer is a secret."""
READING_PARAMETERS: Final = frozenset({"ssm:getparameter", "ssm:getparameters", "ssm:getparametersbypath"})
STRUCTURE: Final = frozenset(
    {"action", "alarm_key", "assume_role", "attempt", "channel", "document", "document_sha256", "document_version"}
    | {"expires_at", "mode", "parent", "playbook", "region", "account", "operation", "service", "signal", "signals"}
    | {"status", "step", "step_execution_id", "request_id", "retry_of"}
)
"""Members of events by which programs go on: never a value from outside."""


def secrets_of(state: Execution) -> frozenset[str]:
    """The values that nobody shall read."""
    found: set[str] = set()
    for name, value in state.parameters.items():
        if name in state.secrets or is_secret_name(name):
            found.update(leaves(value))
    for name, value in state.variables.items():
        if is_secret_name(name.partition(":")[2]):
            found.update(leaves(value))
    for step in state.steps:
        found.update(_of_step(step))
    return frozenset(value for value in found if tells(value))


def masking_of(state: Execution) -> Masking:
    """What to pass everything through that is told of an execution."""
    return masking(secrets_of(state))


def masked(change: Change) -> tuple[Event, ...]:
    """The events of a change as they may be remembered."""
    if not change.events:
        return ()
    mask = masking_of(change.state)
    return tuple(replace(event, data=mask.mapping(event.data, keep=STRUCTURE)) for event in change.events)


def inherited(named: tuple[str, ...], parameters: Mapping[str, Json], parent: Execution | None) -> tuple[str, ...]:
    """Names of secret parameters: those that are named, and those by which a parent hands on a secret of its own."""
    if parent is None:
        return named
    known = secrets_of(parent)
    handed = [
        name
        for name, value in parameters.items()
        if any(secret in leaf for leaf in leaves(value) for secret in known if secret)
    ]
    return tuple(dict.fromkeys((*named, *handed)))


def _of_step(step: StepExecution) -> Iterator[str]:
    outputs = dict(step.outputs)
    if not outputs:
        return
    if _gives_secrets(step):
        asked = set(leaves(dict(step.inputs)))
        found = (leaf for value in outputs.values() for leaf in leaves(value))
        yield from (leaf for leaf in found if leaf not in asked and not leaf.startswith("arn:"))
        return
    for name, value in outputs.items():
        if is_secret_name(name):
            yield from leaves(value)


def _gives_secrets(step: StepExecution) -> bool:
    if step.action != "aws:executeAwsApi":
        return False
    service, operation = str(step.inputs.get("Service", "")), str(step.inputs.get("Api", ""))
    call = f"{service}:{operation}".casefold().replace("_", "").replace("-", "")
    if call in READING_PARAMETERS:
        return str(step.inputs.get("WithDecryption", "")).casefold() == "true"
    return call in GIVING
