"""A JSON Schema (draft-07, which editors know best) of Automation runbooks, loops and variables included. Pure.

Made from the tables that the parser and the actions use, so it cannot say anything else than they do. It is as lenient
as CreateDocument: an input may be a template wherever a value is wanted, numbers and Booleans may be quoted.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

from engine.actions import BY_NAME
from engine.conditions import OPERATORS
from engine.shape import PARAMETER_TYPES, STEP_KEYS, VARIABLE_TYPES
from engine.validation import KNOWN_ACTIONS
from infra.aws_models import operation_model, operation_names, service_name, service_names

Schema = dict[str, Any]

TEMPLATE: Final[Schema] = {"type": "string", "pattern": r"\{\{[\s\S]*\}\}"}
TEXT: Final[Schema] = {"type": ["string", "number", "boolean", "null"]}
BOOLEAN: Final[Schema] = {
    "anyOf": [
        {"type": "boolean"},
        {"type": "string", "pattern": r"^\s*([Tt][Rr][Uu][Ee]|[Ff][Aa][Ll][Ss][Ee])\s*$"},
    ]
}
INTEGER: Final[Schema] = {"anyOf": [{"type": "integer"}, {"type": "string", "pattern": r"^\s*-?\d{1,18}\s*$"}]}
NAME: Final[Schema] = {"type": "string", "pattern": "^[A-Za-z0-9_]+$"}
ABOUT: Final[Mapping[str, str]] = {
    "name": "Unique in the runbook: letters, digits and _.",
    "action": "What is done in this step.",
    "description": "For people; Markdown.",
    "maxAttempts": "How often the step is tried in all. Default: 1.",
    "timeoutSeconds": "How long one attempt may take.",
    "onFailure": "Abort (the default), Continue, or step:NAME.",
    "onCancel": "Abort (the default), or step:NAME, which then has two minutes.",
    "isCritical": "Whether a failure of this step makes the whole execution fail. Default: true, with Continue false.",
    "isEnd": "Whether the execution ends after this step. Not together with nextStep.",
    "nextStep": "The step that follows after success. Default: the next in the list.",
    "outputs": "What later steps can refer to as {{ step.Name }}: selected from the action's answer.",
    "inputs": "What the action gets. Every value may be a template such as {{ InstanceId }}.",
}


def json_schema(services: Collection[str] = ()) -> Schema:
    """The schema. For `services` it also completes operations and their parameters. Raises AwsRefused."""
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "SSM Automation runbook (schema 0.3)",
        "type": "object",
        "required": ["schemaVersion", "mainSteps"],
        "additionalProperties": False,
        "properties": _top(),
        "definitions": {
            "condition": _condition(),
            "declaration": _declaration(PARAMETER_TYPES),
            "variable": _declaration(VARIABLE_TYPES),
            "step": _step(services, is_inner=False),
            "innerStep": _step(services, is_inner=True),
            "inputs": {name: _inputs(name) for name in KNOWN_ACTIONS},
            "api": {service_name(service): _service(service_name(service)) for service in services},
        },
    }


def _ref(name: str) -> Schema:
    return {"$ref": f"#/definitions/{name}"}


def _told(schema: Schema, about: str) -> Schema:
    return {**schema, "description": about}


def _top() -> Schema:
    names = {"type": "object", "propertyNames": {"pattern": "^[A-Za-z0-9]+$"}}
    return {
        "schemaVersion": {"anyOf": [{"const": "0.3"}, {"const": 0.3}], "default": "0.3", "description": "'0.3'"},
        "description": _told(TEXT, "What the runbook does, for people; Markdown."),
        "assumeRole": _told(TEXT, "The role for all calls: an ARN, or a template such as {{ AutomationAssumeRole }}."),
        "parameters": {**_map_or_nothing(names), "additionalProperties": _ref("declaration")},
        "variables": {**_map_or_nothing({"type": "object"}), "additionalProperties": _ref("variable")},
        "mainSteps": {"type": "array", "minItems": 1, "items": _ref("step")},
        "outputs": {
            "type": ["array", "null"],
            "description": "What the execution gives: step.Output, without braces.",
            "items": {"type": "string", "pattern": r"\."},
        },
        "files": _told({"type": ["object", "null"]}, "The attachments: name to checksums."),
        **{name: {} for name in ("templateInformation", "executableRunBooks", "emergencyChange", "autoApprovable")},
    }


def _map_or_nothing(schema: Schema) -> Schema:
    return {**schema, "type": ["object", "null"]}


def _declaration(types: Collection[str]) -> Schema:
    return {
        "type": "object",
        "required": ["type"],
        "additionalProperties": False,
        "properties": {
            "type": {"enum": list(types)},
            "description": TEXT,
            "default": {"description": "Without it, a start must give a value."},
            "allowedValues": {"type": ["array", "null"]},
            "allowedPattern": _told(TEXT, "A Java regular expression that the whole value must match."),
            "minChars": INTEGER,
            "maxChars": INTEGER,
            "minItems": INTEGER,
            "maxItems": INTEGER,
            "displayType": TEXT,
            "interpolationType": TEXT,
        },
    }


def _condition() -> Schema:
    """`Variable` and an operator, or And, Or, Not around others."""
    parts = {"anyOf": [_ref("condition"), {"type": "array", "items": _ref("condition")}]}
    operators = {name: {"description": f"Compare with Variable: {name}."} for name in OPERATORS}
    return {
        "type": "object",
        "minProperties": 1,
        "additionalProperties": False,
        "properties": {
            "Variable": {"description": "What is compared, such as {{ step.Output }}."},
            **operators,
            "And": parts,
            "Or": parts,
            "Not": parts,
            "NextStep": TEXT,
        },
        "dependencies": {name: ["Variable"] for name in OPERATORS},
    }


def _step(services: Collection[str], *, is_inner: bool) -> Schema:
    actions = [name for name in KNOWN_ACTIONS if not (is_inner and name == "aws:loop")]
    inputs = {name: _ref(f"inputs/{name}") for name in actions}
    own: Schema = {
        "name": NAME,
        "action": {"anyOf": [*({"const": name, "description": _about(name)} for name in actions), _foreign(is_inner)]},
        "description": TEXT,
        "inputs": {"type": "object"},
        "maxAttempts": _nothing_or(INTEGER),
        "timeoutSeconds": _nothing_or(INTEGER),
        "onFailure": {"anyOf": [{"enum": ["Abort", "Continue"]}, _keyword("Abort|Continue"), {"type": "null"}]},
        "onCancel": {"anyOf": [{"const": "Abort"}, _keyword("Abort"), {"type": "null"}]},
        "isCritical": _nothing_or(BOOLEAN),
        "isEnd": _nothing_or(BOOLEAN),
        "nextStep": TEXT,
        "outputs": {"type": ["array", "null"], "items": _output()},
    }
    return {
        "type": "object",
        "required": ["name", "action", "inputs"],
        "additionalProperties": False,
        "properties": {key: _told(own[key], ABOUT[key]) for key in STEP_KEYS},
        "allOf": [_when(action, schema) for action, schema in inputs.items()] + list(_api_rules(services)),
    }


def _foreign(is_inner: bool) -> Schema:  # noqa: FBT001 - one of two schemas
    """Actions that are not ours to know, such as AWS's internal ones."""
    known = [name for name in KNOWN_ACTIONS if is_inner or name != "aws:loop"]
    return {"type": "string", "pattern": "^aws:[a-zA-Z]{3,40}$", "not": {"enum": known}}


def _about(action: str) -> str:
    return (BY_NAME[action].__doc__ or "").strip()


def _keyword(words: str) -> Schema:
    """A keyword in any case, or a jump."""
    spelled = "|".join("".join(f"[{letter.upper()}{letter.lower()}]" for letter in word) for word in words.split("|"))
    return {"type": "string", "pattern": rf"^\s*({spelled}|[Ss][Tt][Ee][Pp]:\s*\S.*)\s*$"}


def _nothing_or(schema: Schema) -> Schema:
    return {"anyOf": [*schema["anyOf"], {"type": "null"}]}


def _output() -> Schema:
    return {
        "type": "object",
        "required": ["Name", "Selector"],
        "properties": {
            "Name": TEXT,
            "Selector": _told(TEXT, "A JSONPath such as $.Reservations[0].Instances[0].State.Name."),
            "Type": {"anyOf": [{"enum": list(VARIABLE_TYPES)}, {"type": "null"}]},
        },
    }


def _when(action: str, inputs: Schema) -> Schema:
    return {
        "if": {"required": ["action"], "properties": {"action": {"const": action}}},
        "then": {"properties": {"inputs": inputs}},
    }


# -- inputs, from the actions' own models


def _inputs(action: str) -> Schema:
    if action == "aws:branch":
        return _branch()
    model = BY_NAME[action].Inputs.model_json_schema()
    known = {name: _lenient(schema) for name, schema in model.get("properties", {}).items()}
    if action == "aws:loop":
        known["Steps"] = {"type": "array", "minItems": 1, "items": _ref("innerStep")}
        known["LoopCondition"] = {"anyOf": [_ref("condition"), {"type": "null"}]}
    if "Service" in known:
        known["Service"] = {"anyOf": [{"enum": sorted(service_names())}, {"type": "string"}]}
    found: Schema = {"type": "object", "properties": known}
    if action == "aws:approve":
        found["anyOf"] = [{"required": ["Approvers"]}, {"required": ["EnhancedApprovals"]}]
    elif model.get("required"):
        found["required"] = model["required"]
    if model.get("additionalProperties") is False:
        found["additionalProperties"] = False
    return found


def _branch() -> Schema:
    choice: Schema = {"allOf": [_ref("condition")], "required": ["NextStep"], "minProperties": 2}
    return {
        "type": "object",
        "required": ["Choices"],
        "additionalProperties": False,
        "properties": {
            "Choices": {"type": "array", "minItems": 1, "items": choice},
            "Default": _told(TEXT, "The step that follows when no choice holds."),
        },
    }


def _lenient(schema: Schema) -> Schema:
    """One input: as its type, or as the text that AWS takes for it."""
    choices = schema.get("anyOf", [schema])
    loose = [loosened for choice in choices for loosened in _loosened(choice)]
    if {} in loose or not loose:
        return {}
    return {"anyOf": [*loose, TEMPLATE, {"type": "null"}]}


def _loosened(schema: Schema) -> Iterator[Schema]:
    match schema.get("type"):
        case "string" if "enum" in schema:
            yield {"enum": schema["enum"]}
        case "string":
            yield {"type": ["string", "number", "boolean"]}
        case "integer":
            yield {name: value for name, value in schema.items() if name in ("type", "minimum", "maximum")}
            yield INTEGER["anyOf"][1]
        case "boolean":
            yield from BOOLEAN["anyOf"]
            yield {"const": ""}
        case "array":
            limits: Schema = {name: schema[name] for name in ("minItems", "maxItems") if name in schema}
            yield {"type": "array", **limits}
            yield {"type": ["string", "number"]}
        case "object":
            yield {"type": "object"}
            yield {"type": "string"}
        case "null":
            return
        case _:
            yield {}


# -- operations of services


def _api_rules(services: Collection[str]) -> Iterator[Schema]:
    for service in services:
        name = service_name(service)
        yield {
            "if": {
                "required": ["inputs"],
                "properties": {"inputs": {"required": ["Service"], "properties": {"Service": {"const": name}}}},
            },
            "then": {"properties": {"inputs": _ref(f"api/{name}")}},
        }


def _service(service: str) -> Schema:
    operations = sorted(operation_names(service))
    return {
        "properties": {"Api": {"anyOf": [{"enum": operations}, {"type": "string"}]}},
        "allOf": [_operation(service, operation) for operation in operations],
    }


def _operation(service: str, operation: str) -> Schema:
    """Completion of the operation's parameters; spelling and types are the linter's business."""
    shape = operation_model(service, operation).input_shape
    return {
        "if": {"required": ["Api"], "properties": {"Api": {"const": operation}}},
        "then": {"properties": {name: {} for name in (shape.members if shape is not None else ())}},
    }
