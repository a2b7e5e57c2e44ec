"""The demo's AWS, seen from outside: starts the server as a child process and hands out clients for it."""

import json
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from bot.demo.children import CODE, Child, ChildFailed
from bot.demo.environment import inherited

ACCOUNT = "123456789012"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "demo", "AWS_SECRET_ACCESS_KEY": "demo"}
HOME_REGION = "us-east-1"
START_SECONDS = 30.0


class DemoAws:
    """The server and its clients. `pace` says how many seconds transitions take, by `moto_instances.Pace`'s names."""

    def __init__(self, folder: Path, *, pace: Mapping[str, float] | None = None) -> None:
        argv = [sys.executable, "-m", "bot.demo.aws_server", "--port-file", str(folder / "aws.port")]
        argv += ["--pace", json.dumps(dict(pace or {}))]
        self._port_file = folder / "aws.port"
        self.child = Child("The demo's AWS", argv, env=inherited({}), log=folder / "aws.log", cwd=CODE)
        self.endpoint = ""
        self._clients: dict[tuple[str, str], Any] = {}

    def start(self) -> None:
        """Start the process; `wait` says when it answers. Raises ChildFailed when moto is not installed."""
        if find_spec("moto") is None:
            raise ChildFailed("The demo's AWS is moto's server, which is not installed: pip install 'moto[server]'.")
        self.child.start()

    def wait(self) -> None:
        """Wait until the server listens. Raises ChildFailed."""
        port = self.child.wait_until(self._port, START_SECONDS)
        self.endpoint = f"http://127.0.0.1:{port}"

    def stop(self) -> None:
        """End the process and everything in it."""
        self.child.stop()

    def client(self, service: str, region: str = HOME_REGION) -> Any:
        """A boto3 client of this AWS; made once, as reading a service's model takes its time."""
        if (service, region) not in self._clients:
            self._clients[service, region] = client(self.endpoint, service, region)
        return self._clients[service, region]

    def environment(self) -> dict[str, str]:
        """What any AWS program needs to work with this AWS instead of the real one."""
        return {
            **CREDENTIALS,
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_DEFAULT_REGION": HOME_REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def _port(self) -> str:
        return self._port_file.read_text() if self._port_file.exists() else ""


def client(endpoint: str, service: str, region: str) -> Any:
    """A boto3 client of a demo's AWS, whatever the user's own AWS settings say."""
    session: Any = boto3.Session(
        aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        region_name=region,
    )
    settings = Config(retries={"mode": "standard", "total_max_attempts": 3}, proxies={})
    return session.client(service, endpoint_url=endpoint, config=settings)
