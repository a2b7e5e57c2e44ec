"""What is right is left alone: the liberties that AWS's own runbooks take are none of the linter's business."""

import pytest

from engine.lint.linting import lint
from tests.engine.corpus import needs_corpus, runbooks
from tests.engine.lint.documents import call, codes, problems, script, steps

SLEEP = "- name: z\n  action: aws:sleep\n  inputs: {Duration: PT1S}\n"
PARAMETERS = (
    "parameters:\n  Ids: {type: StringList}\n  N: {type: Integer}\n  S: {type: String}\n  M: {type: StringMap}\n"
)

RIGHT = [
    steps(SLEEP),
    call("Service: EC2, Api: describe_instances"),
    call("Service: ec2, Api: rebootInstances, InstanceIds: [i-1]"),
    call("Service: CloudWatch Logs, Api: DescribeLogGroups"),
    call("Service: ec2, Api: DescribeInstances, instanceIds: i-1"),
    call("Service: ec2, Api: DescribeInstances, MaxResults: '5', DryRun: 'true'"),
    call('Service: ec2, Api: DescribeInstances, Filters: \'[{"Name": "x"}]\''),
    call("Service: ssm, Api: SendCommand, DocumentName: X, Parameters: {a: b}"),
    call(
        "Service: ec2, Api: DescribeInstances",
        "{Name: x, Selector: '$.Reservations..Instances..InstanceId', Type: StringList}",
    ),
    call(
        "Service: ec2, Api: DescribeInstances",
        "{Name: x, Selector: 'Reservations[0].Instances[0].State.Name', Type: String}",
    ),
    call("Service: ec2, Api: DescribeInstances", "{Name: x, Selector: \"$..Tags[?(@.Key=='a')].Value\", Type: String}"),
    call(
        "Service: ec2, Api: DescribeInstances",
        "{Name: x, Selector: '$.ResponseMetadata.HTTPStatusCode', Type: Integer}",
    ),
    call("Service: ec2, Api: DescribeInstances", "{Name: x, Selector: '$.Reservations.length()', Type: Integer}"),
    call("Service: ec2, Api: DescribeInstances", "{Name: x, Selector: $, Type: StringMap}"),
    call(
        "Service: sqs, Api: GetQueueAttributes, QueueUrl: x",
        "{Name: x, Selector: $.Attributes.Anything, Type: Integer}",
    ),
    call(
        "Service: ec2, Api: StopInstances, InstanceIds: [i]", "{Name: x, Selector: '$.StoppingInstances[*].InstanceId'}"
    ),
    PARAMETERS
    + call("Service: ec2, Api: StopInstances, InstanceIds: '{{ Ids }}', DryRun: '{{ S }}'").replace(
        "mainSteps",
        "variables: {V: {type: Integer, default: '{{ N }}'}, W: {type: StringMap, default: '{{ M }}'}}\nmainSteps",
    )
    + "- name: u\n  action: aws:updateVariable\n  inputs: {Name: 'variable:V', Value: '{{ variable:V }}'}\n"
    + "- name: w\n  action: aws:updateVariable\n  inputs: {Name: 'variable:W', Value: '{{ variable:W }}'}\n",
    steps(
        "- name: a\n  action: aws:changeInstanceState\n"
        "  inputs: {InstanceIds: i-1, DesiredState: stopped, FailOnUnexpectedStopped: true}"
    ),
    steps("- name: a\n  action: aws:pause\n  inputs: {Message: hello}"),
    steps(
        "- name: a\n  action: aws:createStack\n  inputs: {StackName: S, TemplateBody: {Resources: {}}}\n"
        "- name: b\n  action: aws:deleteStack\n  inputs: {StackName: S}"
    ),
    steps(
        "- name: a\n  action: aws:runInstances\n"
        "  inputs: {ImageId: ami-1, MinInstanceCount: '1', IamInstanceProfileName: x}\n"
        "- name: b\n  action: aws:changeInstanceState\n"
        "  inputs: {InstanceIds: '{{ a.InstanceIds }}', DesiredState: terminated}"
    ),
    steps("- name: a\n  action: aws:deleteStack\n  inputs: {StackName: 'S-{{ automation:EXECUTION_ID }}'}"),
    steps(
        "- name: a\n  action: aws:approve\n  inputs: {Approvers: [x]}\n- name: b\n  action: aws:deleteStack\n"
        "  inputs: {StackName: S}"
    ),
    steps(
        "- name: a\n  action: aws:changeInstanceState\n"
        "  inputs: {InstanceIds: [i], DesiredState: terminated, CheckStateOnly: true}"
    ),
    steps(
        "- name: a\n  action: aws:loop\n"
        "  inputs:\n    LoopCondition: {Variable: '{{ b.Go }}', BooleanEquals: true}\n    Steps:\n"
        "    - name: b\n      action: aws:executeScript\n"
        "      inputs: {Runtime: python3.11, Handler: go, Script: 'def go(e, c): pass'}\n"
        "      outputs: [{Name: Go, Selector: $.Payload.go, Type: Boolean}]"
    ),
    steps(
        "- name: a\n  action: aws:loop\n"
        "  inputs:\n    Iterators: [1]\n    Steps:\n    - name: b\n      action: aws:sleep\n"
        "      inputs: {Duration: 'PT{{ a.CurrentIteration }}S'}"
    ),
    script("def go(e, c):\n    return f'{{{e}}}' + '{% x %}' + str({'a': {'b': 1}})"),
    script("import boto3\ndef go(e, c): return boto3.client('ec2').describe_instances()"),
    steps(
        "- name: a\n  action: aws:branch\n  inputs:\n    Choices:\n    - NextStep: z\n"
        "      Not: {Variable: '{{ global:REGION }}', Contains: us}\n    Default: x\n" + SLEEP + SLEEP.replace("z", "x")
    ),
]


@pytest.mark.parametrize("text", RIGHT)
def test_says_nothing(text: str) -> None:
    """A runbook that is right has nothing to be said about."""
    assert [str(problem) for problem in problems(text)] == []


APPROVE = "- name: ask\n  action: aws:approve\n  {extra}\n  inputs: {{Approvers: [x]}}\n"
DELETE = "- name: delete\n  action: aws:deleteStack\n  inputs: {StackName: S}\n"
BRANCH = (
    "- name: which\n  action: aws:branch\n  inputs:\n    Default: {default}\n    Choices:\n"
    "    - {{NextStep: ask, Variable: '{{{{ global:REGION }}}}', StringEquals: x}}\n"
)


@pytest.mark.parametrize(
    ("text", "is_dangerous"),
    [
        (APPROVE.format(extra="isCritical: true") + DELETE, False),
        (APPROVE.format(extra="onFailure: Continue") + DELETE, True),
        (APPROVE.format(extra="onFailure: step:delete") + DELETE, True),
        (APPROVE.format(extra="onFailure: step:z") + DELETE + "  isEnd: true\n" + SLEEP, False),
        (DELETE + APPROVE.format(extra="isCritical: true"), True),
        (BRANCH.format(default="delete") + APPROVE.format(extra="isCritical: true") + DELETE, True),
        (
            BRANCH.format(default="z") + APPROVE.format(extra="isCritical: true") + DELETE + "  isEnd: true\n" + SLEEP,
            False,
        ),
        (SLEEP + "  onCancel: step:delete\n" + APPROVE.format(extra="isCritical: true") + DELETE, True),
        (SLEEP + "  onFailure: step:delete\n" + APPROVE.format(extra="isCritical: true") + DELETE, True),
    ],
)
def test_an_approval_guards_only_the_ways_through_its_yes(text: str, is_dangerous: bool) -> None:  # noqa: FBT001 - a table
    """A way past it by a branch, a failure, cancelling, or a rejection that is ignored is found."""
    assert ("DNG001" in codes(steps(text))) is is_dangerous


def test_the_way_to_a_danger_is_shown() -> None:
    """A reader sees how the run gets there."""
    text = steps(BRANCH.format(default="delete") + APPROVE.format(extra="isCritical: true") + DELETE)

    (found,) = [problem for problem in problems(text) if problem.code == "DNG001"]

    assert found.message.endswith("no aws:approve stands before it on the way which → delete")


def test_nothing_is_said_of_a_flow_that_is_broken() -> None:
    """One wrong name is one problem, not a storm of steps that cannot be reached."""
    text = steps(
        "- name: a\n  action: aws:pause\n  nextStep: bb\n- name: b\n  action: aws:pause\n  isEnd: true\n" + DELETE
    )

    assert codes(text) == ["FLW003"]


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("  inputs: {Duration: 1s}", ["INP003"]),
        ("  inputs: {Duration: 1s}  # lint: ignore INP003", []),
        ("  inputs: {Duration: 1s}  # a reason; lint: ignore INP003", ["INP003"]),
        ("  inputs: {Duration: 1s}  # lint: ignore FLW101, INP003", []),
        ("  inputs: {Duration: 1s}  # lint: ignore FLW101", ["INP003"]),
        ("  nextStep: b  # lint: ignore FLW003\n  inputs: {Duration: PT1S}", ["FLW003"]),
    ],
)
def test_a_line_can_ask_for_silence(line: str, found: list[str]) -> None:
    """A comment leaves out a warning of its line by its code; an error is said whatever the file asks for."""
    assert codes(steps(f"- name: a\n  action: aws:sleep\n{line}\n")) == found


def test_problems_come_once_and_in_file_order() -> None:
    """The same place and sentence counts once."""
    found = problems(call("Service: ec2, Api: StopInstances, InstanceIds: ['{{ X }}', '{{ X }}'], Frce: 1"))

    places = [(each.position.line, each.position.column) for each in found if each.position]
    assert places == sorted(places)
    assert len({(each.code, each.position, each.message) for each in found}) == len(found)


@needs_corpus
def test_what_aws_publishes_has_no_error_and_only_known_kinds_of_warnings() -> None:
    """AWS's runbooks are taken; their calls, inputs and variables are right, so nothing is said of those."""
    found: dict[str, int] = {}
    for name, text in runbooks("aws-owned"):
        for problem in lint(text, name=name.removesuffix(".json"), file=name).problems:
            assert problem.severity != "error", str(problem)
            assert problem.position is not None, str(problem)
            found[problem.code] = found.get(problem.code, 0) + 1

    assert not {code for code in found if code.startswith(("INP", "VAR1", "SRC", "KEY"))} - {"VAR103"}
    assert not set(found) & {"API001", "API004", "API005", "API006", "API007", "API008", "API010", "API013", "OUT101"}
    assert found["ACT001"] >= 1
