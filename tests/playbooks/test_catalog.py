"""Playbooks from folders: what is loaded, and what stops the start with a place and a sentence."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from playbooks.catalog import LIBRARY, load
from playbooks.operations import InvalidLibrary
from playbooks.playbook import AlarmTrigger
from tests.playbooks.worlds import ASKING, NAP, catalog, folder

FULL = """\
    title: Ask somebody
    description: Asks, and does nothing.
    document_name: Ask-Somebody
    trigger:
      alarm: web-*
      namespace: AWS/EC2
      metric: CPUUtilization
      dimensions: {InstanceId: "i-*"}
      tags: {team: shop}
      accounts: ["402715938824"]
      regions: eu-west-1
      states: [ALARM, INSUFFICIENT_DATA]
    start: auto
    parameters:
      InstanceId: "{{ alarm.dimensions.InstanceId }}"
      Approvers: ["{{ playbook.approvers }}"]
    approvers: [group:responders, U0123]
    minimum_approvals: 2
    approval_expires_in: 30m
    may_approve_own: true
    channel: C0123
    may_run: group:responders
"""


def problems(tmp_path: Path, *folders: Path, **options: Any) -> list[str]:
    """What is wrong, without the folders' place on this machine."""
    with pytest.raises(InvalidLibrary) as refused:
        catalog(*folders, **options)
    return [str(problem).replace(f"{tmp_path}/", "") for problem in refused.value.problems]


def problem(root: Path, playbook_yaml: str, runbook: str = NAP, **files: str) -> str:
    """The one thing that is wrong with a playbook."""
    found = problems(root, folder(root, "mine", playbook_yaml, runbook, **files))
    assert len(found) == 1, found
    return found[0]


# -- what is loaded


def test_every_key_is_read(tmp_path: Path) -> None:
    """A playbook of all keys is what its file says."""
    (one,) = catalog(folder(tmp_path, "ask", FULL, ASKING)).all

    assert (one.name, one.title, one.description) == ("ask", "Ask somebody", "Asks, and does nothing.")
    assert one.runbook.name == "Ask-Somebody"
    assert one.trigger == AlarmTrigger(
        "web-*",
        "AWS/EC2",
        "CPUUtilization",
        {"InstanceId": "i-*"},
        {"team": "shop"},
        ("402715938824",),
        ("eu-west-1",),
        ("ALARM", "INSUFFICIENT_DATA"),
    )
    assert (one.start, one.minimum_approvals, one.may_approve_own, one.channel) == ("auto", 2, True, "C0123")
    assert one.approvers == ("group:responders", "U0123")
    assert one.approval_expiry == timedelta(minutes=30)
    assert one.may_run == ("group:responders",)
    assert one.source == str(tmp_path / "ask")


def test_a_title_is_enough(tmp_path: Path) -> None:
    """Everything else has a default: suggested to nobody, started by nobody."""
    (one,) = catalog(folder(tmp_path, "rest", "title: Rest a while\n")).all

    assert (one.name, one.start, one.trigger, one.may_run, one.approvers) == ("rest", "suggest", None, (), ())


def test_what_names_no_engine_is_run_by_that_of_the_settings(tmp_path: Path) -> None:
    """A playbook's own word counts more."""
    homes = (
        folder(tmp_path / "a", "rest", "title: Rest\n"),
        folder(tmp_path / "b", "here", "title: H\nengine: embedded\n"),
    )
    found = load([home.parent for home in homes], available_actions=(), engine="ssm").all

    assert [(one.name, one.engine) for one in found] == [("here", "embedded"), ("rest", "ssm")]


def test_a_folder_of_playbooks_and_a_playbooks_own_folder_will_do(tmp_path: Path) -> None:
    """Both may be named; hidden folders and files beside them are left alone; all are sorted by name."""
    for name in ("b-nap", "a-nap"):
        folder(tmp_path / "many", name, "title: Nap\n")
    folder(tmp_path, "c-nap", "title: Nap\nname: nap-3\n")
    (tmp_path / "many" / ".git").mkdir()
    (tmp_path / "many" / "_shared").mkdir()
    (tmp_path / "many" / "README.md").write_text("Ours.")

    found = catalog(tmp_path / "many", tmp_path / "c-nap")

    assert [one.name for one in found.all] == ["a-nap", "b-nap", "nap-3"]
    assert found.get("nap-3") is found.all[2]
    assert found.get("c-nap") is None


@pytest.mark.parametrize(("typed", "meant"), [("rebot", "reboot-instance"), ("Stop", "stop-instance"), ("zzz", "")])
def test_a_misspelt_name_gets_a_suggestion(typed: str, meant: str) -> None:
    """Who mistypes a name is told the nearest one, if there is one."""
    assert catalog(LIBRARY).suggestion(typed) == meant


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("30m", timedelta(minutes=30)),
        ("12h", timedelta(hours=12)),
        ("2d", timedelta(days=2)),
        ("90s", timedelta(seconds=90)),
        ("PT30M", timedelta(minutes=30)),
        ("P1D", timedelta(days=1)),
    ],
)
def test_durations_are_short_or_iso(tmp_path: Path, text: str, found: timedelta) -> None:
    """Both spellings of a duration are read."""
    (one,) = catalog(folder(tmp_path, "ask", FULL.replace("30m", text), ASKING)).all

    assert one.approval_expiry == found


# -- overriding the library


def library(root: Path) -> Path:
    """A library of one playbook."""
    folder(root / "library", "nap", "title: The library's nap\n")
    return root / "library"


def test_nobody_replaces_a_playbook_by_accident(tmp_path: Path) -> None:
    """The same name twice is a problem, with the words that would make it right."""
    ours = library(tmp_path)
    theirs = folder(tmp_path / "own", "nap", "title: My nap\n")

    (found,) = problems(tmp_path, ours, theirs.parent, library=ours)

    assert found.startswith('own/nap/playbook.yaml:1:1 there is a playbook "nap" already, in ')
    assert found.endswith('; say "overrides: library" if this one is to take its place')


def test_a_file_may_take_the_place_of_the_librarys(tmp_path: Path) -> None:
    """With the word, in whatever order; its own runbook counts."""
    ours = library(tmp_path)
    theirs = folder(tmp_path / "own", "nap", "title: My nap\noverrides: library\n", NAP.replace("PT1S", "PT2S"))

    for order in ((ours, theirs.parent), (theirs.parent, ours)):
        (one,) = catalog(*order, library=ours).all
        assert one.title == "My nap"
        assert one.runbook.steps[0].inputs == {"Duration": "PT2S"}


def test_who_only_wants_other_approvers_needs_no_runbook(tmp_path: Path) -> None:
    """An overriding folder without a runbook keeps the library's."""
    ours = library(tmp_path)
    theirs = folder(tmp_path / "own", "my-nap", "title: My nap\nname: nap\noverrides: library\nmay_run: [U1]\n", "")

    (one,) = catalog(ours, theirs, library=ours).all

    assert (one.title, one.may_run, one.runbook.name) == ("My nap", ("U1",), "nap")
    assert one.runbook.steps[0].name == "nap"


def test_an_override_must_have_something_to_override(tmp_path: Path) -> None:
    """A misspelt name would silently stand beside the library's."""
    ours = library(tmp_path)
    theirs = folder(tmp_path / "own", "naap", "title: My nap\noverrides: library\n")

    assert problems(tmp_path, ours, theirs, library=ours) == [
        'own/naap/playbook.yaml:2:1 the library has no playbook "naap" to override. Did you mean "nap"?'
    ]


def test_two_overrides_of_one_playbook_are_one_too_many(tmp_path: Path) -> None:
    """The second does not win in silence."""
    ours = library(tmp_path)
    for team in ("a", "b"):
        folder(tmp_path / team, "nap", "title: My nap\noverrides: library\n")

    (found,) = problems(tmp_path, ours, tmp_path / "a", tmp_path / "b", library=ours)

    assert found.startswith('b/nap/playbook.yaml:1:1 there is a playbook "nap" already')


# -- what stops the start


WRONG: dict[str, tuple[str, str]] = {
    "no title": ("description: x\n", 'mine/playbook.yaml:1:1 "title" is missing'),
    "empty title": ('title: ""\n', 'mine/playbook.yaml:1:1 title: should be a text of 1 to 150 characters; it is ""'),
    "unknown key": ("title: x\nchanel: C1\n", '2:1 Unknown property "chanel". Did you mean "channel"?'),
    "stranger": ("title: x\nzzzzz: 1\n", '2:1 Unknown property "zzzzz". Known are: name, title, description, '),
    "trigger key": ("title: x\ntrigger:\n  alarms: x\n", '3:3 Unknown property "alarms". Did you mean "alarm"?'),
    "start": ("title: x\nstart: always\n", '2:1 start: should be auto, suggest or off; it is "always"'),
    "state": (
        "title: x\ntrigger: {states: [ALRAM]}\n",
        '2:20 trigger.states: should be ALARM, OK or INSUFFICIENT_DATA; it is "ALRAM"',
    ),
    "account": (
        "title: x\ntrigger:\n  accounts: [12]\n",
        "3:14 trigger.accounts: should be an account id of 12 digits",
    ),
    "one account": ("title: x\ntrigger:\n  accounts: 12\n", "trigger.accounts: should be an account id of 12 digits"),
    "name": ("title: x\nname: My Nap\n", "2:1 name: should be 2 to 61 lower-case letters, digits and hyphens"),
    "trigger": ("title: x\ntrigger: web-*\n", "2:1 trigger: should be a map such as {namespace: AWS/EC2"),
    "minimum": ("title: x\nminimum_approvals: 0\n", "2:1 minimum_approvals: should be a number from 1 to 10"),
    "not a map": ("- title\n", "1:1 the file: should be a map of keys: title, trigger, parameters …; it is"),
    "empty": ("\n", "1:1 the file is empty"),
    "broken": ("title: [x\n", "2:1 YAML not well-formed: "),
    "twice": ("title: x\ntitle: y\n", '2:1 the key "title" stands here a second time (first in line 1); keep one'),
    "undeclared": (
        'title: x\nparameters:\n  Instance: "i-1"\n',
        '3:3 the runbook declares no parameter "Instance". Did you mean "InstanceId"?',
    ),
    "undeclared stranger": (
        'title: x\nparameters: {Zzz: "1"}\n',
        'the runbook declares no parameter "Zzz". It declares: InstanceId.',
    ),
    "template": (
        'title: x\nparameters:\n  InstanceId: "{{ alarm.nam }}"\n',
        '3:3 "alarm.nam" is not known here. Did you mean "alarm.name"?',
    ),
    "misspelt root": (
        'title: x\nparameters: {InstanceId: "{{ zzz }}"}\n',
        '"zzz" is not known here. Known are: alarm.name, alarm.arn, ',
    ),
    "approvers for nothing": (
        "title: x\napprovers: [lee]\n",
        "2:1 approvers is given, but no step of the runbook is aws:approve",
    ),
    "expiry for nothing": ("title: x\napproval_expires_in: 1h\n", "2:1 approval_expires_in is given, but no step"),
    "auto without trigger": (
        'title: x\nstart: auto\nparameters: {InstanceId: "i"}\n',
        "2:1 start: auto needs a trigger, or nothing will ever start it",
    ),
    "auto without value": (
        "title: x\nstart: auto\ntrigger: {alarm: web-*}\n",
        '1:1 start: auto needs a value for "InstanceId", which the runbook requires; add it to parameters:',
    ),
    "runbook": ("title: x\nrunbook: other.yaml\n", '2:1 there is no runbook "other.yaml" beside this file'),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_playbook_is_refused_with_its_place(tmp_path: Path, case: str) -> None:
    """File, line, column, what is wrong, and what would be right."""
    text, sentence = WRONG[case]

    found = problem(tmp_path, text)

    assert found.startswith("mine/playbook.yaml:")
    assert sentence in found


WRONG_APPROVALS: dict[str, tuple[tuple[str, str], str]] = {
    "a number": (("30m", "30"), 'should be a duration such as 30m, 12h, 2d or PT30M; it is "30"'),
    "a word": (("30m", "soon"), "should be a duration such as 30m"),
    "too long": (("30m", "31d"), "should be a duration such as 30m"),
    "nothing": (("30m", "0m"), "should be a duration such as 30m"),
    "nobody": (
        ("approvers: [group:responders, U0123]", "approvers: []"),
        '"Approvers" takes the playbook\'s approvers, and there are none: nobody could answer; add approvers:',
    ),
    "value": (
        ('Approvers: ["{{ playbook.approvers }}"]', 'Approvers: ["{{ playbook.approvers }}"]\n      Size: huge'),
        'Parameter "Size" has value "huge" not found in [small, large].',
    ),
}


@pytest.mark.parametrize("case", WRONG_APPROVALS)
def test_a_wrong_approval_is_refused_with_its_place(tmp_path: Path, case: str) -> None:
    """What decides who may answer, and until when, is checked before anybody is asked."""
    (old, new), sentence = WRONG_APPROVALS[case]
    assert old in FULL

    assert sentence in problem(tmp_path, FULL.replace(old, new), ASKING)


def test_what_no_person_may_give_must_be_in_the_file(tmp_path: Path) -> None:
    """Who approves is the playbook's to say: a runbook that requires it and a playbook that does not cannot run."""
    found = problem(tmp_path, "title: x\n", ASKING)

    assert found == (
        'mine/playbook.yaml:1:1 the runbook requires "Approvers", which decides who approves or as whom it runs, so no '
        'person may give it; add it to parameters:, for approvers as ["{{ playbook.approvers }}"]'
    )


def test_a_broken_runbook_is_refused_with_its_place(tmp_path: Path) -> None:
    """The runbook's problems are named in the runbook's file."""
    found = problem(tmp_path, "title: x\n", NAP.replace('"aws:sleep"', '"aws.sleep"'))

    assert found.startswith("mine/runbook.yaml:5:")
    assert 'Did you mean "aws:sleep"?' in found


def test_an_action_that_is_not_here_is_named_with_its_line(tmp_path: Path) -> None:
    """AWS's own runbooks have such steps: the playbook is taken, and what will fail in it is told."""
    folder(tmp_path, "mine", "title: x\n")

    found = load([tmp_path], available_actions=["aws:branch"])

    (warning,) = found.warnings
    assert [playbook.name for playbook in found.all] == ["mine"]
    assert str(warning).endswith('mine/runbook.yaml:5:17 step "nap" uses aws:sleep, which is not available here.')


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    """Missing files and folders, and other encodings, have their sentence."""
    assert problem(tmp_path / "1", "title: x\n", "") == (
        'mine/playbook.yaml:1:1 there is no runbook "runbook.yaml" beside this file'
    )
    (home := folder(tmp_path / "2", "mine", "title: x\n")).joinpath("playbook.yaml").write_bytes(b"title: \xff\n")
    assert problems(home.parent, home) == ["mine/playbook.yaml:1:1 the file is not UTF-8 text (byte 7)"]
    (home := folder(tmp_path / "3", "mine", "title: x\n")).joinpath("runbook.yaml").write_bytes(b"\xff")
    assert problems(home.parent, home) == ["mine/runbook.yaml:1:1 the file is not UTF-8 text (byte 0)"]
    assert problems(tmp_path / "4", tmp_path / "4" / "nowhere") == [
        "nowhere:1:1 there is no folder of playbooks here: No such file or directory"
    ]
    (tmp_path / "5" / "own" / "empty").mkdir(parents=True)
    assert problems(tmp_path / "5", tmp_path / "5" / "own") == [
        "own/empty/playbook.yaml:1:1 the folder has no playbook.yaml"
    ]


def test_a_name_that_nobody_can_type_is_refused(tmp_path: Path) -> None:
    """Without a name the folder's is taken, and it must be fit for a chat command."""
    found = problems(tmp_path, folder(tmp_path, "My Nap", "title: x\n"))

    sentence = '"My Nap" cannot be typed as a name; rename the folder, or give a name: such as my-playbook'
    assert found == [f"My Nap/playbook.yaml:1:1 {sentence}"]


def test_every_problem_of_every_folder_is_told_at_once(tmp_path: Path) -> None:
    """Nobody has to start the bot ten times."""
    folder(tmp_path / "own", "a", "title: x\nstart: always\nchanel: C1\n")
    folder(tmp_path / "own", "b", "tittle: x\n")
    folder(tmp_path / "own", "nap", "title: x\n")

    with pytest.raises(InvalidLibrary) as refused:
        catalog(tmp_path / "own")

    assert len(refused.value.problems) == 4
    assert str(refused.value).count("\n") == 3
