"""Which AWS calls a step makes, as far as its text tells: service, operation, parameters. Pure.

One place knows it, so that permissions, previews and pictures cannot disagree.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from engine.actions.api_inputs import RESERVED
from engine.document import Step
from infra.aws_errors import AwsRefused
from infra.aws_models import operation_name, service_name
from infra.canonical import Json

INTEGRATION: Final = "/d9d01087-4a3f-49e0-b0b4-d568d7826553/ssm/integrations/webhook/"


@dataclass(frozen=True, slots=True)
class StepCall:
    """One operation, in AWS's spelling."""

    service: str
    operation: str
    params: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """`service:Operation`."""
        return f"{self.service}:{self.operation}"


def api_call(inputs: Mapping[str, Json]) -> StepCall:
    """The call of aws:executeAwsApi and its kin. Raises AwsRefused where the text names none."""
    service, api = str(inputs.get("Service") or ""), str(inputs.get("Api") or "")
    params = {key: value for key, value in inputs.items() if key not in RESERVED}
    return StepCall(service_name(service), operation_name(service, api), params)


def calls_of(step: Step, inputs: Mapping[str, Json]) -> tuple[StepCall, ...]:
    """The calls of a step with these inputs (resolved or not); scripts and called code are not looked into.

    Raises AwsRefused where service or operation do not exist, or only the run will tell.
    """
    if step.action in API_ACTIONS:
        return (api_call(inputs),)
    maker = _NATIVE.get(step.action)
    return tuple(StepCall(*parts) for parts in maker(inputs)) if maker else ()


API_ACTIONS: Final = frozenset({"aws:executeAwsApi", "aws:assertAwsResourceProperty", "aws:waitForAwsResourceProperty"})
_Call = tuple[str, str, Mapping[str, Any]]
_STATES: Final = {"running": "StartInstances", "stopped": "StopInstances", "terminated": "TerminateInstances"}


def _picked(inputs: Mapping[str, Json], *names: str) -> dict[str, Json]:
    return {name: inputs[name] for name in names if inputs.get(name) not in (None, "", [])}


def _change_state(inputs: Mapping[str, Json]) -> Iterator[_Call]:
    wanted, ids = str(inputs.get("DesiredState") or ""), _picked(inputs, "InstanceIds")
    if str(inputs.get("CheckStateOnly") or "").lower() != "true":
        for operation in [_STATES[wanted]] if wanted in _STATES else _STATES.values():
            yield "ec2", operation, {**ids, **_picked(inputs, "Force")} if wanted == "stopped" else ids
    yield "ec2", "DescribeInstanceStatus", ids


def _run_instances(inputs: Mapping[str, Json]) -> Iterator[_Call]:
    params = _picked(
        inputs, "ImageId", "InstanceType", "SubnetId", "SecurityGroupIds", "KeyName", "TagSpecifications", "UserData"
    )
    profile = {"Arn": inputs.get("IamInstanceProfileArn"), "Name": inputs.get("IamInstanceProfileName")}
    profile = {name: value for name, value in profile.items() if value}
    yield "ec2", "RunInstances", {**params, **({"IamInstanceProfile": profile} if profile else {})}
    yield "ec2", "DescribeInstanceStatus", {}


def _create_image(inputs: Mapping[str, Json]) -> Iterator[_Call]:
    named = {"Name": inputs.get("ImageName"), **_picked(inputs, "InstanceId", "NoReboot", "BlockDeviceMappings")}
    yield "ec2", "CreateImage", named
    yield "ec2", "DescribeImages", {}


def _copy_image(inputs: Mapping[str, Json]) -> Iterator[_Call]:
    yield "ec2", "CopyImage", {
        "Name": inputs.get("ImageName"), **_picked(inputs, "SourceImageId", "SourceRegion", "Encrypted", "KmsKeyId")
    }  # fmt: skip
    yield "ec2", "DescribeImages", {}


def _delete_image(inputs: Mapping[str, Json]) -> Iterator[_Call]:
    image = _picked(inputs, "ImageId")
    yield "ec2", "DescribeImages", {"ImageIds": image.get("ImageId")}
    yield "ec2", "DeregisterImage", image
    yield "ec2", "DeleteSnapshot", {"SnapshotId": "*"}


def _create_tags(inputs: Mapping[str, Json]) -> Iterator[_Call]:
    kind, ids, tags = str(inputs.get("ResourceType") or "EC2"), inputs.get("ResourceIds"), _picked(inputs, "Tags")
    if kind == "EC2":
        yield "ec2", "CreateTags", {"Resources": ids, **tags}
    else:
        one = ids[0] if isinstance(ids, list) and ids else ids
        yield "ssm", "AddTagsToResource", {"ResourceType": kind, "ResourceId": one, **tags}


def _create_stack(inputs: Mapping[str, Json]) -> Iterator[_Call]:
    stack = _picked(inputs, "StackName")
    yield "cloudformation", "CreateStack", {**inputs}
    for operation in ("DescribeStacks", "DescribeStackEvents", "DeleteStack"):
        yield "cloudformation", operation, stack


def _delete_stack(inputs: Mapping[str, Json]) -> Iterator[_Call]:
    yield "cloudformation", "DeleteStack", _picked(inputs, "StackName", "RoleARN")
    yield "cloudformation", "DescribeStacks", _picked(inputs, "StackName")


def _run_command(inputs: Mapping[str, Json]) -> Iterator[_Call]:
    yield "ssm", "SendCommand", {**inputs}
    for operation in (
        "ListCommands", "ListCommandInvocations", "GetCommandInvocation", "CancelCommand",
        "DescribeInstanceInformation",
    ):  # fmt: skip
        yield "ssm", operation, {}


def _execute_automation(inputs: Mapping[str, Json]) -> Iterator[_Call]:
    params = {key: value for key, value in inputs.items() if key != "RuntimeParameters"}
    parameters = inputs.get("RuntimeParameters")
    yield "ssm", "StartAutomationExecution", {**params, **({"Parameters": parameters} if parameters else {})}
    yield "ssm", "GetAutomationExecution", {}
    yield "ssm", "StopAutomationExecution", {}


def _state_machine(inputs: Mapping[str, Json]) -> Iterator[_Call]:
    machine = _picked(inputs, "stateMachineArn", "name", "input")
    yield "stepfunctions", "StartExecution", machine
    execution = str(machine.get("stateMachineArn") or "*").replace(":stateMachine:", ":execution:")
    for operation in ("DescribeExecution", "StopExecution"):
        yield "stepfunctions", operation, {"executionArn": execution if execution == "*" else f"{execution}:*"}


def _lambda(inputs: Mapping[str, Json]) -> Iterator[_Call]:
    payload = inputs.get("InputPayload") or inputs.get("Payload")
    named = _picked(inputs, "FunctionName", "Qualifier", "InvocationType", "LogType", "ClientContext")
    yield "lambda", "Invoke", {**named, **({"Payload": payload} if payload is not None else {})}


def _webhook(inputs: Mapping[str, Json]) -> Iterator[_Call]:
    yield "ssm", "GetParameter", {"Name": f"{INTEGRATION}{inputs.get('IntegrationName')}", "WithDecryption": True}
    yield "kms", "Decrypt", {}


def _approve(inputs: Mapping[str, Json]) -> Iterator[_Call]:
    if inputs.get("NotificationArn"):
        yield "sns", "Publish", {"TopicArn": inputs["NotificationArn"]}


_NATIVE: Final[Mapping[str, Callable[[Mapping[str, Json]], Iterator[_Call]]]] = {
    "aws:approve": _approve,
    "aws:changeInstanceState": _change_state,
    "aws:copyImage": _copy_image,
    "aws:createImage": _create_image,
    "aws:createStack": _create_stack,
    "aws:createTags": _create_tags,
    "aws:deleteImage": _delete_image,
    "aws:deleteStack": _delete_stack,
    "aws:executeAutomation": _execute_automation,
    "aws:executeStateMachine": _state_machine,
    "aws:invokeLambdaFunction": _lambda,
    "aws:invokeWebhook": _webhook,
    "aws:runCommand": _run_command,
    "aws:runInstances": _run_instances,
}


def is_unspelled(error: AwsRefused) -> bool:
    """Whether the text names a service or operation that does not exist, or that only the run will tell."""
    return error.code in ("UnknownService", "UnknownOperation")
