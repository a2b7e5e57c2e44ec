"""Files beside a runbook: found by name, proved by checksum, and run."""

import hashlib
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from moto import mock_aws

from bot.cli import cli
from engine.attachments import Attachments, Folder, beside
from engine.document import Document
from engine.validation import parse
from infra.aws_errors import AwsRefused

CODE = b"def handler(events, context):\n    return {'Said': events['Word'] * 2}\n"


def document(checksum: str = "", name: str = "tool.py") -> Document:
    """A document with one script in an attachment."""
    inputs = {"Runtime": "python3.11", "Handler": "tool.handler", "Attachment": name, "InputPayload": {"Word": "ha"}}
    outputs = [{"Name": "Said", "Selector": "$.Payload.Said", "Type": "String"}]
    step = {"name": "say", "action": "aws:executeScript", "inputs": inputs, "outputs": outputs}
    files: dict[str, Any] = {name: {"checksums": {"sha256": checksum}}} if checksum else {}
    return parse(json.dumps({"schemaVersion": "0.3", "mainSteps": [step], "files": files}), name="Say")


def test_the_file_with_the_checksum_is_taken(tmp_path: Path) -> None:
    """Wherever it lies; another one of the same name is not."""
    for folder, content in (("old", b"something else"), ("new", CODE)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "tool.py").write_bytes(content)
    everywhere = Attachments(lambda _: [Folder(tmp_path / name, is_own=False) for name in ("old", "new")])

    assert everywhere.read(document(hashlib.sha256(CODE).hexdigest()), "tool.py") == CODE


def test_another_file_of_that_name_is_refused(tmp_path: Path) -> None:
    """What runs is what the document names, or nothing."""
    (tmp_path / "tool.py").write_bytes(CODE)

    with pytest.raises(AwsRefused, match=r"tool\.py beside the runbook is not the file the document names"):
        beside(tmp_path).read(document("0" * 64), "tool.py")


def test_without_a_checksum_only_its_own_folder_counts(tmp_path: Path) -> None:
    """Somebody else's file of that name is not taken for it."""
    (tmp_path / "tool.py").write_bytes(CODE)
    foreign = Attachments(lambda _: [Folder(tmp_path, is_own=False)])

    assert beside(tmp_path).read(document(), "tool.py") == CODE
    assert foreign.read(document(), "tool.py") is None


@pytest.mark.parametrize("name", ["../secret.py", "/etc/passwd", "..", "a", "a/b.py", ""])
def test_no_name_leads_out_of_the_folder(tmp_path: Path, name: str) -> None:
    """Names are AWS's: letters, digits, `_`, `-`, `.`."""
    (tmp_path / "inner").mkdir()
    (tmp_path / "secret.py").write_bytes(CODE)

    assert beside(tmp_path / "inner").read(document(), name) is None


def _zipped() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("tool.py", CODE)
    return packed.getvalue()


@pytest.mark.parametrize(("name", "content"), [("tool.py", CODE), ("tool.zip", _zipped())], ids=["py", "zip"])
def test_a_script_in_an_attachment_runs(tmp_path: Path, name: str, content: bytes) -> None:
    """`runbook run FILE` takes what lies beside the file."""
    (tmp_path / name).write_bytes(content)
    runbook = tmp_path / "say.json"
    runbook.write_text(document(hashlib.sha256(content).hexdigest(), name).text)
    with mock_aws():
        answer = CliRunner().invoke(cli, ["runbook", "run", str(runbook), "--region", "eu-west-1", "--json"])

    assert answer.exit_code == 0, answer.output
    (step,) = json.loads(answer.stdout[answer.stdout.index("{\n") :])["StepExecutions"]
    assert step["Outputs"]["Said"] == ["haha"]


def test_a_runbook_beside_it_is_its_child(tmp_path: Path) -> None:
    """`runbook run FILE` finds the documents of aws:executeAutomation in the same folder; another name is said."""
    (tmp_path / "child.yaml").write_text(
        'schemaVersion: "0.3"\nmainSteps: [{name: nap, action: "aws:sleep", inputs: {Duration: PT0S}}]\n'
    )
    parent = tmp_path / "parent.yaml"
    for name, code in (("child", 0), ("nobody", 1)):
        step = f'{{name: call, action: "aws:executeAutomation", inputs: {{DocumentName: {name}}}}}'
        parent.write_text(f'schemaVersion: "0.3"\nmainSteps: [{step}]\n')
        with mock_aws():
            answer = CliRunner().invoke(cli, ["runbook", "run", str(parent), "--region", "eu-west-1", "--json"])

        assert answer.exit_code == code, answer.output
    assert '"nobody\\" is no file beside' in answer.output
