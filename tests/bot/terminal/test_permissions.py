import json
from typing import Any

from click.testing import CliRunner, Result

from bot.terminal.permissions import permissions
from playbooks.catalog import LIBRARY

RUNBOOK = str(LIBRARY / "stop-instance" / "runbook.yaml")


def asked(*arguments: str) -> Result:
    """Run the command."""
    return CliRunner().invoke(permissions, [RUNBOOK, *arguments])


def test_json_has_both_policies_and_the_reasons() -> None:
    """One object that a program can hand to IAM."""
    result = asked("--json", "--account", "111122223333", "--region", "eu-west-1")
    found: dict[str, Any] = json.loads(result.output)

    assert result.exit_code == 0
    assert found.keys() == {"policy", "trust_policy", "because", "notes"}
    assert found["because"]["ec2:StopInstances"] == ["stop", "forceStop"]
    assert "arn:aws:ec2:eu-west-1:111122223333:instance/*" in json.dumps(found["policy"])


def test_the_instance_of_one_start_is_all_that_it_may_stop() -> None:
    """--parameters narrow the policy."""
    result = asked("--parameters", '{"InstanceId": "i-0123456789abcdef0"}')

    assert result.exit_code == 0
    assert "instance/i-0123456789abcdef0" in result.output
    assert "instance/*" not in result.output


def test_a_wrong_account_or_parameter_is_one_sentence() -> None:
    """Exit code 2."""
    assert asked("--account", "1").output == '--account must be twelve digits, not "1"\n'
    result = asked("--parameters", '{"Instance": "i-0123456789abcdef0"}')
    assert (result.exit_code, 'Did you mean "InstanceId"?' in result.output) == (2, True)
