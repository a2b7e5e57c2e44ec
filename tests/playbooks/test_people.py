"""One human, several doors: who is named by a list, and who only looks like it."""

import pytest

from playbooks.people import Directory, Identity, Person

DIRECTORY = Directory(
    people=(
        Person("lee", slack="U01LEE", iam=("arn:aws:iam::402715938824:user/lee",), terminal="lpark", name="Lee"),
        Person("sam", slack="U02SAM", name="Sam"),
    ),
    groups={"night": ("lee", "U09GUEST"), "empty": ()},
)
LEE_ARN = "arn:aws:iam::402715938824:user/lee"


@pytest.mark.parametrize(
    "found",
    [DIRECTORY.slack("T01", "U01LEE"), DIRECTORY.terminal("lpark"), DIRECTORY.iam(LEE_ARN)],
    ids=["slack", "terminal", "iam"],
)
@pytest.mark.parametrize("entry", ["lee", "person:lee", "U01LEE", LEE_ARN, "group:night", "night", "*"])
def test_a_person_is_the_same_at_every_door(found: Identity, entry: str) -> None:
    """Whichever way they come, every spelling of theirs names them, and their id is one."""
    assert found.id == "person:lee"
    assert DIRECTORY.is_listed(found, ["nobody", entry])


@pytest.mark.parametrize("entry", ["sam", "U02SAM", "group:empty", "Lee", "LEE", "lpark", "", "S01GROUP"])
def test_nobody_is_named_by_accident(entry: str) -> None:
    """Another one's id, a display name, a login name, another case: none of them is Lee."""
    assert not DIRECTORY.is_listed(DIRECTORY.slack("T01", "U01LEE", name="Lee"), [entry])


def test_a_display_name_names_nobody() -> None:
    """Somebody who calls themselves sam in Slack is not Sam."""
    impostor = DIRECTORY.slack("T01", "U66", name="sam")

    assert not DIRECTORY.is_listed(impostor, ["sam", "person:sam", "Sam"])
    assert impostor.id == "slack:T01/U66"


def test_an_unknown_login_is_nobody_in_particular() -> None:
    """At the terminal only the table gives rights, not even "*" does."""
    found = DIRECTORY.terminal("root")

    assert not DIRECTORY.is_listed(found, ["*", "root", "terminal:root"])


def test_a_guest_is_not_everybody() -> None:
    """A star means full members; a guest may still be named."""
    guest = DIRECTORY.slack("T01", "U09GUEST", is_full_member=False)

    assert not DIRECTORY.is_listed(guest, ["*"])
    assert DIRECTORY.is_listed(guest, ["night"])


def test_a_user_group_counts_while_one_is_in_it() -> None:
    """What the door says of Slack's user groups names its members."""
    assert DIRECTORY.is_listed(DIRECTORY.slack("T01", "U02SAM", groups=["S01NIGHT"]), ["S01NIGHT"])
    assert not DIRECTORY.is_listed(DIRECTORY.slack("T01", "U02SAM"), ["S01NIGHT"])


def test_an_empty_list_names_nobody() -> None:
    """No entry, no right."""
    assert not DIRECTORY.is_listed(DIRECTORY.slack("T01", "U01LEE"), [])


@pytest.mark.parametrize(
    ("lists", "both"),
    [
        ([("lee", "sam"), ("U02SAM",)], ("sam",)),
        ([("group:night",), ("lee",)], ("lee",)),
        ([("lee",), ("sam",)], ()),
        ([("lee",), ()], ()),
        ([], ()),
        ([("group:unknown",), ("lee",)], ()),
        ([("lee",), ("*",)], ("lee",)),
        ([("lee",), ("S01NIGHT",)], ("lee",)),
    ],
)
def test_who_could_be_on_every_list(lists: list[tuple[str, ...]], both: tuple[str, ...]) -> None:
    """Groups are opened, spellings compared; a Slack group may hold anybody."""
    assert DIRECTORY.both(lists) == both


@pytest.mark.parametrize(
    ("entry", "read"),
    [("lee", "<@U01LEE>"), ("U77", "<@U77>"), ("S01NIGHT", "<!subteam^S01NIGHT>"), ("group:night", "group:night")],
)
def test_an_entry_is_told_as_people_read_it(entry: str, read: str) -> None:
    """A mention where Slack knows them, the entry itself elsewhere."""
    assert DIRECTORY.mention(entry) == read
