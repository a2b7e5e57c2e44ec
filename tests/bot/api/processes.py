"""`playbook-bot api` as its users start it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

KEY, SECRET = "AKIDLEE", "lees/secret+1="
SETTINGS = {
    "PLAYBOOK_BOT_API_KEYS": f"{KEY}:{SECRET}:lee,AKIDMAX:max-secret:max",
    "AWS_REGION": "eu-west-1",
    "AWS_ACCESS_KEY_ID": "engine",
    "AWS_SECRET_ACCESS_KEY": "engine",
    "AWS_EC2_METADATA_DISABLED": "true",
}
PATIENCE = 30.0


class ApiProcess:
    """One process and its address."""

    def __init__(self, folder: Path, **settings: str) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PLAYBOOK_BOT_"))}
        command = [sys.executable, "-m", "bot", "api", "--port", "0", "--data", str(folder)]
        self._log = (folder.parent / f"{folder.name}.log").open("a", encoding="utf-8")
        self.process = subprocess.Popen(
            command, env={**kept, **SETTINGS, **settings}, stdout=subprocess.PIPE, stderr=self._log, text=True
        )
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().strip()

    def client(self, key: str = KEY, secret: str = SECRET) -> Any:
        """A boto3 client of it."""
        settings = Config(retries={"total_max_attempts": 1}, proxies={})
        return boto3.client(
            "ssm", "eu-west-1", endpoint_url=self.url, aws_access_key_id=key, aws_secret_access_key=secret,
            config=settings,
        )  # fmt: skip

    def status(self, execution_id: str, *wanted: str) -> str:
        """The status of an execution, once it is one of the wanted ones."""
        client, deadline = self.client(), time.monotonic() + PATIENCE
        while True:
            found = client.get_automation_execution(AutomationExecutionId=execution_id)["AutomationExecution"]
            status = str(found["AutomationExecutionStatus"])
            if not wanted or status in wanted:
                return status
            assert time.monotonic() < deadline, f"{execution_id} is still {status}: {found}"
            time.sleep(0.05)

    def kill(self) -> None:
        """As the kernel would."""
        self.process.send_signal(signal.SIGKILL)
        self._end()

    def stop(self) -> int:
        """As an operator would; the exit code."""
        self.process.terminate()
        return self._end()

    def _end(self) -> int:
        code = self.process.wait(30)
        if self.process.stdout is not None:
            self.process.stdout.close()
        self._log.close()
        return code
