"""From an alarm to a runbook's parameters."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playbooks.mapping import MappingFailed, is_known_reference, parameters_from, template_references
from tests.playbooks.worlds import ASKING, INSTANCE, alarm, metric, playbook


def mapped(value: Any, found: Any = None, **fields: Any) -> Any:
    """What becomes of one value."""
    return parameters_from(playbook(parameters={"InstanceId": value}, **fields), found or alarm())["InstanceId"]


@pytest.mark.parametrize(
    ("template", "value"),
    [
        ("{{ alarm.dimensions.InstanceId }}", INSTANCE),
        ("{{alarm.dimensions.InstanceId}}", INSTANCE),
        ("{{ alarm.tags.team }}", "shop"),
        ("{{ alarm.name }} in {{ alarm.region }}", "web-1-cpu in eu-west-1"),
        ("{{ alarm.account }}/{{ alarm.state }}", "402715938824/ALARM"),
        ("{{ playbook.name }}", "nap"),
        (["{{ alarm.name }}", "x"], ["web-1-cpu", "x"]),
        ({"Alarm": "{{ alarm.name }}"}, {"Alarm": "web-1-cpu"}),
        (7, 7),
        (True, True),
        ("plain", "plain"),
    ],
)
def test_templates_are_filled(template: Any, value: Any) -> None:
    """Whole values keep their type, texts are put together, everything else stays as it is."""
    assert mapped(template) == value


def test_the_approvers_are_spliced_into_a_list() -> None:
    """They are a list themselves, and no list in a list."""
    assert mapped(["{{ playbook.approvers }}"], approvers=("lee", "sam")) == ["lee", "sam"]
    assert mapped("{{ playbook.approvers }}", approvers=("lee",)) == ["lee"]


def test_what_an_alarm_brings_is_never_scanned_again() -> None:
    """Braces in an alarm's name are letters."""
    assert mapped("{{ alarm.name }}", alarm(name="{{ alarm.account }}")) == "{{ alarm.account }}"
    assert mapped("x {{ alarm.name }}", alarm(name="{{ ssm:/secret }}")) == "x {{ ssm:/secret }}"


@pytest.mark.parametrize(
    ("template", "fields", "sentence"),
    [
        (
            "{{ alarm.dimensions.VolumeId }}",
            {},
            "Alarm web-1-cpu has no dimension VolumeId (it has: InstanceId), which nap needs for InstanceId.",
        ),
        (
            "{{ alarm.tags.env }}",
            {"tags": {}},
            "Alarm web-1-cpu has no tag env (it has: none), which nap needs for InstanceId.",
        ),
        (
            "{{ alarm.dimensions.InstanceId }}",
            {"metrics": (metric(InstanceId="2"), metric(InstanceId="1"))},
            "Alarm web-1-cpu looks at several values of InstanceId (1, 2), and one is what nap needs for InstanceId.",
        ),
        ("{{ alarm.colour }}", {}, "nap: InstanceId wants alarm.colour, which nobody knows."),
        ("{{ ghost.name }}", {}, "nap: InstanceId wants ghost.name, which nobody knows."),
        ("{{ }}", {}, "nap: InstanceId wants nothing, which nobody knows."),
    ],
)
def test_what_is_missing_is_named(template: str, fields: dict[str, Any], sentence: str) -> None:
    """One sentence names the alarm, what it lacks, what it has, and who needs it for what."""
    with pytest.raises(MappingFailed) as failed:
        mapped(template, alarm(**fields))

    assert str(failed.value) == sentence


def test_without_an_alarm_a_person_gives_what_an_alarm_would() -> None:
    """Values from alarms are left out, all others are there."""
    parameters = {"InstanceId": "{{ alarm.dimensions.InstanceId }}", "Approvers": ["{{ playbook.approvers }}"]}
    one = playbook(runbook=ASKING, parameters=parameters, approvers=("lee",))

    assert parameters_from(one, None) == {"Approvers": ["lee"]}


def test_what_a_person_gives_need_not_be_in_the_alarm() -> None:
    """A value given by hand spares the alarm's; one that the playbook fixes is filled all the same."""
    parameters = {"InstanceId": "{{ alarm.dimensions.VolumeId }}", "Approvers": ["{{ playbook.approvers }}"]}
    one = playbook(runbook=ASKING, parameters=parameters, approvers=("lee",))

    assert parameters_from(one, alarm(), given=frozenset({"InstanceId", "Approvers"})) == {"Approvers": ["lee"]}


def test_the_same_template_without_blanks_is_the_alarms_too() -> None:
    """Who may give a value does not depend on how it is spelled."""
    for template in ("{{alarm.name}}", "{{  alarm.name  }}", ["{{alarm.name}}"]):
        assert "InstanceId" not in playbook(parameters={"InstanceId": template}).fixed
    assert "InstanceId" in playbook(parameters={"InstanceId": "i-1"}).fixed


@pytest.mark.parametrize(
    ("reference", "is_known"),
    [
        ("alarm.name", True),
        ("alarm.dimensions.InstanceId", True),
        ("alarm.dimensions.With Blank", True),
        ("alarm.tags.a:b/c", True),
        ("playbook.approvers", True),
        ("alarm.dimensions.", False),
        ("alarm.dimensions", False),
        ("alarm.nam", False),
        ("alarms.name", False),
        ("global:REGION", False),
        ("playbook.title", False),
        ("", False),
    ],
)
def test_only_known_names_may_be_used(reference: str, is_known: bool) -> None:  # noqa: FBT001 - a table's column
    """The catalog refuses the others when it loads."""
    assert is_known_reference(reference) is is_known


@given(
    st.recursive(st.text(max_size=30), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner))
)
def test_no_template_does_harm(template: Any) -> None:
    """Any value is filled or refused with a sentence, and names every reference in it."""
    references = template_references(template)

    try:
        mapped(template)
    except MappingFailed:
        assert any(not is_known_reference(reference) for reference in references)
