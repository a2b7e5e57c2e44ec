"""Parameters at the start: supplied values checked, defaults expanded once, all problems at once."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.document import MISSING, Document, Parameter, Step
from engine.parameters import ParametersInvalid, bind, initial_variables
from infra.aws_errors import AwsRefused
from infra.canonical import Json

SYSTEM: dict[str, Json] = {"global:REGION": "eu-west-1", "automation:EXECUTION_ID": "e-1"}


def document(*parameters: Parameter, variables: tuple[Parameter, ...] = ()) -> Document:
    """A document with these declarations."""
    return Document(
        name="Test",
        text="",
        digest="",
        steps=(Step("a", "aws:pause"),),
        parameters={each.name: each for each in parameters},
        variables={each.name: each for each in variables},
    )


def bound(parameter: Parameter, value: Json) -> Json:
    """The value that a supplied one becomes."""
    return bind(document(parameter), {parameter.name: value}, system=SYSTEM)[parameter.name]


def refusal(parameter: Parameter, value: Json) -> str:
    """The sentence with which a supplied value is refused."""
    with pytest.raises(ParametersInvalid) as caught:
        bound(parameter, value)
    return caught.value.problems[parameter.name]


@pytest.mark.parametrize(
    ("type_", "supplied", "value"),
    [
        # as StartAutomationExecution takes them: lists of strings
        ("String", ["web"], "web"),
        ("String", [""], ""),
        ("Integer", ["3"], 3),
        ("Boolean", ["true"], True),
        ("Boolean", ["False"], False),
        ("StringList", ["a", "b"], ["a", "b"]),
        ("StringList", [], []),
        ("StringMap", ['{"a": {"b": 1}}'], {"a": {"b": 1}}),
        ("MapList", ['{"a": 1}', '{"b": 2}'], [{"a": 1}, {"b": 2}]),
        ("MapList", ['[{"a": 1}, {"b": 2}]'], [{"a": 1}, {"b": 2}]),
        ("AWS::EC2::Instance::Id", ["i-0123456789abcdef0"], "i-0123456789abcdef0"),
        ("AWS::EC2::Instance::Id", [""], ""),
        ("List<AWS::EC2::Instance::Id>", ["mi-0123456789abcdef0"], ["mi-0123456789abcdef0"]),
        ("List<AWS::EC2::Instance::Id>", ["i-01234567", "i-76543210"], ["i-01234567", "i-76543210"]),
        ("AWS::S3::Bucket::Name", ["my.bucket-1"], "my.bucket-1"),
        ("AWS::IAM::Role::Arn", ["arn:aws-cn:iam::123456789012:role/a/b"], "arn:aws-cn:iam::123456789012:role/a/b"),
        # native values
        ("String", "web", "web"),
        ("String", 5, "5"),
        ("String", True, "true"),
        ("Integer", 3, 3),
        ("Integer", "3", 3),
        ("Boolean", True, True),
        ("StringList", "a", ["a"]),
        ("StringList", '["a"]', ['["a"]']),
        ("StringMap", {"a": 1}, {"a": 1}),
        ("MapList", [{"a": 1}], [{"a": 1}]),
        ("MapList", {"a": 1}, [{"a": 1}]),
    ],
)  # fmt: skip
def test_values_of_either_kind_are_taken(type_: str, supplied: Json, value: Json) -> None:
    """Lists of strings as the API has them, and values as JSON has them."""
    found = bound(Parameter("P", type_), supplied)

    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("type_", "supplied", "kind"),
    [
        ("String", ["a", "b"], "string"),
        ("String", [], "string"),
        ("String", {"a": 1}, "string"),
        ("String", [["a"]], "string"),
        ("AWS::S3::Bucket::Name", ["a", "b"], "string"),
        ("Integer", ["x"], "integer"),
        ("Integer", [""], "integer"),
        ("Integer", 1.5, "integer"),
        ("Integer", [None], "integer"),
        ("Boolean", ["yes"], "boolean"),
        ("StringList", [["a"]], "list of strings"),
        ("StringList", {"a": 1}, "list of strings"),
        ("StringMap", ["x"], "map"),
        ("StringMap", [], "map"),
        ("MapList", ["x"], "list of maps"),
    ],
)
def test_the_wrong_type_is_refused_in_aws_words(type_: str, supplied: Json, kind: str) -> None:
    """The sentence is AWS's own."""
    assert refusal(Parameter("P", type_), supplied) == (
        f"Parameter type error. The value supplied for P is not a valid {kind}."
    )


@pytest.mark.parametrize(
    ("parameter", "supplied", "sentence"),
    [
        (
            Parameter("Action", "String", allowed_values=("Install", "Uninstall")),
            ["install"],
            'Parameter "Action" has value "install" not found in [Install, Uninstall].',
        ),
        (
            Parameter("P", "StringList", allowed_values=("a", "b")),
            ["a", "c"],
            'Parameter "P" has value "c" not found in [a, b].',
        ),
        (
            Parameter("P", "String", allowed_pattern="[a-z]+"),
            "ab1",
            'Parameter "P" has value "ab1", which does not match the pattern [a-z]+.',
        ),
        (
            Parameter("P", "StringList", allowed_pattern="[a-z]+"),
            ["ab", "1"],
            'Parameter "P" has value "1", which does not match the pattern [a-z]+.',
        ),
        (
            Parameter("P", "MapList", allowed_pattern=r'\{"Cidr":"[0-9./]+"\}'),
            [{"Cidr": "any"}],
            'Parameter "P" has value "{"Cidr":"any"}", which does not match the pattern \\{"Cidr":"[0-9./]+"\\}.',
        ),
        (
            Parameter("P", "String", allowed_pattern="["),
            "a",
            'Parameter "P" cannot be checked: the pattern [ cannot be read (unterminated character set at position 1).',
        ),
        (
            Parameter("P", "AWS::EC2::Instance::Id"),
            "i-1",
            'Parameter "P" has value "i-1", which is not a valid AWS::EC2::Instance::Id.',
        ),
        (
            Parameter("P", "String", min_chars=2),
            "a",
            'Parameter "P" must have at least 2 characters; it has 1.',
        ),
        (
            Parameter("P", "StringMap", max_chars=5),
            {"a": "b"},
            'Parameter "P" may have at most 5 characters; it has 9.',
        ),
        (Parameter("P", "StringList", min_items=1), [], 'Parameter "P" must have at least 1 items; it has 0.'),
        (Parameter("P", "MapList", max_items=1), [{}, {}], 'Parameter "P" may have at most 1 items; it has 2.'),
    ],
)
def test_constraints_are_checked(parameter: Parameter, supplied: Json, sentence: str) -> None:
    """Allowed values, patterns, resource types and sizes; AWS's words where they are known."""
    assert refusal(parameter, supplied) == sentence


@pytest.mark.parametrize(
    ("parameter", "supplied"),
    [
        (Parameter("P", "Boolean", allowed_values=("true", "false")), True),
        (Parameter("P", "Integer", allowed_values=(1, "2")), "2"),
        (Parameter("P", "Integer", allowed_pattern="[0-9]"), 5),
        (Parameter("P", "StringList", allowed_values=(["a", "b"],)), ["a", "b"]),
        (Parameter("P", "String", min_chars=1, max_chars=3, allowed_pattern="^$|.*"), "abc"),
        (Parameter("P", "MapList", allowed_pattern=r'\{"Cidr":"[0-9./]+"\}'), [{"Cidr": "10.0.0.0/8"}]),
    ],
)
def test_constraints_compare_as_text(parameter: Parameter, supplied: Json) -> None:
    """Numbers and Booleans are compared by their text, as documents of AWS need it."""
    assert bound(parameter, supplied) is not None


def test_all_problems_come_at_once() -> None:
    """A form shows each at its field."""
    declared = document(
        Parameter("InstanceId", "String"), Parameter("Count", "Integer"), Parameter("Free", "String", "")
    )
    with pytest.raises(ParametersInvalid) as caught:
        bind(declared, {"instanceid": ["i-1"], "Count": ["x"]}, system=SYSTEM)

    assert caught.value.problems == {
        "instanceid": 'Parameter "instanceid" is not declared by Test. Did you mean "InstanceId"?',
        "InstanceId": "Missing required parameter: InstanceId in user inputs.",
        "Count": "Parameter type error. The value supplied for Count is not a valid integer.",
    }
    assert "Missing required parameter" in str(caught.value)


def test_null_counts_as_not_supplied() -> None:
    """A form's empty field leaves the default."""
    declared = document(Parameter("A", "String", "x"), Parameter("B", "String"))
    with pytest.raises(ParametersInvalid) as caught:
        bind(declared, {"A": None, "B": None}, system=SYSTEM)

    assert list(caught.value.problems) == ["B"]


@pytest.mark.parametrize(
    ("type_", "default", "value"),
    [
        ("String", "x", "x"),
        ("String", "{{ automation:EXECUTION_ID }}", "e-1"),
        ("String", "{{global:REGION}}/{{ Name }}", "eu-west-1/web"),
        ("String", "{{ Other }}", "{{ Name }}"),
        ("StringList", ["{{ Ids }}", "x"], ["i-1", "i-2", "x"]),
        ("StringList", "{{ Ids }}", ["i-1", "i-2"]),
        ("StringList", "{{ Name }}", ["web"]),
        ("Integer", "5", 5),
        ("Boolean", True, True),
        ("StringMap", "{}", {}),
        ("StringMap", {"a": "{{ Name }}"}, {"a": "web"}),
        ("String", None, None),
        ("AWS::IAM::Role::Arn", "", ""),
        ("String", "{{ unknown }}", "{{ unknown }}"),
        # never checked
        ("Integer", "{{ Name }}", "web"),
    ],
)
def test_defaults_are_expanded_once(type_: str, default: Json, value: Json) -> None:
    """Over supplied values, system values and the other defaults as they are written; then typed where possible."""
    declared = document(
        Parameter("Name", "String"),
        Parameter("Ids", "StringList"),
        Parameter("Other", "String", "{{ Name }}"),
        Parameter("P", type_, default, allowed_values=("never",), allowed_pattern="never"),
    )
    values = bind(declared, {"Name": "web", "Ids": ["i-1", "i-2"]}, system=SYSTEM)

    assert values["P"] == value
    assert values["Other"] == "web"


def test_supplied_values_are_never_expanded() -> None:
    """Whoever starts a runbook cannot make it read what it did not mean to read."""
    assert bound(Parameter("P", "String"), "{{ global:REGION }} {{ssm:secret}}") == "{{ global:REGION }} {{ssm:secret}}"


def store(name: str) -> Json:
    """A Parameter Store with three names."""
    if name not in ("/app/ami", "ids", "region"):
        raise AwsRefused("ParameterNotFound", f"There is no parameter {name}.")
    values: dict[str, Json] = {"/app/ami": "ami-1", "ids": ["a", "b"], "region": "{{ global:REGION }}"}
    return values[name]


@pytest.mark.parametrize(
    ("type_", "default", "value"),
    [
        ("String", "{{ ssm:/app/ami }}", "ami-1"),
        ("String", "{{ssm:/app/ami}}", "ami-1"),
        ("String", "image {{ssm:/app/ami}}", "image ami-1"),
        ("StringList", "{{ ssm:ids }}", ["a", "b"]),
        ("StringList", ["{{ ssm:/app/ami }}", "x"], ["ami-1", "x"]),
        ("StringList", "{{ ssm:/app/ami }}", ["ami-1"]),
        ("String", "{{ ssm:region }}", "{{ global:REGION }}"),
    ],
)
def test_parameter_store_is_read_for_defaults(type_: str, default: Json, value: Json) -> None:
    """What is stored there is a value: it is not expanded again."""
    values = bind(document(Parameter("P", type_, default)), {}, system=SYSTEM, parameter_store=store)

    assert values == {"P": value}


def test_a_missing_stored_parameter_is_a_problem_of_its_parameter() -> None:
    """AWS's sentence arrives at the right field."""
    with pytest.raises(ParametersInvalid) as caught:
        bind(document(Parameter("P", "String", "{{ssm:nope}}")), {}, system=SYSTEM, parameter_store=store)

    assert caught.value.problems == {
        "P": 'The default of parameter "P" cannot be read from Parameter Store: There is no parameter nope.'
    }


def test_parameters_may_be_64_kb() -> None:
    """The quota of AWS for a document with its parameters."""
    parameter = Parameter("P", "String")
    with pytest.raises(ParametersInvalid) as caught:
        bound(parameter, "x" * 70_000)

    assert caught.value.problems == {"": "The parameters are larger than 64 KB."}
    assert bound(parameter, "x" * 60_000) == "x" * 60_000


def test_variables_begin_with_their_defaults() -> None:
    """Templates over parameters are expanded, JSON texts become maps; without a default there is no value yet."""
    declared = document(
        variables=(
            Parameter("Bucket", "String", "{{ Name }}-logs"),
            Parameter("Seen", "StringMap", "{}"),
            Parameter("Count", "Integer", "3"),
            Parameter("List", "StringList", ["{{ Ids }}"]),
            Parameter("Later", "String"),
            Parameter("Null", "String", None),
        )
    )

    assert initial_variables(declared, {"Name": "web", "Ids": ["a", "b"]}, system=SYSTEM) == {
        "Bucket": "web-logs",
        "Seen": {},
        "Count": 3,
        "List": ["a", "b"],
        "Null": None,
    }


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
TYPES = [
    "String", "Integer", "Boolean", "StringList", "StringMap", "MapList", "AWS::EC2::Instance::Id",
    "List<AWS::IAM::Role::Arn>",
]  # fmt: skip
KINDS: dict[str, Any] = {"Integer": int, "Boolean": bool, "StringList": list, "StringMap": dict, "MapList": list}


@given(st.sampled_from(TYPES), JSON, JSON | st.just(MISSING))
def test_any_value_is_bound_or_refused(type_: str, supplied: Json, default: Any) -> None:
    """What comes out has the declared type; nothing but ParametersInvalid is raised."""
    try:
        values = bind(document(Parameter("P", type_, default)), {"P": supplied}, system=SYSTEM)
    except ParametersInvalid:
        return

    if supplied is not None:
        assert isinstance(values["P"], KINDS.get(type_, list if type_.startswith("List") else str))
