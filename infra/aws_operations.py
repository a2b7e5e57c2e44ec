"""Which operations only read, and which may be called twice: what decides about repetition after a lost answer. Pure.

A call whose answer was lost (the process died, the network hung) may or may not have happened. Repeating it is
harmless where it reads, where it names the wanted state (Stop, Put, Tag …: the second call finds it so, or is refused
by AWS), or where AWS recognises it by an idempotency token. All others are called once and never repeated blindly.
"""

import re
from typing import Any, Final

_READING: Final = re.compile(
    r"(?:Describe|Get|List|Head|BatchGet|BatchDescribe|Query|Scan|Search|Lookup|Select|Simulate|Validate|Estimate"
    r"|Preview)(?![a-z])|(?:TestMetricFilter|TestEventPattern|DecodeAuthorizationMessage|FilterLogEvents)$"
)
_REPEATABLE: Final = re.compile(
    r"(?:Stop|Terminate|Put|Delete|Modify|Update|Set|Tag|Untag|Enable|Disable|Attach|Detach|Associate|Disassociate"
    r"|Add|Remove|Deregister|Register|Suspend|Resume|Cancel|Revoke|Authorize|Enter|Exit|Monitor|Unmonitor"
    r"|Replace|BatchUpdate|BatchPut|BatchWrite|BatchDelete|BatchEnable|BatchDisable)(?![a-z])|(?:CreateTags|ChangeTagsForResource|ConfirmSubscription)$"
)
STARTS_OF_ONE_THING: Final = frozenset(
    {
        "StartInstances", "StartDBInstance", "StartDBCluster", "StartConfigurationRecorder", "StartLogging",
        "StartWorkspaces", "StartWorkspacesPool", "StartNotebookInstance", "StartMonitoringMembers",
        "StartInstanceRefresh", "StartMonitoringSchedule", "StartTrigger", "StartCrawler", "StartGateway",
        "StartFleet", "StartMetricStreams", "StartStreamEncryption", "StartDeliveryStreamEncryption",
    }
)  # fmt: skip
"""Start… of something that is there already; other Start… operations begin a new run each time."""
ADDS_EACH_TIME: Final = frozenset(
    {
        "PutEvents", "PutPartnerEvents", "PutLogEvents", "PutMetricData", "PutRecord", "PutRecords", "PutRecordBatch",
        "UpdateItem", "RegisterTaskDefinition", "RegisterDaemonTaskDefinition", "RegisterJobDefinition",
        "RegisterContainerInstance", "AddJobFlowSteps", "AddInstanceFleet", "AddInstanceGroups",
        "AddCommunicationToCase", "AddAttachmentsToSet",
    }
)  # fmt: skip
"""Named like a wanted state, but every call adds something."""


def is_reading(operation: str) -> bool:
    """Whether an operation (PascalCase) changes nothing, by AWS's naming."""
    return _READING.match(operation) is not None


def token_member(model: Any) -> str:
    """The input by which AWS recognises a repeated call; "" when there is none."""
    shape = model.input_shape
    members = shape.members.items() if shape is not None else ()
    return next((name for name, member in members if member.metadata.get("idempotencyToken")), "")


def is_repeatable(model: Any) -> bool:
    """Whether the operation may be called again when nobody knows if it was called before."""
    name = model.name
    if name in ADDS_EACH_TIME:
        return False
    return is_reading(name) or name in STARTS_OF_ONE_THING or bool(_REPEATABLE.match(name)) or bool(token_member(model))
