"""What was called and what it said: the audit's record of an AWS call, and botocore's answers as plain JSON. Pure."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final, Protocol

from infra.aws_errors import AwsRefused
from infra.canonical import Json

IDENTIFIERS: Final = (
    "InstanceIds", "InstanceId", "ResourceArn", "ResourceId", "ResourceIds", "Resources", "StackName", "FunctionName",
    "ImageId", "VolumeId", "SnapshotId", "DBInstanceIdentifier", "DBClusterIdentifier", "AutoScalingGroupName",
    "Bucket", "TableName", "GroupId", "CommandId", "AutomationExecutionId", "DocumentName", "Name", "RoleArn",
    "RoleName", "UserName", "PolicyArn", "stateMachineArn", "executionArn", "TopicArn", "QueueUrl", "AlarmNames",
    "LoadBalancerArn", "TargetGroupArn", "SecretId", "KeyId", "service", "cluster",
)  # fmt: skip
"""Parameters that name what a call is about, best first."""
LARGEST_STREAM: Final = 6_291_556
"""Bytes of a streamed answer that are read: Lambda's limit of a synchronous answer."""


class CallsAws(Protocol):
    """AWS in one account and Region, for those who only ask it something."""

    def call(self, service: str, operation: str, params: Mapping[str, Any], *, region: str = "") -> dict[str, Any]:
        """One call. Raises AwsRefused, AwsUnreachable."""


@dataclass(frozen=True, slots=True)
class AwsCall:
    """One call that was made: never its payload."""

    service: str
    operation: str
    region: str
    resource: str
    request_id: str
    error: str
    milliseconds: float
    retries: int = 0

    def facts(self) -> dict[str, Json]:
        """What the audit trail keeps."""
        found: dict[str, Json] = {
            "service": self.service,
            "operation": self.operation,
            "region": self.region,
            "resource": self.resource,
            "request_id": self.request_id,
            "milliseconds": round(self.milliseconds, 1),
        }
        optional: dict[str, Json] = {"error": self.error, "retries": self.retries}
        return {**found, **{name: value for name, value in optional.items() if value}}


def resource_of(params: Mapping[str, Any]) -> str:
    """What a call is about, as short as it can be said."""
    for name in IDENTIFIERS:
        value = params.get(name)
        if isinstance(value, str) and value:
            return value[:300]
        if isinstance(value, list) and value and all(isinstance(item, str) for item in value):
            return ", ".join(value[:10])[:300]
    return ""


def as_json(value: Any) -> Any:
    """Botocore's answer with JSON's own types only. Raises AwsRefused for a stream that is too large."""
    if isinstance(value, dict):
        return {str(key): as_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [as_json(item) for item in value]
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    if isinstance(value, (bytes, bytearray)):
        return _text_of(bytes(value))
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    return _text_of(_read(value)) if hasattr(value, "read") else str(value)


def _read(stream: Any) -> bytes:
    """A short streamed answer (the Payload of Lambda's Invoke)."""
    try:
        found: bytes = stream.read(LARGEST_STREAM + 1)
    finally:
        stream.close()
    if len(found) > LARGEST_STREAM:
        raise AwsRefused("AnswerTooLarge", f"The answer is a stream of more than {LARGEST_STREAM:,} bytes.")
    return found


def _text_of(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return base64.b64encode(value).decode()
