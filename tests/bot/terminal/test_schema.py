import json
from pathlib import Path

from click.testing import CliRunner

from bot.terminal.schema import schema


def test_the_schema_is_json_on_stdout() -> None:
    """For a pipe."""
    result = CliRunner().invoke(schema)

    assert result.exit_code == 0
    assert json.loads(result.output)["$schema"] == "http://json-schema.org/draft-07/schema#"


def test_a_file_with_operations_can_be_written(tmp_path: Path) -> None:
    """`-o runbook.schema.json --service ec2`."""
    file = tmp_path / "runbook.schema.json"
    result = CliRunner().invoke(schema, ["-o", str(file), "--service", "ec2", "--service", "rds"])

    assert (result.exit_code, result.output) == (0, "")
    assert json.loads(file.read_text())["definitions"]["api"].keys() == {"ec2", "rds"}


def test_an_unknown_service_is_one_sentence() -> None:
    """With a suggestion."""
    result = CliRunner().invoke(schema, ["--service", "dynamo-db-x"])

    assert (result.exit_code, result.output.count("\n")) == (2, 1)
    assert 'no AWS service "dynamo-db-x"' in result.output
