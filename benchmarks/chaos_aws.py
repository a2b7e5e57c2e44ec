"""The AWS of the chaos: one process that outlives all others, does what it is asked, and counts every side effect.

It behaves as AWS does where that matters here: a ClientToken makes a repeated RunInstances find the first one's
instance, SendCommand has none, and a call that has arrived is done even if whoever called is dead by then.
"""

import itertools
import json
import socket
import socketserver
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from engine.execution import Execution
from infra.aws_models import operation_model

ON_ITS_WAY = 0.05
"""Seconds before and after a side effect: where a process can die with its call half made."""
BECOMES = {"StopInstances": "stopped", "StartInstances": "running", "TerminateInstances": "terminated"}


class Cloud:
    """Instances and commands. `effects` counts each real change by (execution, step)."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._instances: dict[str, str] = {}
        self._by_token: dict[str, str] = {}
        self._commands: list[dict[str, Any]] = []
        self.effects: Counter[tuple[str, str]] = Counter()
        self.calls = 0
        self._operations = {
            "RunInstances": self._run_instances,
            "SendCommand": self._send_command,
            "ListCommands": self._list_commands,
            "GetCommandInvocation": self._get_command_invocation,
            "ListCommandInvocations": self._list_command_invocations,
            "DescribeInstanceInformation": self._describe_instance_information,
            "DescribeInstanceStatus": self._describe_instance_status,
        }

    def do(self, who: tuple[str, str], operation: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """One call."""
        with self._lock:
            self.calls += 1
            if operation in BECOMES:
                return self._change(who, params["InstanceIds"], BECOMES[operation])
            return self._operations[operation](who, params)

    def _run_instances(self, who: tuple[str, str], params: Mapping[str, Any]) -> dict[str, Any]:
        token = params["ClientToken"]
        if token not in self._by_token:
            self._by_token[token] = f"i-{next(self._numbers):017x}"
            self._instances[self._by_token[token]] = "running"
            self.effects[who] += 1
        return {"Instances": [{"InstanceId": self._by_token[token]}]}

    def _change(self, who: tuple[str, str], ids: Sequence[str], state: str) -> dict[str, Any]:
        for instance_id in ids:
            self.effects[who] += self._instances[instance_id] != state
            self._instances[instance_id] = state
        return {}

    def _send_command(self, who: tuple[str, str], params: Mapping[str, Any]) -> dict[str, Any]:
        command = {
            "CommandId": str(next(self._numbers)), "Comment": params["Comment"], "Status": "Success",
            "InstanceIds": list(params["InstanceIds"]), "TargetCount": 1, "CompletedCount": 1,
        }  # fmt: skip
        self._commands.append(command)
        self.effects[who] += 1
        return {"Command": command}

    def _list_commands(self, _: tuple[str, str], params: Mapping[str, Any]) -> dict[str, Any]:
        def fits(command: Mapping[str, Any]) -> bool:
            is_it = params.get("CommandId", command["CommandId"]) == command["CommandId"]
            return is_it and params.get("InstanceId", command["InstanceIds"][0]) in command["InstanceIds"]

        return {"Commands": [command for command in self._commands if fits(command)]}

    def _get_command_invocation(self, _: tuple[str, str], params: Mapping[str, Any]) -> dict[str, Any]:
        return {"Status": "Success", "ResponseCode": 0, "StandardOutputContent": "", "StandardErrorContent": ""}

    def _list_command_invocations(self, _: tuple[str, str], params: Mapping[str, Any]) -> dict[str, Any]:
        return {"CommandInvocations": []}

    def _describe_instance_information(self, _: tuple[str, str], params: Mapping[str, Any]) -> dict[str, Any]:
        ids = params["Filters"][0]["Values"]
        return {"InstanceInformationList": [{"InstanceId": each, "PingStatus": "Online"} for each in ids]}

    def _describe_instance_status(self, _: tuple[str, str], params: Mapping[str, Any]) -> dict[str, Any]:
        checks = {"SystemStatus": {"Status": "ok"}, "InstanceStatus": {"Status": "ok"}}
        return {
            "InstanceStatuses": [
                {"InstanceId": each, "InstanceState": {"Name": self._instances[each]}, **checks}
                for each in params["InstanceIds"]
            ]
        }


class Endpoint(socketserver.ThreadingTCPServer):
    """Where processes reach the cloud: one JSON line each way."""

    allow_reuse_address = daemon_threads = True
    request_queue_size = 100

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(("127.0.0.1", 0), _Call)
        self.cloud = cloud
        threading.Thread(target=self.serve_forever, name="cloud", daemon=True).start()


class _Call(socketserver.StreamRequestHandler):
    server: Endpoint

    def handle(self) -> None:
        line = self.rfile.readline()
        if not line.endswith(b"\n"):
            return
        asked = json.loads(line)
        time.sleep(ON_ITS_WAY)
        answer = self.server.cloud.do(tuple(asked["who"]), asked["operation"], asked["params"])
        time.sleep(ON_ITS_WAY)
        with_newline = json.dumps(answer).encode() + b"\n"
        try:
            self.wfile.write(with_newline)
        except OSError:
            return  # whoever called is dead


CONNECT_SECONDS = 30.0


@dataclass
class CloudSession:
    """AWS as one execution's steps see it."""

    state: Execution
    address: tuple[str, int]
    region: str = "eu-west-1"
    account: str = "123456789012"
    partition: str = "aws"
    calls: list[Any] = field(default_factory=list)

    def call(self, service: str, operation: str, params: Mapping[str, Any], *, region: str = "") -> dict[str, Any]:
        """Ask the cloud."""
        who = (self.state.id, self.state.step.name if self.state.step else "")
        asked = json.dumps({"who": who, "operation": operation, "params": dict(params)}).encode() + b"\n"
        with self._connected() as connection:
            connection.sendall(asked)
            with connection.makefile("rb") as answers:
                answer: dict[str, Any] = json.loads(answers.readline())
        return answer

    def _connected(self) -> socket.socket:
        """A connection, tried for as long as botocore would try again: the cable to AWS may be pulled, too."""
        patience = time.monotonic() + CONNECT_SECONDS
        while True:
            try:
                return socket.create_connection(self.address, timeout=60)
            except OSError:
                if time.monotonic() > patience:
                    raise
                time.sleep(0.1)

    def input_members(self, service: str, operation: str) -> Any:
        """Botocore's own model."""
        return operation_model(service, operation)

    def drain(self) -> Sequence[Any]:
        """The cloud keeps the ledger here, not the trail."""
        return ()
