from typing import Any

import pytest

from bot.imitation import imitation
from engine.actions import BY_NAME
from engine.document import RunbookRefused
from engine.rehearsal import Played, play
from engine.rehearsal_file import read_rehearsals
from engine.validation import parse

RUNBOOK = """\
schemaVersion: "0.3"
parameters:
  InstanceId: {type: String}
mainSteps:
  - name: stop
    action: aws:changeInstanceState
    inputs: {InstanceIds: ["{{ InstanceId }}"], DesiredState: stopped}
  - name: look
    action: aws:executeAwsApi
    inputs: {Service: ec2, Api: DescribeInstances, InstanceIds: ["{{ InstanceId }}"]}
    outputs: [{Name: Is, Selector: "$.Reservations[0].Instances[0].State.Name", Type: String}]
outputs: [look.Is]
"""
REHEARSAL = """\
rehearsals:
  - name: it stops
    moto:
      - call: ec2:RunInstances
        with: {ImageId: ami-12c6146b, MinCount: 1, MaxCount: 1}
        keep: {Id: "$.Instances[0].InstanceId"}
      - {call: "ec2:CreateTags", with: {Resources: ["{{ Id }}"], Tags: [{Key: Name, Value: web}]}}
    parameters: {InstanceId: "{{ Id }}"}
    expect:
      status: Success
      steps: [stop, look]
      calls: [ec2:StopInstances: {InstanceIds: ["{{ Id }}"]}]
      outputs: {look.Is: stopped}
"""


def played(text: str, *, imitate: Any = None) -> Played:
    """Play the first rehearsal of a file."""
    document = parse(RUNBOOK, name="stop")
    (rehearsal, *_) = read_rehearsals(text, document, file="rehearsal.yaml")
    return play(document, rehearsal, actions=BY_NAME, imitate=imitate or imitation())


def problems(text: str) -> list[str]:
    """What was not as expected."""
    return [str(problem) for problem in played(text).problems]


def test_a_runbook_is_played_against_an_imitated_aws() -> None:
    """The instance that was prepared is really stopped, and what was made has its name everywhere."""
    found = played(REHEARSAL)

    assert [str(problem) for problem in found.problems] == []
    assert [call.operation for call in found.calls if call.changes] == ["ec2:StopInstances"]


def test_each_rehearsal_has_an_account_of_its_own() -> None:
    """Nothing is left over from the one before."""
    once = REHEARSAL.replace("look.Is: stopped", "look.Is: running")

    assert problems(once) == problems(once)
    assert "output look.Is is stopped, expected running" in problems(once)[0]


def test_a_canned_answer_wins_over_the_imitated_one() -> None:
    """What moto cannot show is said by hand."""
    answer = "    aws: {ec2:StopInstances: {refused: IncorrectState, message: not now}}\n    parameters:"
    text = REHEARSAL.replace("    parameters:", answer).replace("status: Success", "status: Failed")
    text = text.replace("steps: [stop, look]", "steps: [stop: Failed]").replace(
        "      outputs: {look.Is: stopped}\n", ""
    )

    assert problems(text) == []


def test_a_preparation_that_fails_is_told_with_its_place() -> None:
    """AWS's words, at the line of the call."""
    wrong = '{call: "ec2:RebootInstances", with: {InstanceIds: [i-00000000000000000]}}'
    text = REHEARSAL.replace("    parameters:", f"      - {wrong}\n    parameters:")

    assert len(problems(text)) == 1
    assert problems(text)[0].startswith("rehearsal.yaml:8:9 ec2:RebootInstances: ")


def test_what_is_to_be_kept_must_be_there() -> None:
    """The selector and the name."""
    text = REHEARSAL.replace('"$.Instances[0].InstanceId"', '"$.Nothing"')

    assert problems(text) == [
        "rehearsal.yaml:4:9 ec2:RunInstances: there is no $.Nothing in the answer, to keep as Id"
    ]  # fmt: skip


def test_without_moto_the_sentence_says_what_to_install() -> None:
    """Not a traceback."""
    document = parse(RUNBOOK, name="stop")
    (rehearsal,) = read_rehearsals(REHEARSAL, document, file="rehearsal.yaml")
    found = play(document, rehearsal, actions=BY_NAME, imitate=None)

    assert str(found.problems[0]) == (
        "rehearsal.yaml:3:5 it prepares an imitated AWS, which is moto: pip install 'moto[all]'"
    )


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("ec2:RunInstances", "ec2:RunInstance", "rehearsal.yaml:4:9 "),
        ('"$.Instances[0].InstanceId"', '"$..[?(@"', "rehearsal.yaml:6:"),
        ("        with:", "        wit:", "rehearsal.yaml:5:9 "),
    ],
)
def test_a_wrong_preparation_is_refused_with_its_place(old: str, new: str, sentence: str) -> None:
    """Before anything is played."""
    with pytest.raises(RunbookRefused) as refused:
        played(REHEARSAL.replace(old, new, 1))

    assert sentence in str(refused.value)
