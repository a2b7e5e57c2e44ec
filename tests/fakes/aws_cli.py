"""The aws CLI (version 1, from PyPI): since 1.46 it brings a botocore of its own, so that it can live beside ours."""

import os
import subprocess
import sys
from collections.abc import Mapping


def run_aws(arguments: list[str], environ: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """One call of the CLI, without the user's own settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    nowhere = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
    return subprocess.run(
        [sys.executable, "-m", "awscli", *arguments],
        env={**kept, **nowhere, "AWS_PAGER": "", **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
