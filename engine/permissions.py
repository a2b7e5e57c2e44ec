"""The least that a runbook's service role must be allowed, and who may take that role on. Pure.

Source: reference of SSM Automation, "Configure a service role (assume role) access for automations", and each action's
own needs. A value that only a run will tell is `*` in an ARN; what cannot be told at all is said in `notes`.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from engine.document import Document, Parameter, Step
from engine.expressions import REFERENCE, Scope, resolve
from engine.parameters import ParametersInvalid, supply
from engine.role_policy import Need, statements
from engine.scripts.iam import actions_of
from engine.scripts.script import is_powershell
from engine.shape import suggestion
from engine.step_calls import StepCall, calls_of
from engine.validation import KNOWN_ACTIONS
from infra.aws_errors import AwsRefused
from infra.aws_operations import is_reading
from infra.canonical import Json
from infra.iam_actions import iam_actions, iam_prefix
from infra.iam_resources import ANY, ANYWHERE, Where, arn, resources_of

LARGEST_POLICY: Final = 6_144
"""Characters of a managed policy, blanks not counted (IAM quota)."""
_ROLE: Final = re.compile(r"(?i)(?:^|.*[a-z_])role_?(?:arn)?$")
_STORED: Final = re.compile(r"\{\{\s*ssm:([^{}\s]+)\s*\}\}")
TAGGING: Final[Mapping[str, str]] = {
    "ec2": "ec2:CreateTags", "rds": "rds:AddTagsToResource", "elasticloadbalancing": "elasticloadbalancing:AddTags",
    "lambda": "lambda:TagResource", "sns": "sns:TagResource", "sqs": "sqs:TagQueue", "ecs": "ecs:TagResource",
    "dynamodb": "dynamodb:TagResource", "secretsmanager": "secretsmanager:TagResource", "kms": "kms:TagResource",
    "eks": "eks:TagResource", "logs": "logs:TagResource", "elasticfilesystem": "elasticfilesystem:TagResource",
    "ssm": "ssm:AddTagsToResource", "cloudwatch": "cloudwatch:TagResource", "events": "events:TagResource",
    "backup": "backup:TagResource", "ecr": "ecr:TagResource",
}  # fmt: skip
"""What a call that sets tags needs besides."""
TAKES_ROLE: Final[Mapping[str, str]] = {
    "ec2": "ec2.amazonaws.com", "lambda": "lambda.amazonaws.com", "cloudformation": "cloudformation.amazonaws.com",
    "states": "states.amazonaws.com", "ecs": "ecs-tasks.amazonaws.com", "ssm": "ssm.amazonaws.com",
    "cloudtrail": "cloudtrail.amazonaws.com", "config": "config.amazonaws.com", "backup": "backup.amazonaws.com",
    "firehose": "firehose.amazonaws.com", "scheduler": "scheduler.amazonaws.com", "glue": "glue.amazonaws.com",
    "codebuild": "codebuild.amazonaws.com", "eks": "eks.amazonaws.com", "sagemaker": "sagemaker.amazonaws.com",
}  # fmt: skip
"""Which service a role is handed to (iam:PassedToService), where it is always the same one."""


@dataclass(frozen=True, slots=True)
class Note:
    """What the text does not tell, and at which step."""

    step: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Permissions:
    """All that a runbook's role needs."""

    needs: tuple[Need, ...]
    notes: tuple[Note, ...]
    where: Where = field(default_factory=Where)

    @property
    def policy(self) -> dict[str, Any]:
        """The policy, as IAM takes it: one statement for each set of resources."""
        return {"Version": "2012-10-17", "Statement": list(statements(self.needs))}

    @property
    def because(self) -> dict[str, list[str]]:
        """Action -> the steps that need it."""
        found: dict[str, list[str]] = defaultdict(list)
        for need in self.needs:
            if need.step not in found[need.action]:
                found[need.action].append(need.step)
        return dict(sorted(found.items()))


def permissions_of(
    document: Document, *, parameters: Mapping[str, Json] | None = None, where: Where = ANYWHERE
) -> Permissions:
    """What the runbook's role needs; `parameters` narrow it to one way of starting it."""
    scope = _Stars(document, parameters or {}, where)
    needs: list[Need] = [_stored(name, where) for name in _stored_names(document)]
    notes: list[Note] = []
    for step in document.all_steps():
        found, said = _of_step(step, scope, where)
        needs += found
        notes += said
    policy = Permissions(tuple(dict.fromkeys(needs)), tuple(dict.fromkeys(notes)), where)
    size = len(re.sub(r"\s", "", str(policy.policy)))
    if size > LARGEST_POLICY:
        text = f"the policy has {size:,} characters, more than a managed policy may have ({LARGEST_POLICY:,}): split it"
        return Permissions(policy.needs, (*policy.notes, Note("", text)), where)
    return policy


def some_parameters(document: Document, supplied: Mapping[str, Json]) -> dict[str, Json]:
    """Parameters of a start, of which some may be missing. Raises ParametersInvalid."""
    problems: dict[str, str] = {}
    values: dict[str, Json] = {}
    for name, value in supplied.items():
        if name not in document.parameters:
            near = suggestion(name, document.parameters)
            problems[name] = f'Parameter "{name}" is not declared by {document.name}.{near}'
            continue
        try:
            values[name] = supply(document.parameters[name], value)
        except ValueError as error:
            problems[name] = str(error)
    if problems:
        raise ParametersInvalid(problems)
    return values


class _Stars:
    """Resolves inputs; what only a run will tell becomes `*`."""

    def __init__(self, document: Document, parameters: Mapping[str, Json], where: Where) -> None:
        system = {
            "global:REGION": where.region, "global:ACCOUNT_ID": where.account, "global:AWS_PARTITION": where.partition,
        }  # fmt: skip
        known = {name: value for name, value in parameters.items() if value not in (None, "", [])}
        known |= {
            name: list(parameter.allowed_values)
            for name, parameter in document.parameters.items()
            if name not in known and _is_closed(parameter)
        }
        self._scope = Scope(parameters=known, system=system)

    def resolve(self, value: Json) -> Json:
        """The value with everything known put in."""
        return _starred(_simple(resolve(value, self._scope)))


def _is_closed(parameter: Parameter) -> bool:
    """Whether the document itself names every value that the parameter may have."""
    return bool(parameter.allowed_values) and parameter.type == "String" and len(parameter.allowed_values) <= 10


def _simple(value: Any) -> Json:
    return value if isinstance(value, (str, int, float, bool, list, dict)) else None


def _starred(value: Json) -> Json:
    if isinstance(value, str):
        return REFERENCE.sub(ANY, value).strip() if "{{" in value else value
    if isinstance(value, list):
        return [_starred(item) for item in value]
    if isinstance(value, dict):
        return {key: _starred(item) for key, item in value.items()}
    return value


def _of_step(step: Step, scope: _Stars, where: Where) -> tuple[list[Need], list[Note]]:
    inputs = scope.resolve(dict(step.inputs))
    if not isinstance(inputs, dict):
        return [], []
    if step.action == "aws:executeScript":
        return _of_script(step)
    try:
        calls = calls_of(step, inputs)
        found = [need for call in calls for need in _of_call(step.name, call, where)]
    except AwsRefused as error:
        text = f"which call it makes only the run will tell: {error}" if ANY in str(error) else str(error)
        return [], [Note(step.name, text)]
    return found, list(_notes(step, inputs, calls))


def _of_script(step: Step) -> tuple[list[Need], list[Note]]:
    if is_powershell(str(step.inputs.get("Runtime") or "")):
        return [], [Note(step.name, "it runs a PowerShell script, whose calls are not read")]
    notes = []
    if step.inputs.get("Attachment"):
        notes.append(Note(step.name, f"it runs the attachment {step.inputs['Attachment']}, whose calls are not read"))
    found = actions_of(str(step.inputs.get("Script") or ""))
    if not found.is_readable:
        notes.append(Note(step.name, "its script is no Python that can be read"))
    notes += [Note(step.name, f"script line {call.line}: {call.sentence}") for call in found.unknown]
    return [Need(action, (ANY,), step.name) for action in found.actions], notes


def _of_call(step: str, call: StepCall, where: Where) -> Iterator[Need]:
    resources = resources_of(call.service, call.operation, call.params, where)
    for action in iam_actions(call.service, call.operation):
        is_source = action == "s3:GetObject" and call.operation in ("CopyObject", "UploadPartCopy")
        condition = _through_store(where) if call.name == "kms:Decrypt" else ()
        yield Need(action, _copied(call, where) if is_source else resources, step, condition)
    if is_reading(call.operation):
        return
    prefix = iam_prefix(call.service)
    if prefix in TAGGING and _tags(call):
        yield Need(TAGGING[prefix], (ANY,), step)
    yield from _passed(step, call, prefix, where)


def _tags(call: StepCall) -> bool:
    """Whether something new is tagged as it is made."""
    is_made = call.operation.startswith("Create") and not call.operation.endswith("Tags")
    return bool(call.params.get("TagSpecifications")) or (is_made and bool(call.params.get("Tags")))


def _through_store(where: Where) -> tuple[tuple[str, str, str], ...]:
    """Only what Parameter Store itself asks to be decrypted."""
    return (("StringLike", "kms:ViaService", f"ssm.{where.region}.amazonaws.com"),)


def _copied(call: StepCall, where: Where) -> tuple[str, ...]:
    source = call.params.get("CopySource")
    if isinstance(source, dict):
        source = f"{source.get('Bucket') or ANY}/{source.get('Key') or ANY}"
    return (arn(where, "s3", "::{v}", source.removeprefix("/")),) if isinstance(source, str) and source else (ANY,)


def _passed(step: str, call: StepCall, prefix: str, where: Where) -> Iterator[Need]:
    """iam:PassRole for every role that the call hands to a service."""
    if prefix == "sts" or (prefix == "iam" and call.operation != "AddRoleToInstanceProfile"):
        return
    service = TAKES_ROLE.get(prefix)
    condition = (("StringEquals", "iam:PassedToService", service),) if service else ()
    roles = [call.params.get("RoleName")] if prefix == "iam" else list(_roles(call.params))
    for role in roles:
        text = str(role)
        if not text or text == "None":
            continue
        one = text if text.startswith("arn:") else arn(where, "iam", ":{a}:role/{v}", text)
        yield Need("iam:PassRole", (one,), step, condition)


def _roles(value: Any, name: str = "") -> Iterator[Json]:
    """Every value under a key that names a role; an instance profile holds one that only AWS knows."""
    if name in ("IamInstanceProfile", "IamInstanceProfileArn", "IamInstanceProfileName") and value:
        yield ANY
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _roles(item, key)
    elif isinstance(value, list):
        for item in value:
            yield from _roles(item, name)
    elif value and isinstance(value, str) and _ROLE.fullmatch(name):
        yield value


def _notes(step: Step, inputs: Mapping[str, Json], calls: tuple[StepCall, ...]) -> Iterator[Note]:
    name = inputs.get("DocumentName")
    if step.action not in KNOWN_ACTIONS:
        yield Note(step.name, f"what {step.action} needs is not known")
    match step.action:
        case "aws:executeAutomation":
            yield Note(step.name, f"it starts the runbook {name}, which runs with its own needs: ask for them, too")
        case "aws:runCommand":
            yield Note(step.name, f"{name} runs on the instances with their own profile, not with this role")
        case "aws:invokeLambdaFunction" | "aws:executeStateMachine" | "aws:invokeWebhook":
            yield Note(step.name, "what it calls acts with its own role, not with this one")
        case "aws:createStack" | "aws:deleteStack" if not inputs.get("RoleARN"):
            yield Note(step.name, "without RoleARN the role also needs whatever the stack's own resources need")
    operations = {call.operation for call in calls}
    if operations & {"AssumeRole", "GetFederationToken"}:
        yield Note(step.name, "the role that it assumes must trust this one")


def _stored_names(document: Document) -> Iterator[str]:
    for parameter in document.parameters.values():
        if isinstance(parameter.default, str):
            yield from _STORED.findall(parameter.default)


def _stored(name: str, where: Where) -> Need:
    return Need("ssm:GetParameter", resources_of("ssm", "GetParameter", {"Name": name}, where), "")
