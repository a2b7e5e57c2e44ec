"""The access file: what it means, and each mistake with its place and what would be right."""

from dataclasses import replace
from pathlib import Path

import pytest

from playbooks.access import Access, Wish
from playbooks.access_cases import person, try_cases
from playbooks.access_file import AccessInvalid, Known, load_access, who_is_named
from playbooks.catalog import Catalog
from playbooks.people import Directory
from tests.playbooks.waist import DIRECTORY, KIM, LEE, gate
from tests.playbooks.worlds import playbook

KNOWN = Known(DIRECTORY, (gate(), playbook(name="nap")), ("sam",))
CATALOG = Catalog(tuple(KNOWN.playbooks))


def loaded(tmp_path: Path, text: str, known: Known = KNOWN) -> Access:
    """The access of a file with this text."""
    path = tmp_path / "access.yaml"
    path.write_text(text, encoding="utf-8")
    return load_access(path, known)


def mistakes(tmp_path: Path, text: str, known: Known = KNOWN) -> list[str]:
    """What is said of a file, without its folder."""
    with pytest.raises(AccessInvalid) as refused:
        loaded(tmp_path, text, known)
    return [str(each).removeprefix(f"{tmp_path}/") for each in refused.value.problems]


def test_a_file_is_read(tmp_path: Path) -> None:
    """Single values stand for lists, numbers and truth values are texts; rules know their line."""
    access = loaded(
        tmp_path,
        """\
ask: "#sre"
rules:
  - {who: lee, may: run, playbooks: gate, parameters: {Minimum: 2, InstanceId: [i-1, i-2]}}
  - who: [responders, "*"]
    rule: never
    may: run
    channels: C024BE91L
""",
    )

    admins, starter, first, second = access.rules
    assert (admins.who, starter.who) == (("sam",), ("starter",))
    assert first.parameters == {"Minimum": ("2",), "InstanceId": ("i-1", "i-2")}
    assert (first.source, second.source) == ("access.yaml:3", "access.yaml:4")
    assert (second.effect, second.channels, second.may) == ("never", ("C024BE91L",), ("run",))
    assert access.ask == "#sre"
    assert {"lee", "responders", "sam"} <= {*who_is_named(access)}


def test_without_a_file_the_playbooks_lists_count() -> None:
    """`may_run` of each playbook, and the admins."""
    access = load_access(None, KNOWN)

    assert access.decide(Wish("run", "gate"), LEE).is_allowed
    assert not access.decide(Wish("run", "nap"), LEE).is_allowed
    assert access.tried is None


def test_a_file_to_learn_from_changes_nothing(tmp_path: Path) -> None:
    """`mode: learn`: its rules are tried, the playbooks' lists count."""
    access = loaded(tmp_path, "mode: learn\nrules: [{who: kim, may: run, playbooks: gate}]\n")

    assert access.decide(Wish("run", "gate"), LEE).is_allowed
    assert [tried.is_allowed for tried in (access.rehearse(Wish("run", "gate"), by) for by in (LEE, KIM)) if tried] == [
        False,
        True,
    ]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("rules: [{who: leee}]", 'access.yaml:1:10 "leee" is nobody; did you mean "lee"?'),
        ("rules: [{who: [lee, 'group:respnders']}]", 'access.yaml:1:21 "group:respnders" is nobody; did you mean "res'),
        ("rules: [{who: somebody-else}]", "add it to people or groups, or give a Slack id or an ARN"),
        ("rules: [{who: lee, playbooks: gat}]", 'access.yaml:1:20 there is no playbook "gat". Did you mean "gate"?'),
        (
            "rules: [{who: lee, playbooks: gate, parameters: {InstanceID: i-1}}]",
            'access.yaml:1:50 no playbook of this rule has a parameter "InstanceID". Did you mean "InstanceId"?',
        ),
        ("rules: [{who: lee, may: [run, stop], channels: C01}]", "access.yaml:1:38 channels count for starts only"),
        ("rules: [{who: lee, channels: C01}]", "a rule that names them must say may: run (or override)"),
        ("rules: [{who: lee, may: run, channels: ops}]", 'access.yaml:1:30 "ops" is not the id of a channel (C…)'),
        ("rules: [{who: lee, may: [runn]}]", 'Did you mean "run"?'),
        ("rules: [{who: lee, playbook: gate}]", 'Unknown property "playbook". Did you mean "playbooks"?'),
        ("rules: [{who: lee, rule: forbid}]", "rule: should be allow, deny or never"),
        ("rules: [{who: []}]", "who: should be one or more people, groups or Slack ids"),
        ("mode: off\nrules: []", "mode: should be enforce or learn"),
        ("ask: x", '"rules" is missing'),
        ("rules: [", "YAML not well-formed"),
    ],
)
def test_mistakes_are_told_with_their_place(tmp_path: Path, text: str, says: str) -> None:
    """File, line and column, what is wrong, and what was probably meant."""
    (sentence,) = mistakes(tmp_path, text)

    assert says in sentence
    assert sentence.startswith("access.yaml:")


def test_a_file_that_lets_nobody_approve_is_a_mistake(tmp_path: Path) -> None:
    """Otherwise every question would wait for ever."""
    known = Known(DIRECTORY, (gate(),))

    (sentence,) = mistakes(tmp_path, "rules: [{who: lee, may: run}]", known)

    assert "no rule lets anybody approve, so gate could never go on; add a rule with may: approve" in sentence


def test_a_missing_file_is_a_sentence(tmp_path: Path) -> None:
    """No traceback for a wrong path."""
    with pytest.raises(AccessInvalid, match="the access file cannot be read: No such file"):
        load_access(tmp_path / "none.yaml", KNOWN)


def test_people_are_found_by_every_spelling() -> None:
    """Ids of people, Slack, mentions, ARNs; nobody is nobody."""
    spelled = ("lee", "person:lee", "U01LEE", "<@U01LEE>", "<@U01LEE|lee>", "@lee")

    assert {found.id for each in spelled if (found := person(each, DIRECTORY))} == {"person:lee"}
    assert [person(each, DIRECTORY) for each in ("nobody", "S01GROUP", "")] == [None, None, None]


def test_cases_are_tried(tmp_path: Path) -> None:
    """What comes as the case says passes; what does not is told with the place and the rule."""
    access = loaded(tmp_path, "rules: [{who: lee, may: run, playbooks: gate}]")
    path = tmp_path / "cases.yaml"
    path.write_text(
        "cases:\n  - {who: lee, may: run, playbook: gate}\n  - {who: kim, may_not: run, playbook: gate}\n"
        "  - {who: kim, may: run, playbook: gate, parameters: {Minimum: 2}, name: Kim may}\n",
        encoding="utf-8",
    )

    found = try_cases(path, access, CATALOG, DIRECTORY)

    assert [each.is_expected for each in found] == [True, True, False]
    assert [each.name for each in found] == ["lee may run gate", "kim may not run gate", "Kim may"]
    assert found[2].problem == f"{path}:4:5 Kim may: it is refused."


@pytest.mark.parametrize(
    ("case", "says"),
    [
        ("{who: leee, may: run, playbook: gate}", 'cases.yaml:1:10 "leee" is nobody; did you mean "lee"?'),
        ("{who: lee, may: run, playbook: gat}", 'there is no playbook "gat". Did you mean "gate"?'),
        (
            "{who: lee, may: run, playbook: gate, parameters: {Minimun: 1}}",
            'no parameter "Minimun". Did you mean "Mini',
        ),
        ("{who: lee, playbook: gate}", "a case needs either may or may_not"),
        ("{who: lee, may: run, may_not: run, playbook: gate}", "a case needs either may or may_not"),
        ("{who: lee, may: jump, playbook: gate}", "may: should be one of see, run, stop"),
    ],
)
def test_mistakes_in_cases_are_told(tmp_path: Path, case: str, says: str) -> None:
    """A case that names nobody, or nothing, is no case that passes."""
    path = tmp_path / "cases.yaml"
    path.write_text(f"cases: [{case}]\n", encoding="utf-8")

    with pytest.raises(AccessInvalid) as refused:
        try_cases(path, load_access(None, KNOWN), CATALOG, DIRECTORY)

    assert says in str(refused.value)


def test_people_and_channels_of_other_workspaces_are_named_with_them(tmp_path: Path) -> None:
    """A user, a user group, every full member, and a channel; what is none of them is told."""
    access = loaded(
        tmp_path,
        "rules:\n"
        "  - {who: [T0456/U0789, T0456/S0SRE, T0456/*], may: run, playbooks: gate, channels: T0456/C0INC}\n"
        "  - {who: lee, may: approve}\n",
    )
    directory = Directory(home="T0123")
    member = directory.slack("T0456", "U0ABC", name="Mo")
    wish = Wish("run", "gate", {}, "T0456/C0INC")

    assert access.decide(wish, member).is_allowed
    assert not access.decide(replace(wish, channel="C0INC"), member).is_allowed
    assert not access.decide(wish, directory.slack("T0123", "U0ABC", name="Mo")).is_allowed
    for wrong in ("T0456/X1", "t0456/U1", "T0456/"):
        assert (
            "is nobody" in mistakes(tmp_path, f"rules: [{{who: [{wrong}], may: run}}, {{who: lee, may: approve}}]")[0]
        )
