import copy
from typing import Any

import pytest

from engine.document import RunbookRefused
from engine.json_schema import json_schema
from engine.source import read
from engine.validation import KNOWN_ACTIONS, examine, parse
from infra.aws_errors import AwsRefused
from playbooks.catalog import LIBRARY
from tests.engine.corpus import needs_corpus, runbooks

jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed")

GOOD: dict[str, Any] = {
    "schemaVersion": "0.3",
    "parameters": {"Ids": {"type": "StringList", "default": []}},
    "variables": {"Count": {"type": "Integer", "default": 0}},
    "mainSteps": [
        {"name": "nap", "action": "aws:sleep", "inputs": {"Duration": "PT1S"}, "maxAttempts": "2", "isEnd": "false"},
        {
            "name": "each",
            "action": "aws:loop",
            "inputs": {
                "Iterators": "{{ Ids }}",
                "Steps": [
                    {
                        "name": "count",
                        "action": "aws:updateVariable",
                        "inputs": {"Name": "variable:Count", "Value": "{{ each.CurrentIteration }}"},
                    }
                ],
            },
        },
        {
            "name": "decide",
            "action": "aws:branch",
            "inputs": {
                "Choices": [{"NextStep": "nap2", "Not": {"Variable": "{{ variable:Count }}", "NumericEquals": 3}}]
            },
        },
        {"name": "nap2", "action": "aws:sleep", "onFailure": "step:stop", "inputs": {"Duration": "{{ variable:D }}"}},
        {
            "name": "stop",
            "action": "aws:changeInstanceState",
            "inputs": {"InstanceIds": "{{ Ids }}", "DesiredState": "stopped", "Force": "true"},
        },
    ],
    "outputs": ["each.CurrentIteration"],
}


@pytest.fixture(scope="module")
def validator() -> Any:
    """A validator of the schema, which is itself checked."""
    schema = json_schema()
    jsonschema.Draft7Validator.check_schema(schema)
    return jsonschema.Draft7Validator(schema)


def test_a_runbook_with_loops_and_variables_is_right(validator: Any) -> None:
    """What AWS's own editor schema does not know."""
    assert [error.message for error in validator.iter_errors(GOOD)] == []


def changed(*path: Any, to: Any) -> dict[str, Any]:
    """The good runbook with one value changed."""
    tree = copy.deepcopy(GOOD)
    place: Any = tree
    for part in path[:-1]:
        place = place[part]
    place[path[-1]] = to
    return tree


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("schemaVersion",), "2.2"),
        (("mainSteps",), []),
        (("mainSteps", 0, "name"), "a-b"),
        (("mainSteps", 0, "action"), "sleep"),
        (("mainSteps", 0, "nextstep"), "each"),
        (("mainSteps", 0, "onFailure"), "nowhere"),
        (("mainSteps", 0, "onCancel"), "Continue"),
        (("mainSteps", 0, "timeoutSeconds"), "soon"),
        (("mainSteps", 0, "isCritical"), "perhaps"),
        (("mainSteps", 0, "inputs"), {"Duraton": "PT1S"}),
        (("mainSteps", 0, "inputs"), None),
        (("mainSteps", 0, "outputs"), [{"Name": "x"}]),
        (("mainSteps", 1, "inputs", "Steps", 0, "inputs"), {"Name": "variable:Count"}),
        (("mainSteps", 1, "inputs", "Steps", 0, "action"), "aws:loop"),
        (("mainSteps", 1, "inputs", "IteratorDataType"), "Float"),
        (("mainSteps", 2, "inputs", "Choices", 0), {"NextStep": "nap"}),
        (("mainSteps", 2, "inputs", "Choices", 0), {"NextStep": "nap", "Variable": "x", "StringEqual": "y"}),
        (("mainSteps", 2, "inputs", "Choices", 0), {"NextStep": "nap", "StringEquals": "y"}),
        (("mainSteps", 4, "inputs", "DesiredState"), "paused"),
        (("parameters", "Ids", "type"), "List"),
        (("parameters", "Ids", "allowedvalues"), []),
        (("parameters", "Wrong_Name"), {"type": "String"}),
        (("variables", "Count"), {"default": 1}),
        (("outputs",), ["nap"]),
        (("outputs",), "nap.x"),
        (("comment",), "x"),
    ],
)
def test_a_wrong_document_is_found(validator: Any, path: tuple[Any, ...], value: Any) -> None:
    """One wrong value, at least one error."""
    assert list(validator.iter_errors(changed(*path, to=value))) != []


def test_every_action_has_its_inputs_and_its_sentence() -> None:
    """Completion offers each action with what it does."""
    schema = json_schema()
    offered = {
        each["const"]: each["description"]
        for each in schema["definitions"]["step"]["properties"]["action"]["anyOf"]
        if "const" in each
    }

    assert offered.keys() == set(KNOWN_ACTIONS)
    assert all(offered.values())
    assert schema["definitions"]["inputs"].keys() == set(KNOWN_ACTIONS)


def test_operations_of_named_services_are_completed() -> None:
    """Operations by service, parameters by operation; any service may still be called."""
    schema = json_schema(["EC2"])
    found = schema["definitions"]["api"]["ec2"]
    jsonschema.Draft7Validator.check_schema(schema)
    stop = next(each for each in found["allOf"] if each["if"]["properties"]["Api"]["const"] == "StopInstances")

    assert "StopInstances" in found["properties"]["Api"]["anyOf"][0]["enum"]
    assert "InstanceIds" in stop["then"]["properties"]
    other = {"name": "a", "action": "aws:executeAwsApi", "inputs": {"Service": "sqs", "Api": "list_queues"}}
    assert jsonschema.Draft7Validator(schema).is_valid({"schemaVersion": "0.3", "mainSteps": [other]})


def test_an_unknown_service_is_refused_with_a_suggestion() -> None:
    """Not a schema that silently lacks it."""
    with pytest.raises(AwsRefused, match="no AWS service"):
        json_schema(["ec3000"])


def test_the_shipped_library_is_right(validator: Any) -> None:
    """Every runbook of it."""
    for path in sorted(LIBRARY.rglob("runbook.yaml")):
        tree = read(path.read_text(encoding="utf-8")).tree
        assert [error.message for error in validator.iter_errors(tree)] == [], path


@needs_corpus
def test_no_runbook_of_the_corpus_that_parses_is_wrong_to_the_schema(validator: Any) -> None:
    """An editor must not underline what AWS takes."""
    seen = 0
    for name, text in runbooks("aws-owned", "community"):
        try:
            tree = dict(parse(text, name=name).tree)
        except RunbookRefused:
            continue
        assert [error.message for error in validator.iter_errors(tree)] == [], name
        seen += 1
    assert seen > 0


@needs_corpus
def test_what_the_parser_finds_wrong_in_the_shape_the_schema_finds_too(validator: Any) -> None:
    """Problems of keys, types and steps; names and flow are beyond a schema."""
    seen = 0
    for name, text in runbooks("community"):
        try:
            examined = examine(text, name=name)
        except RunbookRefused:
            continue
        codes = {problem.code[:3] for problem in examined.problems} - {"FLW", "REF"}
        is_only_shape = codes and not {problem.code for problem in examined.problems} & {"DOC001", "STP004", "PAR005"}
        if is_only_shape:
            assert not validator.is_valid(examined.source.tree), (name, examined.problems)
            seen += 1
    assert seen > 0
