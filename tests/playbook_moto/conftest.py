"""The plug-in's own fixture, and clients of the mocked AWS."""

from typing import Any

import boto3
import pytest

from playbook_moto.pytest_plugin import moto_automation, moto_automation_settings

__all__ = ["moto_automation", "moto_automation_settings"]

REGION = "eu-west-1"


class Mocked:
    """Clients of the mocked AWS, made when they are asked for."""

    def __init__(self) -> None:
        self._clients: dict[tuple[str, str], Any] = {}

    def client(self, service: str, region: str = REGION, **members: Any) -> Any:
        """A boto3 client."""
        if members:
            return boto3.client(service, region, **members)
        key = (service, region)
        if key not in self._clients:
            self._clients[key] = boto3.client(service, region)
        return self._clients[key]

    def start(self, name: str, **members: Any) -> str:
        """Start a document."""
        return str(self.client("ssm").start_automation_execution(DocumentName=name, **members)["AutomationExecutionId"])

    def execution(self, execution_id: str) -> Any:
        """An execution as boto3 has it."""
        found = self.client("ssm").get_automation_execution(AutomationExecutionId=execution_id)
        return found["AutomationExecution"]

    def create(self, name: str, text: str, **members: Any) -> None:
        """Create an Automation document."""
        self.client("ssm").create_document(Name=name, Content=text, DocumentType="Automation", **members)

    def instance(self) -> str:
        """A running instance."""
        found = self.client("ec2").run_instances(ImageId="ami-12345678", MinCount=1, MaxCount=1)
        return str(found["Instances"][0]["InstanceId"])

    def state(self, instance_id: str) -> str:
        """The state of an instance."""
        found = self.client("ec2").describe_instances(InstanceIds=[instance_id])
        return str(found["Reservations"][0]["Instances"][0]["State"]["Name"])


@pytest.fixture
def aws(moto_automation: object) -> Mocked:
    """A mocked AWS in which Automation works."""
    return Mocked()
