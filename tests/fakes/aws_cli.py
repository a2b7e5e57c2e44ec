"""The aws CLI (version 1, from PyPI), in an environment of its own: it pins another botocore than ours."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from bot.demo.environment import cache_folder

PACKAGE = "awscli>=1.46,<2"
SECONDS = 240


class CliMissing(Exception):
    """The CLI cannot be had on this machine; the message says why."""


def aws_cli() -> Path:
    """The folder of the CLI; it is fetched once and kept beside the demo's downloads. Raises CliMissing."""
    home = cache_folder() / f"awscli-{sys.version_info.major}.{sys.version_info.minor}"
    if not (home / "done").exists():
        _install(home)
    return home


def _install(home: Path) -> None:
    uv = shutil.which("uv") or str(Path(sys.executable).with_name("uv"))
    command = [uv, "pip", "install", "--python", sys.executable, "--target", str(home), PACKAGE]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CliMissing(f"the aws CLI could not be fetched: {type(error).__name__}") from error
    if done.returncode:
        raise CliMissing("the aws CLI could not be fetched: no package registry answers here")
    (home / "done").touch()


def run_aws(home: Path, arguments: list[str], environ: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """One call of the CLI, without the user's own settings."""
    program = "import awscli.clidriver, sys; sys.exit(awscli.clidriver.main())"
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    nowhere = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
    environment = {**kept, **nowhere, "PYTHONPATH": str(home), "AWS_PAGER": "", **environ}
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
