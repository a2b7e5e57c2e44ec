"""Scripts that install packages before they work: what is there is there, what is not is refused in words."""

import json
import sys
from typing import Any

import pytest

from engine.scripts.inside.packages import wanted_of
from tests.engine.scripts.conftest import Jail
from tests.fakes.aws import QuietAws

RENEW = (
    "import sys, subprocess",
    "for name in [name for name in sys.modules if name.startswith('boto')]: del sys.modules[name]",
    "subprocess.check_call([sys.executable, '-m', 'pip', 'install', 'boto3', '-t', '/tmp/'])",
    "sys.path.insert(0, '/tmp/')",
    "import boto3, botocore.exceptions",
    "return boto3.client('sts').get_caller_identity()['Account']",
)


def test_boto3_can_be_renewed(jail: Jail) -> None:
    """The idiom of AWS's own runbooks works, and its calls still go through the bot."""
    aws = QuietAws(answers={"sts:GetCallerIdentity": {"Account": "123456789012"}})

    end = jail.body(*RENEW, aws=aws)

    assert (end.how, end.payload) == ("done", '"123456789012"'), (end.failure, end.trace)
    assert end.printed.startswith("Requirement already satisfied: boto3 (1.")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("return subprocess.run(['pip', 'install', 'boto3>=1.2', '-q'], capture_output=True).returncode", 0),
        ("return subprocess.check_output('pip3 install boto3', shell=True, text=True)[:11]", "Requirement"),
        ("return subprocess.call([sys.executable, '-m', 'pip', 'install', '--target=/tmp', 'numpyx'])", 1),
        ("return os.system('pip install boto3')", 0),
        ("p = subprocess.Popen(['pip', 'install', 'boto3'], stdout=-1)\n    return p.stdout.read(3).decode(), p.wait()",
         ["Req", 0]),
    ],
)  # fmt: skip
def test_pip_is_answered(best_jail: Jail, line: str, expected: Any) -> None:
    """However pip is started, it says what is installed."""
    end = best_jail.body("import os, subprocess, sys", line)

    assert json.loads(end.payload or "null") == expected, end


def test_a_missing_package_is_named(best_jail: Jail) -> None:
    """What is not installed cannot be, and the failure says why."""
    end = best_jail.body(
        "import subprocess, sys", "subprocess.check_call([sys.executable, '-m', 'pip', 'install', 'requestz'])"
    )

    assert "returned non-zero exit status 1" in end.failure
    assert "ERROR: requestz is not installed beside the bot, and scripts have no network" in end.printed


@pytest.mark.parametrize(
    ("command", "wanted"),
    [
        ("pip install a b==1 -t /tmp", ["a", "b==1"]),
        ([sys.executable, "-m", "pip", "install", "-U", "-i", "https://x", "a"], ["a"]),
        (["/usr/bin/pip3.11", "install", "a"], ["a"]),
        (["pip", "list"], None),
        (["ls"], None),
        ([], None),
        ("a 'b", None),
        (5, None),
    ],
)
def test_understands_pip(command: object, wanted: list[str] | None) -> None:
    """Only an installation is answered."""
    assert wanted_of(command) == wanted
