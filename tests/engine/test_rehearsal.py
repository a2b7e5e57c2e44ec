"""Rehearsals: what is played, and every way in which it may not be as expected."""

import textwrap
from typing import Any

import pytest

from engine.actions import BY_NAME
from engine.document import RunbookRefused
from engine.rehearsal import Played, play
from engine.rehearsal_file import read_rehearsals
from engine.validation import parse

RUNBOOK = """\
schemaVersion: "0.3"
parameters:
  Id: {type: String}
  Size: {type: String, default: small, allowedValues: [small, large]}
  Stored: {type: String, default: "{{ ssm:/stored }}"}
outputs: [look.State, work.Answer]
variables:
  Seen: {type: String, default: nothing}
mainSteps:
  - name: look
    action: aws:executeAwsApi
    inputs: {Service: ec2, Api: DescribeInstances, InstanceIds: ["{{ Id }}"]}
    outputs: [{Name: State, Selector: "$.Reservations[0].Instances[0].State.Name", Type: String}]
  - name: ask
    action: aws:approve
    timeoutSeconds: 3600
    inputs: {Approvers: [a, b], MinRequiredApprovals: 2, Message: "Stop {{ Id }}, which is {{ look.State }}?"}
  - name: work
    action: aws:executeScript
    maxAttempts: 3
    inputs: {Runtime: python3.11, Handler: main, Script: "def main(e, c): return {}", InputPayload: {}}
    outputs: [{Name: Answer, Selector: $.Payload.answer, Type: Integer}]
  - name: stop
    action: aws:executeAwsApi
    inputs: {Service: ec2, Api: StopInstances, InstanceIds: ["{{ Id }}"], Force: true}
  - name: rest
    action: aws:pause
    inputs: {}
"""
SHARED = """\
parameters: {Id: i-0123456789abcdef0, Stored: x}
aws:
  ec2:DescribeInstances: {Reservations: [{Instances: [{State: {Name: running}}]}]}
  ec2:StopInstances: {}
people: {ask: [Approve, Approve], rest: Resume}
"""
GOOD = """\
rehearsals:
  - name: good
    steps: {work: {gives: {Payload: {answer: 42}}}}
    expect:
      status: Success
      steps: [look, ask, work, stop, rest]
      calls: [ec2:StopInstances: {Force: true}]
      outputs: {look.State: running, work.Answer: 42}
      asks: {ask: which is running}
"""


def read(text: str, *, runbook: str = RUNBOOK, shared: str = SHARED) -> Any:
    """The rehearsals of a file."""
    file = f"{shared}{textwrap.dedent(text)}"
    return read_rehearsals(file, parse(runbook, name="test"), file="rehearsal.yaml")


def one(text: str, **options: Any) -> Played:
    """Play the only rehearsal of a file."""
    (rehearsal,) = read(text, **options)
    return play(parse(options.get("runbook", RUNBOOK), name="test"), rehearsal, actions=BY_NAME)


def problems(text: str, **options: Any) -> list[str]:
    """What was not as expected."""
    return [str(problem) for problem in one(text, **options).problems]


# -- playing


def test_a_rehearsal_that_goes_as_expected_has_no_problem() -> None:
    """Canned answers, two people, a script's outcome, a resumed pause: all there is, in one."""
    played = one(GOOD)

    assert played.problems == ()
    assert played.asked["ask"] == "Stop i-0123456789abcdef0, which is running?"
    assert [made.operation for made in played.calls] == ["ec2:DescribeInstances", "ec2:StopInstances"]
    assert played.state is not None
    assert len(played.state.steps[1].outputs["ApproverDecisions"]) == 2  # type: ignore[arg-type]


def test_it_is_played_the_same_every_time() -> None:
    """No clock and no randomness: ids and times included."""
    assert one(GOOD).state == one(GOOD).state


def test_answers_come_in_order_and_the_last_one_stays() -> None:
    """An operation asked more often than there are answers keeps giving the last; a step may have its own."""
    runbook = """\
schemaVersion: "0.3"
mainSteps:
""" + "".join(
        f"""\
  - name: s{number}
    action: aws:executeAwsApi
    inputs: {{Service: ec2, Api: DescribeInstances}}
    outputs: [{{Name: Id, Selector: "$.Reservations[0].ReservationId", Type: String}}]
"""
        for number in range(4)
    )
    played = one(
        """\
        aws:
          EC2:describe_instances: [{Reservations: [{ReservationId: a}]}, {Reservations: [{ReservationId: b}]}]
        rehearsals:
          - name: x
            steps: {s1: {aws: {ec2:DescribeInstances: {Reservations: [{ReservationId: own}]}}}}
            expect: {status: Success}
        """,
        runbook=runbook,
        shared="",
    )

    assert played.problems == ()
    assert played.state is not None
    assert [step.outputs["Id"] for step in played.state.steps] == ["a", "own", "b", "b"]


@pytest.mark.parametrize(
    ("work", "status", "says"),
    [
        ("{fails: it broke}", "Failed", "it broke"),
        ("{times_out: true}", "TimedOut", ""),
        ("{attempts: [{fails: a}, {fails: b}, {gives: {Payload: {answer: 1}}}]}", "Success", ""),
        ("{attempts: [{fails: a}, {times_out: true}, {fails: c}]}", "Failed", "c"),
    ],
)
def test_a_step_ends_as_it_is_told(work: str, status: str, says: str) -> None:
    """It may give something, fail, not end, or do one after the other on its attempts."""
    text = f"rehearsals: [{{name: x, steps: {{work: {work}}}, expect: {{status: {status}, says: '{says}'}}}}]"

    assert problems(text) == []


@pytest.mark.parametrize(
    ("people", "status", "steps"),
    [
        ("{ask: Reject}", "Failed", "[look, ask: Failed]"),
        ("{ask: [Approve, Reject]}", "Failed", "[look, ask: Failed]"),
        ("{ask: Approve}", "TimedOut", "[look, ask: TimedOut]"),
        ("{ask: []}", "TimedOut", "[look, ask: TimedOut]"),
        ("{ask: Cancel}", "Cancelled", "[look, ask: Cancelled]"),
        ("{rest: []}", "Waiting", "[look, ask, work, stop, rest: Waiting]"),
        ("{rest: Cancel}", "Cancelled", "[look, ask, work, stop, rest: Cancelled]"),
    ],
)
def test_people_say_what_they_are_told(people: str, status: str, steps: str) -> None:
    """Each word is another person's; silence lasts until the question times out, a pause for ever."""
    text = f"""\
    rehearsals:
      - name: x
        people: {people}
        steps: {{work: {{gives: {{Payload: {{answer: 1}}}}}}}}
        expect: {{status: {status}, steps: {steps}}}
    """

    assert problems(text) == []


def test_an_hour_costs_nothing() -> None:
    """Time leaps: a poll of an hour and a sleep of a week are over at once."""
    runbook = """\
schemaVersion: "0.3"
mainSteps:
  - {name: nap, action: "aws:sleep", inputs: {Duration: P6D}}
  - name: wait
    action: aws:waitForAwsResourceProperty
    timeoutSeconds: 3600
    inputs: {Service: ec2, Api: DescribeInstances, PropertySelector: $.Reservations, DesiredValues: [x]}
"""
    text = """\
    aws: {ec2:DescribeInstances: {}}
    rehearsals: [{name: x, expect: {status: TimedOut, steps: [nap, wait: TimedOut]}}]
    """

    assert problems(text, runbook=runbook, shared="") == []


def test_onfailure_oncancel_and_branches_are_the_conductors_own() -> None:
    """What a rehearsal proves is what will run: jumps are not rehearsed, they happen."""
    runbook = """\
schemaVersion: "0.3"
mainSteps:
  - {name: ask, action: "aws:approve", onCancel: "step:tidy", onFailure: "step:tidy", inputs: {Approvers: [a]}}
  - {name: end, action: "aws:sleep", isEnd: true, inputs: {Duration: PT1S}}
  - {name: tidy, action: "aws:executeAwsApi", inputs: {Service: ec2, Api: StopInstances, InstanceIds: [i-1]}}
"""
    text = """\
    aws: {ec2:StopInstances: {}}
    rehearsals:
      - {name: yes, people: {ask: Approve}, expect: {status: Success, steps: [ask, end], calls: []}}
      - {name: no, people: {ask: Reject}, expect: {status: Failed, steps: [ask: Failed, tidy]}}
      - {name: stop, people: {ask: Cancel}, expect: {status: Cancelled, steps: [ask: Cancelled, tidy]}}
    """
    document = parse(runbook, name="test")

    for rehearsal in read(text, runbook=runbook, shared=""):
        assert play(document, rehearsal, actions=BY_NAME).problems == (), rehearsal.name


# -- not as expected


UNLIKE: dict[str, tuple[str, str, str]] = {
    "status": ("status: Success", "status: Failed", "8:7 it ended Success, expected Failed"),
    "too few steps": ("[look, ask, work, stop, rest]", "[look, ask]", 'than expected: "work" Success, "stop" Success,'),
    "too many steps": ("stop, rest]", "stop, rest, more]", 'step "more" was expected, and nothing ran any more'),
    "another step": ("[look, ask, work", "[look, work, ask", 'step 2 was "ask" Success, expected "work" Success'),
    "another end": ("ask, work", "ask: Failed, work", 'step 2 was "ask" Success, expected "ask" Failed'),
    "more changes": ("[ec2:StopInstances: {Force: true}]", "[]", 'than expected: ec2:StopInstances of step "stop"'),
    "fewer changes": (
        "[ec2:StopInstances: {Force: true}]",
        "[ec2:StopInstances, ec2:StartInstances]",
        "ec2:StartInstances was expected, and nothing was called any more",
    ),
    "other changes": (
        "ec2:StopInstances: {",
        "ec2:StartInstances: {",
        'call 1 was ec2:StopInstances of step "stop", expected ec2:StartInstances',
    ),
    "other parameters": ("{Force: true}", "{Force: false}", "of its parameters these differ: {'Force': True}"),
    "output": ("work.Answer: 42", "work.Answer: 43", "output work.Answer is 42, expected 43"),
    "no output": ("work.Answer: 42", "work.Nothing: 42", "output work.Nothing is not there, expected 42"),
    "question": ("which is running", "which is red", 'asks "Stop i-0123456789abcdef0, which is running?", expected to'),
    "no question": ("asks: {ask:", "asks: {look:", 'step "look" was not asked, expected to find "which is running"'),
    "words": ("status: Success", "status: Success, says: broke", 'it says "", expected to find "broke"'),
}


@pytest.mark.parametrize("case", UNLIKE)
def test_a_difference_is_told_with_its_place(case: str) -> None:
    """What was, what was expected, and the line that expected it."""
    old, new, sentence = UNLIKE[case]
    text = GOOD.replace("    expect:\n      status: Success\n", "    expect:\n      status: Success\n")
    assert old in text
    text = text.replace(old, new.replace(", says", "\n      says"))

    found = problems(text)

    assert len(found) == 1
    assert found[0].startswith("rehearsal.yaml:")
    assert sentence in found[0] or sentence.partition(" ")[2] in found[0]


def test_why_a_step_failed_is_told_beside_it() -> None:
    """The first step that is not as expected is named with its failure; those after it follow from it."""
    (status, step) = problems(
        GOOD.replace("{gives: {Payload: {answer: 42}}}", "{fails: it broke}").replace(
            "      calls: [ec2:StopInstances: {Force: true}]\n      outputs: {look.State: running, work.Answer: 42}\n",
            "",
        )
    )

    assert "it ended Failed, expected Success: Step fails when it is" in status
    assert 'step 3 was "work" Failed (Step fails when it is Execute/Cancelling action. it broke.' in step


def test_an_answer_that_nobody_has_written_is_asked_for() -> None:
    """The step and the operation are named."""
    found = problems(GOOD, shared=SHARED.replace("  ec2:StopInstances: {}\n", ""))

    assert any('step "stop" calls ec2:StopInstances, and the rehearsal has no answer to it' in each for each in found)


@pytest.mark.parametrize(
    ("action", "inputs", "sentence"),
    [
        (
            "aws:executeScript",
            "{Runtime: python3.11, Handler: f, Script: x}",
            'step "s" runs a script: say under steps:',
        ),
        ("aws:executeAutomation", "{DocumentName: Other}", 'step "s" starts the runbook Other: say under steps:'),
    ],
)
def test_what_cannot_be_played_has_to_be_told(action: str, inputs: str, sentence: str) -> None:
    """Scripts and other runbooks are not run in a rehearsal."""
    runbook = f'schemaVersion: "0.3"\nmainSteps: [{{name: s, action: "{action}", inputs: {inputs}}}]\n'

    (found,) = problems("rehearsals: [{name: x, expect: {status: Failed}}]", runbook=runbook, shared="")

    assert sentence in found


def test_a_call_that_aws_would_not_take_fails_as_it_would() -> None:
    """Parameters are held against AWS's model, names, kinds and what is required."""
    runbook = """\
schemaVersion: "0.3"
mainSteps:
  - {name: s, action: "aws:executeAwsApi", inputs: {Service: ec2, Api: StopInstances, InstanceIdz: [i-1]}}
"""
    text = "aws: {ec2:StopInstances: {}}\nrehearsals: [{name: x, expect: {status: Success}}]"

    (found,) = problems(text, runbook=runbook, shared="")

    assert 'InstanceIdz is not known to AWS. Did you mean "InstanceIds"?; InstanceIds is missing' in found


def test_parameters_are_checked_as_at_a_start() -> None:
    """Missing and unfit values are told before anything is played."""
    (found,) = problems(GOOD, shared=SHARED.replace("Id: i-0123456789abcdef0", "Size: huge"))

    assert "the parameters are refused: Missing required parameter: Id" in found
    assert 'has value "huge" not found in [small, large]' in found


def test_a_parameter_store_has_to_be_spared() -> None:
    """A default that would be read from Parameter Store is given by hand."""
    (found,) = problems(GOOD, shared=SHARED.replace(", Stored: x", ""))

    assert 'the rehearsal has no Parameter Store with "/stored"' in found


def test_a_question_with_a_hole_in_it_is_a_problem() -> None:
    """What people would have to guess is found before they do."""
    shared = SHARED.replace("{Reservations: [{Instances: [{State: {Name: running}}]}]}", "{}")

    found = problems(GOOD, shared=shared)
    assert any('the question of step "ask" has a hole: {{ look.State }} has no value' in each for each in found)


def test_a_word_that_does_not_fit_is_told() -> None:
    """Nobody can resume a question."""
    found = problems(GOOD.replace("    steps: {work", "    people: {ask: Resume}\n    steps: {work"))

    assert "Resume does not fit" in found[0]


# -- wrong files


PLAIN = "rehearsals: [{name: x, expect: {status: Success}}]"
WRONG: dict[str, tuple[str, str]] = {
    "no rehearsals": ("aws: {}", '1:1 "rehearsals" is missing'),
    "empty": ("rehearsals: []", "rehearsals: should be a list of rehearsals, each with a name"),
    "not a map": ("- x", "1:1 the file: should be a map with the key rehearsals:"),
    "no expectation": ("rehearsals: [{name: x}]", '"expect" is missing'),
    "unknown key": (
        "rehearsals: [{name: x, expects: {}, expect: {status: Success}}]",
        'Unknown property "expects". Did you mean "expect"?',
    ),
    "unknown expectation": (
        "rehearsals: [{name: x, expect: {status: Success, step: []}}]",
        'Unknown property "step". Did you mean "steps"?',
    ),
    "status": (
        "rehearsals: [{name: x, expect: {status: Fine}}]",
        'rehearsals.expect.status: should be Success, Failed, TimedOut, Cancelled or Waiting; it is "Fine"',
    ),
    "word": (
        "rehearsals: [{name: x, people: {ask: Maybe}, expect: {status: Success}}]",
        "should be a map such as {approve: Approve}",
    ),
    "step": (
        "rehearsals: [{name: x, steps: {wrok: {fails: x}}, expect: {status: Success}}]",
        'the runbook has no step "wrok". Did you mean "work"?',
    ),
    "person": ("rehearsals: [{name: x, people: {aks: Approve}, expect: {status: Success}}]", 'no step "aks"'),
    "two ways": (
        "rehearsals: [{name: x, steps: {work: {fails: x, times_out: true}}, expect: {status: Success}}]",
        "rehearsals.steps.work: say one of gives, fails, times_out and attempts; should be",
    ),
    "pure": (
        "rehearsals: [{name: x, steps: {rest: {fails: x}}, expect: {status: Success}}]",
        'step "rest" is aws:pause, whose end follows by itself',
    ),
    "twice": (
        "rehearsals: [{name: x, expect: {status: Success}}, {name: x, expect: {status: Success}}]",
        'there are two rehearsals "x"',
    ),
    "service": (
        "aws: {ecc2:DescribeInstances: {}}\nrehearsals: [{name: x, expect: {status: Success}}]",
        'There is no AWS service "ecc2". Did you mean',
    ),
    "operation": (
        "aws: {ec2:DescribeInstance: {}}\nrehearsals: [{name: x, expect: {status: Success}}]",
        'ec2 has no operation "DescribeInstance". Did you mean "DescribeInstances"?',
    ),
    "no operation": (
        "aws: {ec2: {}}\nrehearsals: [{name: x, expect: {status: Success}}]",
        "Spell it service:Operation",
    ),
    "expected call": (
        "rehearsals: [{name: x, expect: {status: Success, calls: [ec2:StopInstance]}}]",
        'ec2 has no operation "StopInstance". Did you mean "StopInstances"?',
    ),
    "member": (
        "aws: {ec2:DescribeInstances: {Reservation: []}}\nrehearsals: [{name: x, expect: {status: Success}}]",
        'ec2:DescribeInstances: Reservation is not known to AWS. Did you mean "Reservations"?',
    ),
    "deep member": (
        f"aws: {{ec2:DescribeInstances: {{Reservations: [{{Instances: [{{State: {{Nam: x}}}}]}}]}}}}\n{PLAIN}",
        'Reservations[0].Instances[0].State.Nam is not known to AWS. Did you mean "Name"?',
    ),
    "kind": (
        "aws: {ec2:DescribeInstances: {Reservations: {}}}\nrehearsals: [{name: x, expect: {status: Success}}]",
        "Reservations should be a list",
    ),
    "scalar": (
        f"aws: {{ec2:DescribeInstances: {{Reservations: [{{Instances: [{{InstanceId: 5}}]}}]}}}}\n{PLAIN}",
        "InstanceId should be a text",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_file_is_refused_with_its_place(case: str) -> None:
    """AWS's own model and the runbook's own steps say what cannot be; each with file, line and column."""
    text, sentence = WRONG[case]

    with pytest.raises(RunbookRefused) as refused:
        read(text, shared="")

    assert str(refused.value).startswith("rehearsal.yaml:")
    assert sentence in str(refused.value)
