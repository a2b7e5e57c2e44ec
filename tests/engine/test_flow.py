"""Targets, conditions, references and circles: what AWS refuses about the way through a document."""

import textwrap

import pytest

from engine.document import Document, RunbookRefused
from engine.edges import EdgeKind, circle_of, edges, find_circle, reachable
from engine.validation import parse

PAUSE = "action: 'aws:pause'"
DELETE = "action: 'aws:deleteImage', inputs: {ImageId: i}"


def problems_of(steps: str, rest: str = "") -> list[str]:
    """`code line message` of a document with these steps."""
    try:
        document_of(steps, rest)
    except RunbookRefused as refused:
        return [f"{each.code} {each.position.line if each.position else 0} {each.message}" for each in refused.problems]
    return []


def document_of(steps: str, rest: str = "") -> Document:
    """A document with these steps; they begin in line 3."""
    return parse(f"schemaVersion: '0.3'\nmainSteps:\n{textwrap.dedent(steps)}\n{rest}", name="Test")


def branch(choices: str, default: str = "") -> str:
    """A branch `a` (its first choice in line 7) before the steps b and c."""
    lines = ["- name: a", "  action: aws:branch", "  inputs:", "    Choices:", textwrap.indent(choices, "    ")]
    lines += [f"    Default: {default}"] if default else []
    return "\n".join([*lines, f"- {{name: b, {PAUSE}}}", f"- {{name: c, {PAUSE}}}"])


REF = "Variable: '{{ global:REGION }}'"


@pytest.mark.parametrize(
    ("choice", "problem"),
    [
        ("- x", 'FLW004 7 a choice is a map with NextStep and a condition, not "x"'),
        (f"- {{{REF}, StringEquals: x}}", "FLW004 7 a choice needs NextStep, the name of a step"),
        (f"- {{NextStep: d, {REF}, StringEquals: x}}", 'FLW003 7 Unknown step name: "d" in NextStep.'),
        ("- {NextStep: b}", "FLW005 7 a condition is a map with Variable and an operator, or And, Or, Not"),
        (f"- {{NextStep: b, {REF}}}", "FLW005 7 a condition with Variable needs an operator: StringEquals,"),
        ("- {NextStep: b, StringEquals: x}", "FLW005 7 StringEquals needs a Variable beside it"),
        (
            f"- {{NextStep: b, {REF}, StringEqual: x}}",
            'FLW006 7 Unknown operator "StringEqual". Did you mean "StringEquals"?',
        ),
        (
            f"- {{NextStep: b, Not: {{{REF}, Contain: x}}}}",
            'FLW006 7 Unknown operator "Contain". Did you mean "Contains"?',
        ),
        ("- {NextStep: b, And: [x]}", "FLW005 7 a condition is a map with Variable"),
        (f"- {{NextStep: b, Or: [{{{REF}, Equals: x}}]}}", 'FLW006 7 Unknown operator "Equals".'),
        (
            f"- {{NextStep: b, And: [{{NextStep: b, {REF}, StringEquals: x}}]}}",
            'FLW006 7 Unknown operator "NextStep".',
        ),
    ],
)
def test_choices_that_mean_nothing(choice: str, problem: str) -> None:
    """Each choice names a step and a condition that exists."""
    found = problems_of(branch(choice))

    assert found[0].startswith(problem)


@pytest.mark.parametrize(
    "choice",
    [
        f"- {{NextStep: b, {REF}, StringEquals: '{{{{ a.NextStep }}}}'}}",
        f"- {{NextStep: b, Not: {{{REF}, NumericGreater: 3}}}}",
        f"- {{NextStep: b, Not: [{{{REF}, BooleanEquals: true}}]}}",
        f"- {{NextStep: c, And: [{{{REF}, StartsWith: x}}, {{Or: [{{{REF}, EndsWith: y}}]}}]}}",
    ],
)
def test_choices_may_nest(choice: str) -> None:
    """And, Or and Not nest freely; a list of one may stand under Not."""
    assert problems_of(branch(choice, "c")) == []


def test_a_branch_needs_choices() -> None:
    """Without choices it could not branch; a default must exist, too."""
    assert problems_of("- {name: a, action: 'aws:branch', inputs: {Default: a}}")[0].startswith(
        "FLW004 3 aws:branch needs Choices"
    )
    assert problems_of(branch(f"- {{NextStep: b, {REF}, StringEquals: x}}", "bb")) == [
        'FLW003 8 Unknown step name: "bb" in Default. Did you mean "b"?'
    ]


LOOP = """
- name: each
  action: aws:loop
  inputs:
    Iterators: ['{{ P }}']
    Steps:
    - {name: x, action: 'aws:pause', JUMP}
    - {name: y, action: 'aws:pause'}
- {name: after, action: 'aws:pause', AFTER}
"""
PARAMETER = "parameters: {P: {type: String}}"


def test_a_loop_may_be_left_but_not_entered() -> None:
    """A step of the body may jump within it or out of it; nothing jumps into it."""
    inside = LOOP.replace("JUMP", "nextStep: y").replace("AFTER", "isEnd: true")
    outside = LOOP.replace("JUMP", "onFailure: 'step:after'").replace("AFTER", "isEnd: true")
    into = LOOP.replace("JUMP", "isEnd: true").replace("AFTER", "nextStep: y")

    assert problems_of(inside, PARAMETER) == []
    assert problems_of(outside, PARAMETER) == []
    assert problems_of(into, PARAMETER) == [
        'FLW007 11 "y" in nextStep stands inside the loop "each"; nothing outside can jump there'
    ]


def test_the_condition_of_a_loop_is_checked_too() -> None:
    """It has the same grammar as a choice."""
    steps = """
    - name: each
      action: aws:loop
      inputs:
        LoopCondition: {Variable: '{{ x.Out }}', StringIs: y}
        Steps: [{name: x, action: 'aws:pause'}]
    """

    assert problems_of(steps)[0].startswith('FLW006 7 Unknown operator "StringIs".')


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("{{ Nope }}", 'REF001 3 Parameter "Nope" is not declared.'),
        ("see {{Nope}} and {{ Name }}", 'REF001 3 Parameter "Nope" is not declared.'),
        ("{{ name }}", 'REF001 3 Parameter "name" is not declared. Did you mean "Name"?'),
        ("{{ Seen }}", 'REF001 3 Parameter "Seen" is not declared. Variables are written "{{ variable:Seen }}".'),
        (
            "{{ a }}",
            'REF001 3 Parameter "a" is not declared. It is a step; name one of its outputs: "{{ a.OutputName }}".',
        ),
        ("{{ REGION }}", 'REF001 3 Parameter "REGION" is not declared. Did you mean "{{ global:REGION }}"?'),
        ("{{ b.Out }}", 'REF002 3 Unknown step name "b" in "{{ b.Out }}". Did you mean "a"?'),
        (
            "{{ global.REGION }}",
            'REF002 3 Unknown step name "global" in "{{ global.REGION }}". Did you mean "{{ global:REGION }}"?',
        ),
        ("{{ variable:Saw }}", 'REF003 3 Variable "Saw" is not declared.'),
        ("{{ ssm:/my/name }}", "REF004 3 {{ssm:…}} is allowed only as the default of a parameter"),
    ],
)
def test_references_to_nothing(value: str, problem: str) -> None:
    """A reference names a parameter, an output of a step, a variable or a system value."""
    steps = f"- {{name: a, action: 'aws:sleep', inputs: {{Duration: '{value}'}}}}"
    found = problems_of(steps, "parameters: {Name: {type: String}}\nvariables: {Seen: {type: String}}")

    assert len(found) == 1
    assert found[0].split(" Did you mean", maxsplit=1)[0].startswith(problem.split(" Did you mean", maxsplit=1)[0])


@pytest.mark.parametrize(
    "value",
    [
        "{{ Name }}", "{{Name}}", "{{ a.Anything }}", "{{ variable:Seen }}", "{{ global:REGION }}",
        "{{ automation:EXECUTION_ID }}", "{{ RESOURCE_ID }}", "see {{ item.name }} there", "{{ .State }}", "{ Nope }",
        "{{ a-b }}", "{{}}",
    ],
)  # fmt: skip
def test_references_to_something_and_other_braces(value: str) -> None:
    """Braces around anything else are the author's text."""
    steps = f"- {{name: a, action: 'aws:sleep', inputs: {{Duration: '{value}'}}}}"

    assert problems_of(steps, "parameters: {Name: {type: String}}\nvariables: {Seen: {type: String}}") == []


def test_braces_in_scripts_are_left_alone() -> None:
    """An f-string's doubled braces are no reference."""
    script = 'def f(e, c): return f"{{name}} {{ a.b }}"'
    steps = f"""
    - name: a
      action: aws:executeScript
      inputs:
        Runtime: python3.11
        Handler: f
        Script: '{script}'
    """

    assert problems_of(steps) == []


BRANCH = """- name: a
  action: aws:branch
  inputs: {Choices: [{NextStep: b, Variable: '{{ a.X }}', StringEquals: x}], Default: c}"""
CIRCLES = [
    ("- {name: a, P}\n- {name: b, P, nextStep: a}", "a → b → a"),
    ("- {name: a, P, onFailure: 'step:c'}\n- {name: b, P, isEnd: true}\n- {name: c, P, nextStep: a}", "a → c → a"),
    (BRANCH + "\n- {name: b, P, nextStep: a}\n- {name: c, P}", "a → b → a"),
    (
        "- {name: a, P}\n- name: l\n  action: aws:loop\n  inputs: {Iterators: [1], Steps: [{name: x, P, nextStep: a}]}",
        "a → l → x → a",
    ),
]


@pytest.mark.parametrize(("steps", "circle"), CIRCLES)
def test_endless_circles_are_refused_with_their_path(steps: str, circle: str) -> None:
    """Whatever could run for ever is refused; the path says how."""
    assert problems_of(steps.replace("P", PAUSE)) == [f"FLW008 3 the steps run in an endless circle: {circle}"]


@pytest.mark.parametrize(
    "steps",
    [
        "- {name: a, P, nextStep: c}\n- {name: b, P, isEnd: true}\n- {name: c, P, nextStep: b}",
        "- {name: a, D, onCancel: 'step:b'}\n- {name: b, D, isEnd: true, onCancel: 'step:a'}",
        "- {name: l, action: 'aws:loop', inputs: {Iterators: [1], Steps: [{name: x, P}, {name: y, P}]}}",
        "- {name: a, P, isEnd: true}\n- {name: b, P}",
    ],
)
def test_jumps_back_loops_and_cancelling_are_no_circles(steps: str) -> None:
    """A backward jump without a way round is legal, a loop is bounded, onCancel runs once."""
    assert circle_of(document_of(steps.replace("D", DELETE).replace("P", PAUSE))) == []


def test_a_long_circle_needs_no_recursion() -> None:
    """Ten thousand steps in a row are walked without one call per step."""
    graph = {str(number): [str(number + 1)] for number in range(10_000)}
    graph["10000"] = ["0"]

    assert len(find_circle(graph)) == 10_002


def test_edges_say_why() -> None:
    """Every way from every step, with its reason, as the rules of flow have it."""
    document = document_of(
        """
        - {name: a, action: 'aws:branch', isEnd: true, inputs: {Choices: [
             {NextStep: b, Variable: '{{ a.X }}', StringEquals: x},
             {NextStep: l, Variable: '{{ a.X }}', StringEquals: y}
           ]}}
        - {name: b, action: 'aws:pause', onFailure: 'step:end', onCancel: 'step:end', isEnd: true}
        - {name: l, action: 'aws:loop', inputs: {Iterators: [1], Steps: [
             {name: x, action: 'aws:pause', onFailure: Continue}, {name: y, action: 'aws:pause', nextStep: end}
           ]}}
        - {name: end, action: 'aws:branch', inputs: {Choices: [{NextStep: z, Variable: '{{ a.X }}', StringEquals: x}],
             Default: z}}
        - {name: z, action: 'aws:pause'}
        """
    )

    found = [(edge.source, edge.target, str(edge.kind)) for edge in edges(document)]
    assert found == [
        ("a", "b", "choice"),
        ("a", "l", "choice"),
        ("a", None, "next"),
        ("b", None, "next"),
        ("b", "end", "failure"),
        ("b", "end", "cancel"),
        ("l", "end", "next"),
        ("end", "z", "choice"),
        ("end", "z", "default"),
        ("z", None, "next"),
        ("l", "x", "body"),
        ("x", "y", "next"),
        ("y", "end", "next"),
    ]
    assert [edge.number for edge in edges(document) if edge.kind is EdgeKind.CHOICE] == [0, 1, 0]


def test_the_end_of_a_body_leads_back_to_its_loop() -> None:
    """Also where a step of the body says isEnd."""
    body = f"[{{name: x, {PAUSE}, isEnd: true}}, {{name: y, {PAUSE}}}]"
    document = document_of(f"- {{name: l, action: 'aws:loop', inputs: {{Iterators: [1], Steps: {body}}}}}")

    assert [(edge.source, edge.target) for edge in edges(document) if edge.kind is EdgeKind.AGAIN] == [
        ("x", "l"),
        ("y", "l"),
    ]


def test_what_no_run_can_come_to() -> None:
    """Reachable is what some run may come to, by failing or cancelling, too."""
    document = document_of(
        """
        - {name: a, action: 'aws:pause', isEnd: true, onCancel: 'step:c'}
        - {name: b, action: 'aws:pause'}
        - {name: c, action: 'aws:deleteImage', inputs: {ImageId: i}, onFailure: 'step:d', isEnd: true}
        - {name: d, action: 'aws:pause'}
        """
    )

    assert reachable(document) == {"a", "c", "d"}
