"""Who a Slack user is: asked of Slack once a minute, denied where Slack does not say."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from bot.slack.blocks.strangers import NOT_NOW, OUTSIDER
from bot.slack.client import web_client
from bot.slack.identity import FRESH, SECOND_LOOK, Joining, People, Stranger
from bot.slack.workspace import ASK_AGAIN, Workspace
from playbooks.people import Directory, Identity, Person
from tests.fakes.clock import ManualClock
from tests.fakes.strict_slack import StrictSlack

GROUP = "S01ONCALL"
DIRECTORY = Directory((Person("lee", "U01LEEPARK", name="Lee"),), {"responders": ("lee", GROUP)})


@pytest.fixture
def slack(clock: ManualClock) -> Iterator[StrictSlack]:
    """A strict Slack whose clock the test moves, with one user group."""
    with StrictSlack(clock) as strict:
        strict.groups[GROUP] = ["U02SAMREYES"]
        yield strict


@pytest.fixture
def people(slack: StrictSlack, clock: ManualClock) -> People:
    """People of the settings' workspace."""
    return of(slack, clock, team_id=slack.identity.team_id)


def of(slack: StrictSlack, clock: ManualClock, *, team_id: str = "") -> People:
    """People before that Slack."""
    client = web_client(slack.identity.bot_token, slack.api_url, timeout=5)
    workspace = Workspace(client, clock, team_id=team_id)
    return People(client, DIRECTORY, clock, workspace=workspace, groups=[GROUP], joining=Joining(guests=True))


def refusal(people: People, user: str, **of_payload: str) -> str:
    """Why a user is a stranger."""
    with pytest.raises(Stranger) as stranger:
        people.identify(user, **of_payload)
    return str(stranger.value)


def test_a_person_of_the_settings_is_known_by_all_names(people: People) -> None:
    """Lists may name them by id, Slack id or group."""
    lee = people.identify("U01LEEPARK")

    assert (lee.id, lee.is_full_member) == ("person:lee", True)
    assert {"lee", "person:lee", "U01LEEPARK", "group:responders"} <= lee.spellings


def test_a_member_of_a_user_group_is_known_by_it(people: People) -> None:
    """Slack says who is in the group now."""
    sam = people.identify("U02SAMREYES")

    assert sam.id == "slack:T01PLAYBOOK/U02SAMREYES"
    assert {GROUP, "group:responders"} <= sam.spellings
    assert GROUP not in people.identify("U03MAXSTONE").spellings


def test_slack_is_asked_once_a_minute(people: People, slack: StrictSlack, clock: ManualClock) -> None:
    """An answer is believed for a minute, and no longer."""
    for _ in range(3):
        people.identify("U02SAMREYES")
    assert (len(slack.called("users.info")), len(slack.called("usergroups.users.list"))) == (1, 1)
    slack.groups[GROUP] = []
    clock.advance(FRESH + timedelta(seconds=1))

    assert GROUP not in people.identify("U02SAMREYES").spellings


def test_a_change_is_heard_at_once(people: People, slack: StrictSlack) -> None:
    """What Slack announces is not believed any more."""
    people.identify("U02SAMREYES")
    slack.groups[GROUP] = []
    slack.people["U02SAMREYES"] = {"is_restricted": True}
    people.forget()
    sam = people.identify("U02SAMREYES")

    assert GROUP not in sam.spellings
    assert not sam.is_full_member
    slack.people["U02SAMREYES"] = {"deleted": True}
    people.forget("U02SAMREYES")
    assert "deactivated" in refusal(people, "U02SAMREYES")


def test_a_second_look_asks_anew(people: People, slack: StrictSlack, clock: ManualClock) -> None:
    """What Slack said at the click is too old a moment later, of the person and of the groups."""
    account = f"slack:{slack.identity.team_id}/U02SAMREYES"
    slack.groups[GROUP] = ["U02SAMREYES"]
    assert GROUP in people.identify("U02SAMREYES").spellings
    slack.groups[GROUP] = []
    clock.advance(SECOND_LOOK.total_seconds() + 1)

    assert GROUP in people.identify("U02SAMREYES").spellings
    assert GROUP not in people.attested(account).spellings
    slack.people["U02SAMREYES"] = {"deleted": True}
    clock.advance(SECOND_LOOK.total_seconds() + 1)
    with pytest.raises(Stranger, match="deactivated"):
        people.attested(account)


def test_many_clicks_ask_once(people: People, slack: StrictSlack) -> None:
    """Forty threads of one person are one question."""
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda _: people.identify("U01LEEPARK").id, range(40)))

    assert found == {"person:lee"}
    assert len(slack.called("users.info")) == 1


def test_a_payload_of_another_team_needs_no_question(people: People, slack: StrictSlack) -> None:
    """Slack Connect: the payload itself says that the person is not of us."""
    assert refusal(people, "U01LEEPARK", team_id="T09OTHER") == OUTSIDER
    assert slack.calls == []


def test_a_member_of_the_same_organisation_is_at_home(slack: StrictSlack, clock: ManualClock) -> None:
    """On Enterprise Grid another workspace of ours is ours; another organisation's is not."""
    slack.upstream._methods = {
        **slack.upstream._methods,
        "auth.test": lambda _: {"team_id": "T01PLAYBOOK", "enterprise_id": "E01", "url": "x"},
    }
    people = of(slack, clock)
    slack.people["U1"] = {"team_id": "T02SISTER", "enterprise_user": {"enterprise_id": "E01"}}
    slack.people["U2"] = {"team_id": "T09OTHER", "enterprise_user": {"enterprise_id": "E09"}}

    assert people.identify("U1", team_id="T02SISTER").is_full_member
    assert refusal(people, "U2", team_id="T09OTHER") == OUTSIDER


def test_nobody_is_at_home_before_the_workspace_is_known(slack: StrictSlack, clock: ManualClock) -> None:
    """Slack is away when the process comes up: everybody is denied until it says which workspace this is."""
    slack.trouble("auth.test", cut="before")
    people = of(slack, clock)

    assert refusal(people, "U01LEEPARK") == NOT_NOW
    clock.advance(ASK_AGAIN)
    assert people.identify("U01LEEPARK").id == "person:lee"


@pytest.mark.parametrize(
    "kind", [{"cut": "before"}, {"status": 503}, {"error": "internal_error"}, {"retry_after": "1"}]
)
@pytest.mark.parametrize("method", ["users.info", "usergroups.users.list"])
def test_no_answer_is_not_remembered(people: People, slack: StrictSlack, method: str, kind: dict[str, str]) -> None:
    """Whom Slack does not vouch for right now may do nothing; the next moment it is asked again."""
    slack.trouble(method, **kind)

    assert refusal(people, "U02SAMREYES") == NOT_NOW
    assert GROUP in people.identify("U02SAMREYES").spellings


@pytest.mark.parametrize("code", ["no_such_subteam", "plan_upgrade_required", "missing_scope"])
def test_a_group_that_cannot_be_read_has_no_members(people: People, slack: StrictSlack, code: str) -> None:
    """On a free plan there are no user groups: persons who are listed themselves may still act."""
    slack.trouble("usergroups.users.list", error=code)

    assert people.identify("U01LEEPARK").id == "person:lee"
    assert GROUP not in people.identify("U02SAMREYES").spellings
    assert len(slack.called("usergroups.users.list")) == 1


def test_a_user_nobody_knows_is_a_stranger(people: People, slack: StrictSlack) -> None:
    """An id that Slack does not know is remembered as such."""
    for _ in range(2):
        assert "cannot find out who you are" in refusal(people, "U09NOBODY")
    assert len(slack.called("users.info")) == 1
    assert "does not say who you are" in refusal(people, "")


class Profiles:
    """A Slack of two calls."""

    def __init__(self, **profile: Any) -> None:
        self.profile = profile
        self.asked: list[str] = []

    def users_info(self, *, user: str) -> dict[str, Any]:
        """The user."""
        self.asked.append("users.info")
        return {"user": {"id": user, "team_id": "T01", **self.profile.get("user", {}), "profile": self.profile}}

    def users_profile_get(self, *, user: str) -> dict[str, Any]:
        """The profile with its custom fields."""
        self.asked.append(f"users.profile.get {user}")
        return {"profile": {"fields": {"Xf1": {"value": self.profile.get("field", "")}}}}


def joined(profiles: Profiles, **joining: Any) -> Identity:
    """Who an unknown Slack user is."""
    directory = Directory((Person("lee", email="lee@x.org"), Person("sam", slack="U02SAM", email="sam@x.org")))
    workspace: Any = SimpleNamespace(
        team_id="T01", realm="T01", is_org_wide=False, enterprise_id="", is_ours=lambda team, _: team == "T01"
    )
    client: Any = profiles
    people = People(client, directory, ManualClock(), workspace=workspace, joining=Joining(**joining))
    return people.identify("U0NEW")


@pytest.mark.parametrize(
    ("profile", "joining", "who", "because"),
    [
        ({"field": "lee"}, {"profile_field": "Xf1"}, "person:lee", "field Xf1"),
        ({"email": "Lee@x.org"}, {"by_email": True}, "person:lee", "address"),
        ({"field": "lee", "email": "lee@x.org"}, {}, "slack:T01/U0NEW", ""),
        (
            {"real_name": "lee", "display_name": "lee"},
            {"profile_field": "Xf1", "by_email": True},
            "slack:T01/U0NEW",
            "",
        ),
        ({"field": "sam"}, {"profile_field": "Xf1"}, "slack:T01/U0NEW", ""),
        ({"email": "sam@x.org"}, {"by_email": True}, "slack:T01/U0NEW", ""),
        ({"field": "nobody"}, {"profile_field": "Xf1"}, "slack:T01/U0NEW", ""),
    ],
)
def test_a_user_is_joined_to_a_person_only_as_configured(
    profile: dict[str, Any], joining: dict[str, Any], who: str, because: str
) -> None:
    """By a field of the identity provider, by address when switched on, never by a name, never over the table."""
    found = joined(Profiles(**profile), **joining)

    assert found.id == who
    assert because in found.because


def test_guests_are_refused_unless_the_settings_let_them_in() -> None:
    """Whatever lists name them."""
    guest = Profiles(user={"is_restricted": True})

    with pytest.raises(Stranger, match="Guests may not"):
        joined(guest)
    assert not joined(guest, guests=True).is_full_member


def test_the_table_asks_for_no_profile() -> None:
    """Whom the table names is who it says."""
    profiles = Profiles(field="lee")
    directory = Directory((Person("lee"), Person("new", slack="U0NEW")))
    workspace: Any = SimpleNamespace(
        team_id="T01", realm="T01", is_org_wide=False, enterprise_id="", is_ours=lambda *_: True
    )
    client: Any = profiles
    people = People(client, directory, ManualClock(), workspace=workspace, joining=Joining("Xf1", by_email=True))

    assert people.identify("U0NEW").id == "person:new"
    assert profiles.asked == ["users.info"]
