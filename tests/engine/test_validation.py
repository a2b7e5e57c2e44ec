"""From text to a Document: what AWS refuses is refused, with a place; what AWS takes is taken."""

import textwrap
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.document import MISSING, Document, OutputSpec, Problem, RunbookRefused
from engine.source import read
from engine.validation import examine, parse, unsupported_actions
from tests.engine.corpus import needs_corpus, runbooks

HEAD = "schemaVersion: '0.3'\n"
STEPS = "mainSteps:\n- name: a\n  action: aws:sleep\n  inputs: {Duration: PT1S}\n"


def problems_of(text: str) -> list[str]:
    """`code line:column message` of every problem."""
    try:
        parse(textwrap.dedent(text), name="Test")
    except RunbookRefused as refused:
        return [f"{each.code} {str(each).removeprefix('<document>:')}" for each in refused.problems]
    return []


def with_step(lines: str) -> str:
    """A document with one more step, `a`, whose properties are given."""
    return HEAD + "mainSteps:\n- name: a\n" + textwrap.indent(textwrap.dedent(lines).strip("\n"), "  ") + "\n"


def accepted(text: str) -> Document:
    """The document of a text that must be taken."""
    return parse(textwrap.dedent(text), name="Test")


def test_a_whole_document_becomes_plain_data() -> None:
    """Everything that a runbook may say arrives, typed."""
    document = accepted("""
        schemaVersion: '0.3'
        description: Restarts
        assumeRole: '{{ AutomationAssumeRole }}'
        parameters:
          AutomationAssumeRole: {type: 'AWS::IAM::Role::Arn', default: ''}
          Count: {type: Integer, default: '3', description: how many, allowedValues: [1, '3'], maxItems: 4}
        variables:
          Seen: {type: StringList, default: []}
        mainSteps:
        - name: first
          action: aws:executeAwsApi
          maxAttempts: '2'
          timeoutSeconds: 60
          onFailure: Step:last
          isCritical: 'false'
          inputs: {Service: ec2, Api: DescribeInstances}
          outputs: [{Name: Ids, Selector: $..InstanceId, Type: StringList}]
        - name: last
          action: aws:pause
          isEnd: true
        outputs: [first.Ids]
        files: {x.zip: {checksums: {sha256: abc}}}
    """)

    first, last = document.steps
    assert (document.name, document.description, document.assume_role) == (
        "Test",
        "Restarts",
        "{{ AutomationAssumeRole }}",
    )
    assert document.parameters["Count"].allowed_values == (1, "3")
    assert document.parameters["Count"].max_items == 4
    assert document.variables["Seen"].default == []
    assert (first.max_attempts, first.timeout, first.on_failure) == (2, timedelta(seconds=60), "step:last")
    assert (first.is_critical, first.is_end, last.is_end) == (False, False, True)
    assert first.outputs == (OutputSpec("Ids", "$..InstanceId", "StringList"),)
    assert document.outputs == ("first.Ids",)
    assert len(document.digest) == 64


@pytest.mark.parametrize(
    ("on_failure", "written", "expected"),
    [
        ("", None, True),
        ("onFailure: Abort", None, True),
        ("onFailure: Continue", None, False),
        ("onFailure: continue", None, False),
        ("onFailure: Continue", "true", True),
        ("onFailure: step:b", None, True),
        ("onFailure: step:b", "false", False),
    ],
)
def test_is_critical_follows_from_on_failure(on_failure: str, written: str | None, expected: bool) -> None:  # noqa: FBT001 - a table
    """A step that may fail and go on is not critical, unless it says so."""
    lines = [f"- name: a\n  action: aws:sleep\n  inputs: {{}}\n  {on_failure}"]
    lines += [f"  isCritical: {written}"] if written else []
    text = HEAD + "mainSteps:\n" + "\n".join(lines) + "\n- name: b\n  action: aws:pause\n"

    assert accepted(text).steps[0].is_critical is expected


def test_the_body_of_a_loop_becomes_steps() -> None:
    """The inputs of a loop lose `Steps`, the step gains them, and all steps are found by name."""
    document = accepted("""
        schemaVersion: '0.3'
        mainSteps:
        - name: each
          action: aws:loop
          inputs:
            Iterators: [1, 2]
            Steps:
            - {name: inner, action: 'aws:pause'}
        - {name: after, action: 'aws:pause'}
    """)

    assert document.steps[0].inputs == {"Iterators": [1, 2]}
    assert [step.name for step in document.all_steps()] == ["each", "inner", "after"]
    assert dict((step.name, path) for step, path in document.steps_with_paths()) == {  # noqa: C402 - pairs are swapped
        "each": ("mainSteps", 0),
        "inner": ("mainSteps", 0, "inputs", "Steps", 0),
        "after": ("mainSteps", 1),
    }


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[1]", "DOC002 1:1 a runbook is a map with schemaVersion and mainSteps, not a list"),
        (STEPS, "DOC003 1:1 Missing \"schemaVersion\"; an Automation runbook says '0.3'"),
        (
            "schemaVersion: '2.2'\n" + STEPS,
            "DOC003 1:1 schemaVersion must be '0.3' for an Automation runbook, not \"2.2\"",
        ),
        (HEAD, 'DOC004 1:1 Missing "mainSteps" in the document.'),
        (
            HEAD + "mainSteps: []",
            'DOC004 2:1 Missing "mainSteps" in the document. It must be a list of steps, not an empty list.',
        ),
        (
            HEAD + STEPS + "assumeRole: '{{ ssm:role }}'",
            "DOC005 6:1 assumeRole may not refer to Parameter Store ({{ssm:…}})",
        ),
        (
            HEAD + STEPS + "assumeRole: '{{ Role }}'",
            'REF001 6:1 Parameter "Role" is not declared.',
        ),
        (HEAD + STEPS + "outputs: a.X", 'DOC006 6:1 outputs must be a list of "stepName.OutputName", not "a.X"'),
        (HEAD + STEPS + "outputs: [{a: b}]", 'DOC006 6:11 an output is written "stepName.OutputName", not {"a": "b"}'),
        (HEAD + STEPS + "outputs: [b.X]", 'FLW001 6:11 Unknown step name in named output: b.X. Did you mean "a"?'),
        (HEAD + STEPS + "mainStep: []", 'KEY001 6:1 Unknown property "mainStep". Did you mean "mainSteps"?'),
        (HEAD + STEPS + "parameters: [A]", 'KEY002 6:1 "parameters" must be a map (name: value), not a list'),
    ],
)
def test_top_level_mistakes(text: str, problem: str) -> None:
    """What is wrong with the document as a whole."""
    found = problems_of(text)

    assert found[0].split(" Did")[0] == problem.split(" Did", maxsplit=1)[0]


@pytest.mark.parametrize(
    ("definition", "problem"),
    [
        ("A_b: {type: String}", 'PAR001 7:3 Parameter name "A_b" is not alpha-numeric. Use letters and digits only.'),
        ("A: String", 'PAR002 7:3 the definition of "A" must be a map with a type, not "String"'),
        ("A: {default: x}", 'PAR003 7:3 Missing "type" in parameter definition.'),
        ("A: {type: string}", 'PAR004 7:7 Parameter type: string is invalid. Did you mean "String"?'),
        (
            "A: {type: Integer, default: x}",
            'PAR005 7:22 Wrong default value for a "Integer" parameters: "x". Write a whole number.',
        ),
        (
            "A: {type: Boolean, default: 'true'}",
            'PAR005 7:22 Wrong default value for a "Boolean" parameters: "true". Write true or false without quotes.',
        ),
        (
            "A: {type: StringList, default: x}",
            'PAR005 7:25 Wrong default value for a "StringList" parameters: "x". Write a list.',
        ),
        ("A: {type: String, allowedValues: x}", 'PAR006 7:21 allowedValues must be a list, not "x"'),
        ("A: {type: String, minValue: 1}", 'KEY001 7:21 Unknown property "minValue".'),
        ("A: {type: String, minChars: few}", 'KEY003 7:21 "minChars" must be a whole number, not "few"'),
        ("A: {type: {x: y}}", 'KEY005 7:7 "type" must be text, not a map'),
    ],
)
def test_parameter_mistakes(definition: str, problem: str) -> None:
    """What is wrong with the definition of a parameter."""
    found = problems_of(f"{HEAD}{STEPS}parameters:\n  {definition}\n")

    assert found[0].startswith(problem)


@pytest.mark.parametrize(
    "definition",
    [
        "A: {type: String, default: null}",
        "A: {type: Integer, default: '-3'}",
        "A: {type: Boolean, default: '{{ B }}'}",
        "A: {type: StringList, default: '{{ ssm:ids }}'}",
        "A: {type: StringMap, default: '{}'}",
        "A: {type: String, default: x, allowedValues: [y]}",
        "A: {type: String, default: '', allowedPattern: '^x+$'}",
        "A: {type: 'AWS::EC2::Instance::Id', default: ''}",
        "A: {type: 'List<AWS::S3::Bucket::Name>'}",
        "A: {type: String, interpolationType: ENV_VAR, displayType: textarea}",
    ],
)
def test_defaults_may_break_their_own_rules(definition: str) -> None:
    """AWS checks the default of numbers, Booleans and lists, and no default against its constraints."""
    assert problems_of(f"{HEAD}{STEPS}parameters:\n  {definition}\n") == []


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ("inputs: {}", 'STP005 3:3 Missing "action" in step detail.'),
        ("action: aws:sleep", 'STP006 3:3 Missing "inputs" in step "a"; write inputs: {} where there are none'),
        ("action: sleep\ninputs: {}", 'STP007 4:3 Unknown action: sleep. Did you mean "aws:sleep"?'),
        ("action: aws:sleep\ninputs: [x]", 'KEY002 5:3 "inputs" must be a map (name: value), not a list'),
        (
            "action: aws:sleep\ninputs: {}\nnextstep: b",
            'KEY001 6:3 Unknown property "nextstep". Did you mean "nextStep"?',
        ),
        ("action: aws:sleep\ninputs: {}\nisEnd: maybe", 'KEY004 6:3 "isEnd" must be true or false, not "maybe"'),
        (
            "action: aws:sleep\ninputs: {}\ntimeoutSeconds: PT5S",
            'KEY003 6:3 "timeoutSeconds" must be a whole number, not "PT5S"',
        ),
        (
            "action: aws:sleep\ninputs: {}\nonFailure: Retry",
            'STP011 6:3 "onFailure" must be Abort or Continue or step:NAME, not "Retry"',
        ),
        (
            "action: aws:sleep\ninputs: {}\nonCancel: Continue",
            'STP011 6:3 "onCancel" must be Abort or step:NAME, not "Continue"',
        ),
        ("action: aws:sleep\ninputs: {}\nonFailure: step:b", 'FLW003 6:3 Unknown step name: "b" in onFailure.'),
        ("action: aws:sleep\ninputs: {}\nonCancel: step:b", 'FLW003 6:3 Unknown step name: "b" in onCancel.'),
        (
            "action: aws:sleep\ninputs: {}\nonCancel: step:a",
            'FLW009 6:3 onCancel may not lead to "a", because aws:sleep cannot run while a run is cancelled',
        ),
        (
            "action: aws:runCommand\ninputs: {DocumentName: [x], InstanceIds: [i]}",
            "INP010 5:12 DocumentName of aws:runCommand must be a text, not a list",
        ),
        (
            "action: aws:runCommand\ninputs: {DocumentName: X, InstanceIds: [i], Parameters: [x]}",
            "INP010 5:47 Parameters of aws:runCommand must be a map (name: list of values), not a list",
        ),
        (
            "action: aws:runCommand\ninputs: {DocumentName: X, InstanceIds: [i], TimeoutSeconds: long}",
            'INP010 5:47 TimeoutSeconds of aws:runCommand must be a whole number, not "long"',
        ),
        ("action: aws:sleep\ninputs: {}\nnextStep: b", 'FLW003 6:3 Unknown step name: "b" in nextStep.'),
        (
            "action: aws:sleep\ninputs: {}\nnextStep: a\nisEnd: true",
            'FLW002 6:3 "isEnd == true" and nextStep should not exist in same step.',
        ),
        ("action: aws:sleep\ninputs: {}\nnextStep: a", "FLW008 3:3 the steps run in an endless circle: a → a"),
        (
            "action: aws:sleep\ninputs: {}\noutputs: {A: b}",
            "OUT001 6:3 outputs must be a list of Name, Selector and Type, not a map",
        ),
        (
            "action: aws:sleep\ninputs: {}\noutputs: [A]",
            'OUT001 6:13 an output is a map with Name, Selector and Type, not "A"',
        ),
        ("action: aws:sleep\ninputs: {}\noutputs: [{Name: A}]", "OUT002 6:13 an output needs a Name and a Selector"),
        (
            "action: aws:sleep\ninputs: {}\noutputs: [{Name: A, Selector: $, Type: List}]",
            "OUT003 6:36 Output type: List is invalid.",
        ),
        ("action: aws:loop\ninputs: {Iterators: [1]}", "STP009 5:3 aws:loop needs Steps, a list of steps"),
        (
            "action: aws:loop\ninputs: {Steps: [{name: b, action: 'aws:pause'}]}",
            "STP010 5:3 aws:loop needs exactly one of Iterators and LoopCondition",
        ),
        (
            "action: aws:loop\ninputs: {Iterators: [1], Steps: [{name: b, action: 'aws:loop', inputs: {}}]}",
            "STP008 5:46 a loop cannot stand inside a loop",
        ),
    ],
)
def test_step_mistakes(lines: str, problem: str) -> None:
    """What is wrong with a step."""
    found = problems_of(with_step(lines))

    assert found[0].split(" Did")[0] == problem.split(" Did", maxsplit=1)[0]


@pytest.mark.parametrize(
    ("steps", "problem"),
    [
        ("- x", 'STP001 3:3 a step is a map with name, action and inputs, not "x"'),
        ("- {action: 'aws:pause'}", 'STP002 3:3 Missing "name" in step detail.'),
        ("- {name: a b, action: 'aws:pause'}", "STP003 3:4 StepName: a b is invalid. Use letters, digits and _."),
        ("- {name: é, action: 'aws:pause'}", "STP003 3:4 StepName: é is invalid. Use letters, digits and _."),
        (
            "- {name: a, action: 'aws:pause'}\n- {name: a, action: 'aws:pause'}",
            'STP004 4:4 Duplicate step names found in mainSteps of the document: "a".',
        ),
    ],
)
def test_names_of_steps(steps: str, problem: str) -> None:
    """Names are there, plain and unique."""
    assert problems_of(f"{HEAD}mainSteps:\n{steps}\n") == [problem]


def test_all_problems_come_at_once_and_in_order() -> None:
    """A person repairs a file once, not once per mistake."""
    found = problems_of("""
        schemaVersion: '0.3'
        parameters:
          A: {type: Text}
        mainSteps:
        - name: a
          action: aws:sleep
          inputs: {Duration: '{{ B }}'}
          nextStep: nowhere
        - name: a
          action: aws:pause
          onFailure: sometimes
    """)

    assert [problem.split()[0] for problem in found] == ["PAR004", "REF001", "FLW003", "STP004", "STP011"]
    assert [problem.split()[1] for problem in found] == ["4:7", "8:12", "9:3", "10:3", "12:3"]


def test_unknown_actions_are_taken_and_can_be_named() -> None:
    """A document of an action that nobody here has parses; who loads it for running can ask."""
    text = with_step("action: aws:executeScripts\ninputs: {}")
    document = accepted(text)

    (problem,) = unsupported_actions(document, read(text, file="r.yaml"), ["aws:executeScript", "aws:sleep"])

    assert str(problem) == (
        'r.yaml:4:3 step "a" uses aws:executeScripts, which is not available here. Did you mean "aws:executeScript"?'
    )


def test_a_document_that_is_too_large_is_refused() -> None:
    """64 KB is AWS's limit; layout does not count, because AWS itself publishes indented documents beyond it."""
    long = with_step("action: aws:sleep\ndescription: " + "x" * 65_536 + "\ninputs: {}")
    airy = with_step("action: aws:sleep\ninputs: {}") + "\n" * 70_000

    assert problems_of(long)[0].startswith("DOC001 1:1 the document is larger than 64 KB (65,")
    assert problems_of(airy) == []


def test_ten_thousand_steps_are_refused_at_once() -> None:
    """Size is checked before the flow is."""
    steps = "".join(f"- {{name: s{number}, action: 'aws:pause'}}\n" for number in range(10_000))

    assert [problem.split()[0] for problem in problems_of(f"{HEAD}mainSteps:\n{steps}")] == ["DOC001"]


def test_a_broken_document_can_be_examined() -> None:
    """The linter sees what could be built, beside what is wrong."""
    examined = examine(with_step("action: aws:sleep\ninputs: {}\nnextStep: b"), name="Test")

    assert examined.document is not None
    assert [problem.code for problem in examined.problems] == ["FLW003"]


def test_numbers_and_null_stand_where_text_is_meant() -> None:
    """Names and descriptions that YAML reads as numbers are their text; null is nothing."""
    document = accepted(f"{HEAD}description: 3\nmainSteps:\n- {{name: 1, action: 'aws:pause', nextStep: null}}\n")

    assert document.description == "3"
    assert document.steps[0].name == "1"
    assert document.steps[0].next_step is None


def test_a_parameter_without_default_is_required() -> None:
    """Null is a default, too: the parameter is then optional and absent."""
    document = accepted(f"{HEAD}{STEPS}parameters:\n  A: {{type: String}}\n  B: {{type: String, default: null}}\n")

    assert document.parameters["A"].default is MISSING
    assert document.parameters["A"].is_required
    assert not document.parameters["B"].is_required


LINES = st.lists(
    st.sampled_from(
        [
            "schemaVersion: '0.3'", "mainSteps:", "- name: a", "  action: aws:branch", "  inputs:", "    Choices:",
            "    - NextStep: a", "      Variable: '{{ a.B }}'", "      StringEquals: x", "- name: b", "  inputs: {}",
            "  action: aws:loop", "    Steps: []", "  onFailure: step:b", "  isEnd: true", "  nextStep: a",
            "parameters:", "  A: {type: String, default: '{{ b.C }}'}", "outputs: [a.B]", "variables: {}",
            "  outputs: [{Name: A, Selector: $}]", "    LoopCondition: {Not: [{And: x}]}", "  - {name: c}", "- 1",
            "  timeoutSeconds: 99999999999999999", "  maxAttempts: -5", "files: []", "- name: []", "assumeRole: {}",
        ]
    ),
    max_size=14,
)  # fmt: skip


@given(LINES.map("\n".join) | st.text(max_size=80))
@settings(max_examples=400)
def test_any_text_is_parsed_or_refused(text: str) -> None:
    """Nothing but a Document or RunbookRefused comes out; every problem says where."""
    problems: tuple[Problem, ...] = ()
    try:
        parse(text, name="Test")
    except RunbookRefused as refused:
        problems = refused.problems
        assert problems

    assert all(problem.position for problem in problems)


@needs_corpus
def test_every_document_that_aws_publishes_is_taken() -> None:
    """AWS's own runbooks parse without a false error."""
    for name, text in runbooks("aws-owned"):
        document = parse(text, name=name.removesuffix(".json"), file=name)

        assert document.steps, name


NOT_TAKEN_BY_AWS = {
    ".kiro__skills__fis-genai-resilience__references__ssm-automation-pattern__block2.yaml": "STP006",
    "doc_source__automation-aws-apis-calling__block14.yaml": "FLW003",
    "workshop__content__030_basic_content__090_scenarios__020_targeting_hybrid_instances"
    "___index.en__block5.yaml": "FLW009",
    "test__pattern__automation__reboot-instance-and-wait.test.ts__literal1.json": "REF001",
    "cost_optimization_recommendations.yaml": "KEY001",
    "cost_savings_remediation.yaml": "KEY001",
    "cross_account_resource_management.yaml": "KEY001",
    "maintenance_window_setup.yaml": "KEY001",
}
"""Documents of others that AWS would refuse: fragments, properties that do not exist, onCancel to a sleep."""


@needs_corpus
def test_documents_of_others_are_taken_but_for_their_real_mistakes() -> None:
    """Each document of the community parses, or is one of the few whose mistake is known."""
    refused: dict[str, str] = {}
    for name, text in runbooks("community/docs", "community/expanded", "community/twins"):
        try:
            parse(text, name="Test", file=name)
        except RunbookRefused as error:
            refused[name] = error.problems[0].code

    assert refused == NOT_TAKEN_BY_AWS


@needs_corpus
def test_incomplete_and_malformed_documents_are_refused_with_a_place() -> None:
    """A part of a document is none, and the refusal points into the file."""
    for name, text in runbooks("community/incomplete", "community/malformed"):
        with pytest.raises(RunbookRefused) as caught:
            parse(text, name="Test", file=name)

        assert all(problem.position for problem in caught.value.problems), name
