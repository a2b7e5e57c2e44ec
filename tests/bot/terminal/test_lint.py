"""`playbook-bot runbook lint`: what people, editors and pipelines get to see."""

import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from bot.cli import cli
from engine.scripts import tools
from engine.source import LARGEST_FILE
from playbooks.catalog import LIBRARY
from tests.engine.corpus import CORPUS, needs_corpus

GOOD = """\
schemaVersion: '0.3'
description: Waits
mainSteps:
- name: wait
  action: aws:sleep
  inputs: {Duration: PT1S}
"""
WRONG = GOOD + "  nextStep: waitt\n"
WARNED = GOOD.replace("PT1S", "1s")
NOTED = GOOD.replace("description: Waits\n", "")


def lint(*arguments: str | Path, stdin: bytes | None = None) -> Result:
    """Run the command."""
    return CliRunner().invoke(cli, ["runbook", "lint", *map(str, arguments)], input=stdin)


def written(folder: Path, **texts: str) -> Path:
    """A folder with files NAME.yaml."""
    for name, text in texts.items():
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("text", "options", "code"),
    [
        (GOOD, (), 0),
        (NOTED, (), 0),
        (NOTED, ("--strict",), 0),
        (WARNED, (), 0),
        (WARNED, ("--strict",), 1),
        (WARNED, ("--strict", "--ignore", "INP003"), 0),
        (WRONG, (), 1),
    ],
)
def test_the_exit_code_says_how_bad_it_is(tmp_path: Path, text: str, options: tuple[str, ...], code: int) -> None:
    """0 without errors, 1 with; --strict makes warnings count, --ignore leaves one out, notes never count."""
    result = lint(written(tmp_path, a=text) / "a.yaml", *options)

    assert result.exit_code == code, result.output


def test_text_shows_the_line_and_a_caret(tmp_path: Path) -> None:
    """A person sees place, severity, code, sentence and the line itself; no colours where nobody looks."""
    file = written(tmp_path, a=WRONG) / "a.yaml"

    result = lint(file)

    assert result.output == (
        f'{file}:7:3 error FLW003 Unknown step name: "waitt" in nextStep. Did you mean "wait"?\n'
        "     7 |   nextStep: waitt\n"
        "       |   ^\n"
        "1 file: 1 error\n"
    )


def test_text_is_coloured_on_a_terminal(tmp_path: Path) -> None:
    """Errors are red there."""
    result = CliRunner().invoke(cli, ["runbook", "lint", str(written(tmp_path, a=WRONG) / "a.yaml")], color=True)

    assert "\x1b[31m" in result.output


def test_a_long_line_is_shown_around_its_problem(tmp_path: Path) -> None:
    """JSON on one line does not fill the screen."""
    file = tmp_path / "a.json"
    step = {"name": "a", "action": "aws:sleep", "inputs": {"Duration": "PT1S"}, "nextStep": "b"}
    file.write_text(json.dumps({"schemaVersion": "0.3", "description": "x" * 5000, "mainSteps": [step]}))

    lines = lint(file).output.splitlines()

    assert max(map(len, lines[1:])) < 200
    assert lines[1][lines[2].index("^")] == '"'
    assert '"nextStep": "b"' in lines[1]


def test_json_is_one_object(tmp_path: Path) -> None:
    """Counts, and each problem with its place, code, severity and path in the document."""
    file = written(tmp_path, a=WRONG) / "a.yaml"

    found = json.loads(lint(file, "--format", "json").output)

    assert (found["files"], found["errors"], found["warnings"]) == (1, 1, 0)
    assert found["problems"] == [
        {
            "file": str(file),
            "line": 7,
            "column": 3,
            "severity": "error",
            "code": "FLW003",
            "message": 'Unknown step name: "waitt" in nextStep. Did you mean "wait"?',
            "rule": "a jump leads to a step that does not exist",
            "path": ["mainSteps", 0, "nextStep"],
        }
    ]


def test_github_gets_annotations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One workflow command each, with what GitHub takes for syntax escaped."""
    written(tmp_path, **{"a,b": WRONG.replace("waitt", "50%")})
    monkeypatch.chdir(tmp_path)

    result = lint("a,b.yaml", "--format", "github")

    assert result.output == (
        '::error file=a%2Cb.yaml,line=7,col=3,title=FLW003::Unknown step name: "50%25" in nextStep.\n'
    )


SARIF: dict[str, Any] = {
    "type": "object",
    "required": ["version", "runs", "$schema"],
    "additionalProperties": False,
    "properties": {
        "$schema": {"type": "string", "format": "uri"},
        "version": {"const": "2.1.0"},
        "runs": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/run"}},
    },
    "$defs": {
        "run": {
            "type": "object",
            "required": ["tool", "results"],
            "additionalProperties": False,
            "properties": {
                "tool": {
                    "type": "object",
                    "required": ["driver"],
                    "properties": {
                        "driver": {
                            "type": "object",
                            "required": ["name"],
                            "properties": {
                                "name": {"type": "string"},
                                "semanticVersion": {"type": "string", "pattern": r"^\d+\.\d+\.\d+"},
                                "rules": {"type": "array", "uniqueItems": True, "items": {"$ref": "#/$defs/rule"}},
                            },
                        }
                    },
                },
                "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
                "invocations": {
                    "type": "array",
                    "items": {"type": "object", "required": ["executionSuccessful"]},
                },
                "results": {"type": "array", "items": {"$ref": "#/$defs/result"}},
            },
        },
        "rule": {
            "type": "object",
            "required": ["id"],
            "properties": {
                "id": {"type": "string"},
                "shortDescription": {"$ref": "#/$defs/message"},
                "help": {"$ref": "#/$defs/message"},
                "defaultConfiguration": {"properties": {"level": {"enum": ["none", "note", "warning", "error"]}}},
            },
        },
        "message": {"type": "object", "required": ["text"], "properties": {"text": {"type": "string", "minLength": 1}}},
        "result": {
            "type": "object",
            "required": ["message", "ruleId"],
            "properties": {
                "ruleId": {"type": "string"},
                "ruleIndex": {"type": "integer", "minimum": 0},
                "level": {"enum": ["none", "note", "warning", "error"]},
                "message": {"$ref": "#/$defs/message"},
                "locations": {
                    "type": "array",
                    "items": {
                        "required": ["physicalLocation"],
                        "properties": {
                            "physicalLocation": {
                                "required": ["artifactLocation", "region"],
                                "properties": {
                                    "artifactLocation": {
                                        "required": ["uri"],
                                        "properties": {"uri": {"type": "string", "pattern": r"^[^\s\\]+$"}},
                                    },
                                    "region": {
                                        "required": ["startLine"],
                                        "properties": {
                                            "startLine": {"type": "integer", "minimum": 1},
                                            "startColumn": {"type": "integer", "minimum": 1},
                                        },
                                    },
                                },
                            }
                        },
                    },
                },
            },
        },
    },
}
"""The parts of OASIS's SARIF 2.1.0 schema that a log of ours uses."""


def test_sarif_is_a_log_that_code_scanning_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Version 2.1.0, every result with its rule, its level and a place in a file named by a URI reference."""
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed")
    written(tmp_path, **{"a b": WRONG, "b": WARNED})
    monkeypatch.chdir(tmp_path)

    log = json.loads(lint("a b.yaml", "b.yaml", "--format", "sarif").output)

    jsonschema.Draft202012Validator(SARIF).validate(log)
    (run,) = log["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert [(each["ruleId"], each["level"]) for each in run["results"]] == [("FLW003", "error"), ("INP003", "warning")]
    assert all(rules[each["ruleIndex"]]["id"] == each["ruleId"] for each in run["results"])
    place = run["results"][0]["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "a%20b.yaml"
    assert place["region"] == {"startLine": 7, "startColumn": 3}


def test_a_folder_is_searched_for_runbooks(tmp_path: Path) -> None:
    """Runbooks below it are found by what they say; command documents, other YAML and hidden folders are left out."""
    (tmp_path / "deep" / ".hidden").mkdir(parents=True)
    written(tmp_path, other="a: 1", command="schemaVersion: '2.2'\nmainSteps: []\n", good=GOOD)
    written(tmp_path / "deep" / ".hidden", wrong=WRONG)
    written(tmp_path / "deep", broken=GOOD + "  x: [\n")
    (tmp_path / "deep" / "a.json").write_text('{"schemaVersion": "0.3", "mainSteps": []}')
    (tmp_path / "notes.txt").write_text(WRONG)

    result = lint(tmp_path, "--format", "json", "--no-notes")

    found = json.loads(result.output)
    assert found["files"] == 3
    assert [Path(each["file"]).name for each in found["problems"]] == ["a.json", "broken.yaml"]


def test_standard_input_is_a_file(tmp_path: Path) -> None:
    """Editors hand over what is not saved yet."""
    result = lint("-", stdin=WRONG.encode())

    assert result.exit_code == 1
    assert result.output.startswith("<stdin>:7:3 error FLW003")


def test_what_cannot_be_opened_is_said_and_the_rest_is_linted(tmp_path: Path) -> None:
    """Exit code 2, one sentence for each, and the problems of the other files."""
    written(tmp_path, a=WRONG)
    (tmp_path / "empty").mkdir()

    result = lint(tmp_path / "a.yaml", tmp_path / "gone.yaml", tmp_path / "empty")

    assert result.exit_code == 2
    assert "FLW003" in result.stdout
    assert f"{tmp_path / 'gone.yaml'}: No such file or directory" in result.stderr
    assert f"{tmp_path / 'empty'}: there is no runbook" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "Missing argument"),
        (("--ignore", "XYZ999", "-"), 'there is no rule "XYZ999"'),
        (("--ignore", "FLW003", "-"), "FLW003 is an error"),
        (("--format", "xml", "-"), "'xml' is not one of"),
    ],
)
def test_wrong_usage_is_said(arguments: tuple[str, ...], sentence: str) -> None:
    """Exit code 2 and what is wrong."""
    result = lint(*arguments, stdin=b"")

    assert result.exit_code == 2
    assert sentence in result.stderr


SCRIPT = (
    GOOD
    + """\
- name: go
  action: aws:executeScript
  inputs:
    Runtime: python3.11
    Handler: go
    Script: |
      def go(e, c):
          db.execute("SELECT * FROM x WHERE y = %s" % e)
"""
)


def test_a_scanner_that_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there are scripts, and nowhere else."""
    monkeypatch.setattr(tools, "missing", lambda: ("bandit", "ruff"))
    monkeypatch.setattr(tools, "tool_problems", lambda documents: iter(()))
    written(tmp_path, a=SCRIPT, b=GOOD)

    assert "not scanned by bandit and ruff: not installed" in lint(tmp_path / "a.yaml").output
    assert "not installed" not in lint(tmp_path / "b.yaml").output
    assert "not installed" not in lint(tmp_path / "a.yaml", "--no-tools").output
    assert json.loads(lint(tmp_path / "a.yaml", "--format", "json").output)["left_out"] == ["bandit", "ruff"]
    assert (
        "::notice::Scripts were not scanned by bandit and ruff"
        in lint(tmp_path / "a.yaml", "--format", "github").output
    )


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "1:1 error SRC005 the file is empty"),
        (b"\n\n# nothing\n", "1:1 error SRC005 the file is empty"),
        (GOOD.replace("Waits", "Wait\x00s").encode(), "2:18 error SRC003 the character U+0000 is not allowed here"),
        (GOOD.replace("Waits", "W\xe4rten").encode("latin-1"), "2:15 error SRC011 the file is not UTF-8 text (byte"),
        (GOOD.encode("utf-16"), "1:1 error SRC011 the file is not UTF-8 text (UTF-16); save it as UTF-8"),
        (b"\xef\xbb\xbf" + WRONG.encode(), "7:3 error FLW003"),
        (WRONG.replace("\n", "\r\n").encode(), "7:3 error FLW003"),
        (GOOD.replace("  action", "\taction").encode(), "5:1 error SRC002 YAML not well-formed"),
        (b"a: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]\n", "2:8 error SRC006 aliases (*a) are not supported"),
        (b"a: " + b"[" * 10_000, "1:64 error SRC004 the file is nested deeper than 60 levels"),
        (b'{"a":' * 10_000, "error SRC004 the file is nested deeper than 60 levels"),
        (b"x: " + b"y" * 10_000_000, "1:1 error SRC001 the file is larger than 4,000,000 characters"),
        (b"x" * (LARGEST_FILE + 10), "1:1 error SRC001 the file is larger than 16,000,000 bytes"),
        (
            (GOOD + "".join(f"- {{name: s{number}, action: 'aws:pause'}}\n" for number in range(10_000))).encode(),
            "error DOC001 the document is larger than 64 KB",
        ),
        (b"- " * 50_000, "error SRC004"),
        (bytes(range(128, 256)), "1:1 error SRC011"),
        (b"\x89PNG\r\n\x1a\n", "1:1 error SRC011"),
    ],
    ids=[
        "empty", "comment", "nul", "latin-1", "utf-16", "bom", "crlf", "tab", "bomb", "deep", "deep-json", "10MB",
        "16MB", "10000-steps", "deep-list", "binary", "image",
    ],
)  # fmt: skip
def test_no_file_does_harm(tmp_path: Path, data: bytes, sentence: str) -> None:
    """Whatever the file holds: a sentence with a place, at once, and never a traceback."""
    file = tmp_path / "a.yaml"
    file.write_bytes(data)

    result = lint(file)

    assert result.exit_code == 1
    assert sentence in result.output
    assert "Traceback" not in result.output
    assert len(result.output) < 5_000


def test_memory_stays_bounded(tmp_path: Path) -> None:
    """A file of a gigabyte is not read to its end."""
    file = tmp_path / "a.yaml"
    with file.open("wb") as stream:
        stream.truncate(1_000_000_000)

    tracemalloc.start()
    try:
        result = lint(file)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert "SRC001" in result.output
    assert peak < 100_000_000


@needs_corpus
def test_every_document_that_aws_publishes_is_without_an_error() -> None:
    """Over all of them at once, as a pipeline would."""
    found = json.loads(lint(CORPUS / "aws-owned", "--format", "json", "--no-tools").output)

    assert found["files"] > 100
    assert [each for each in found["problems"] if each["severity"] == "error"] == []


@needs_corpus
def test_malformed_and_incomplete_documents_are_refused_with_a_place() -> None:
    """Each one, with a place inside the file."""
    for path in sorted((CORPUS / "community").glob("malformed/**/*.*")):
        found = json.loads(lint(path, "--format", "json").output)

        assert found["errors"] >= 1, path.name
        assert found["problems"][0]["line"] > 1, path.name


def test_our_own_library_is_clean() -> None:
    """What comes with the program has nothing to be said about, not even a note."""
    result = lint(LIBRARY, "--strict")

    assert result.output == f"{len(list(LIBRARY.glob('*/runbook.yaml')))} files: nothing to say\n"
