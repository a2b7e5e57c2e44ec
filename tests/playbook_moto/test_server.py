"""`python -m playbook_moto`: moto's server, with Automation in it."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import BotoCoreError

from tests.bot.api.worlds import nap, runbook

pytestmark = pytest.mark.slow


@pytest.fixture
def endpoint() -> Iterator[str]:
    """A server in a process of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "MOTO_"))}
    command = [sys.executable, "-m", "playbook_moto", "-p", str(port), "--virtual-time"]
    process = subprocess.Popen(command, env=kept, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    yield f"http://127.0.0.1:{port}"
    process.terminate()
    process.wait(20)


def client(endpoint: str, service: str) -> Any:
    """A client of the server."""
    return boto3.client(
        service, "eu-west-1", endpoint_url=endpoint, aws_access_key_id="test", aws_secret_access_key="test"
    )  # fmt: skip


def test_a_runbook_acts_on_the_server(endpoint: str) -> None:
    """Its calls go to the same server."""
    sqs, ssm = client(endpoint, "sqs"), client(endpoint, "ssm")
    deadline = time.monotonic() + 60
    while True:
        try:
            sqs.list_queues()
            break
        except BotoCoreError:
            assert time.monotonic() < deadline
            time.sleep(0.2)
    step = {
        "name": "make",
        "action": "aws:executeAwsApi",
        "inputs": {"Service": "sqs", "Api": "CreateQueue", "QueueName": "q"},
    }
    ssm.create_document(Name="Make", Content=runbook(nap(), step), DocumentType="Automation")
    execution_id = ssm.start_automation_execution(DocumentName="Make")["AutomationExecutionId"]
    found = ssm.get_automation_execution(AutomationExecutionId=execution_id)["AutomationExecution"]

    assert found["AutomationExecutionStatus"] == "Success", found
    assert sqs.list_queues()["QueueUrls"]
    with pytest.raises(ssm.exceptions.AutomationDefinitionNotFoundException):
        ssm.start_automation_execution(DocumentName="Nowhere")
