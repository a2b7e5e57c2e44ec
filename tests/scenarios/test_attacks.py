"""Attempts to have something approved that should not be; docs/attacks.md lists them with their results."""

import contextlib
import json
import re
import shutil
import textwrap
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from approvals.store import approval_table
from audit.store import AuditStore
from bot.slack.blocks.card import APPROVE, DELEGATE, REJECT
from engine.signals import SignalType
from engine.store import execution_table
from infra.clock import utc_now
from infra.db import Database
from playbooks.documents.refusals import SsmRefused
from playbooks.expiry import Expiry
from playbooks.refusals import Refused
from tests.bot.slack.rig import KIM, PLAYBOOKS, SPARE, Answer, Rig
from tests.fakes.strict_slack import StrictSlack
from tests.scenarios import test_attacks_on_installing

ATTACKS = Path(__file__).resolve().parents[2] / "docs" / "attacks.md"
GROUP = "S0ONCALL"
MORE = {
    "grouped": (
        f"title: Restart by a group\nmay_run: [lee]\napprovers: [{GROUP}]\n",
        PLAYBOOKS["restart"][1].replace("[sam, kim]", f"[{GROUP}]"),
    ),
    "nobody": (
        "title: Restart by nobody\nmay_run: [lee]\napprovers: ['group:void']\n",
        PLAYBOOKS["restart"][1].replace("[sam, kim]", "['group:void']"),
    ),
    "barred": (
        f"title: Not by them\nmay_run: [lee]\napproval: {{groups: {{of: [sam, kim]}}, never: [{GROUP}]}}\n",
        PLAYBOOKS["restart"][1],
    ),
    "stepped": (
        "title: Restart and look\nmay_run: [lee]\napprovers: [sam]\n",
        f'{PLAYBOOKS["restart"][1]}  - {{name: last, action: "aws:sleep", inputs: {{Duration: PT0S}}}}\n',
    ),
    "kims": (
        "title: Restart by Kim\nmay_run: [lee, sam]\napproval: {groups: {of: [kim]}, may_delegate_to: [sam]}\n",
        PLAYBOOKS["restart"][1].replace("[sam, kim]", "[sam, kim]"),
    ),
}


def library(root: Path) -> Path:
    """The playbooks of the attacks."""
    for name, (playbook, runbook) in {**PLAYBOOKS, **MORE}.items():
        home = root / "playbooks" / name
        home.mkdir(parents=True)
        (home / "playbook.yaml").write_text(textwrap.dedent(playbook), encoding="utf-8")
        (home / "runbook.yaml").write_text(runbook, encoding="utf-8")
    return root / "playbooks"


@pytest.fixture
def slack() -> Iterator[StrictSlack]:
    """A strict Slack with a few more people than its channel has."""
    with StrictSlack(utc_now) as strict:
        strict.people.update({user: {} for user in (KIM, *SPARE)})
        strict.is_limited = False
        yield strict


@pytest.fixture
def bots(slack: StrictSlack, database: Database, tmp_path: Path) -> Iterator[tuple[Rig, Rig]]:
    """Two processes of one bot, which look at approvers once more before the step goes on."""
    url, folder = database.url.render_as_string(hide_password=False), library(tmp_path)
    made = tuple(Rig(slack, url, folder, groups=(GROUP,), fields={"groups": {"void": ()}}) for _ in range(2))
    for each in made:
        each.service.recognise = each.people.attested
        each.people._second_look = timedelta(0)  # no three seconds pass here between click and step
    yield made[0], made[1]
    for each in made:
        each.close()
    shutil.rmtree(folder)


@pytest.fixture
def bot(bots: tuple[Rig, Rig]) -> Rig:
    """One of the two."""
    return bots[0]


def settle(bot: Rig) -> None:
    """Everything that is due happens, the second look at approvers, too."""
    bot.settle()
    service = bot.service
    Expiry(service.db, service.approvals, service.operations.expire, service.clock).pump()
    bot.settle()


def asked(bot: Rig, text: str = "run restart i-0abc") -> str:
    """A question is open; the value of its button."""
    bot.started(text)
    return str(bot.service.queries.open_approvals()[-1].id)


def untouched(bot: Rig) -> None:
    """Nothing was decided, nothing ran, and the chain of the trail holds."""
    settle(bot)
    assert bot.newest().status == "Waiting"
    assert {"approval.decided", "approval.concluded", "signal.received"}.isdisjoint(bot.events())
    with bot.service.db.reading() as connection:
        assert AuditStore().verify(connection).is_valid


# -- the request itself


@pytest.mark.parametrize("headers", [{"X-Slack-Signature": "v0=" + "0" * 64}, {"X-Slack-Request-Timestamp": "1"}])
def test_forged(bot: Rig, headers: dict[str, str]) -> None:
    """A click that Slack has not signed, or signed long ago, is not let in."""
    payload = bot.click_payload(APPROVE, asked(bot), bot.sam)
    answer = bot.post(json.dumps(payload).encode(), headers=headers)

    assert answer.status == 401
    untouched(bot)


def test_replayed(bots: tuple[Rig, Rig]) -> None:
    """A signed click, sent again to another process after it was taken back, is not counted a second time."""
    first, second = bots
    payload = first.click_payload(APPROVE, asked(first), first.sam)
    first.interact(payload)
    first.service.operations.revoke(payload["actions"][0]["value"], first.people.identify(first.sam))
    second.interact(payload)
    settle(first)

    assert first.events().count("approval.decided") == 1
    assert first.newest().status == "Waiting"


@pytest.mark.parametrize(
    "fields",
    [
        {"team": {"id": "T0FOREIGN"}, "user": {"id": "U_SAM", "team_id": "T0FOREIGN"}},
        {"user": {"id": "U_SAM", "team_id": "T0FOREIGN"}},
    ],
)
def test_cross_team(bot: Rig, fields: dict[str, Any]) -> None:
    """Another workspace's click, and a guest of a shared channel with an approver's id, are refused."""
    fields = json.loads(json.dumps(fields).replace("U_SAM", bot.sam))
    bot.click(APPROVE, asked(bot), **fields)

    untouched(bot)


@pytest.mark.parametrize("facts", [{"deleted": True}, {"is_bot": True}, {"is_stranger": True}, {"team_id": "T0X"}])
def test_no_member(bot: Rig, facts: dict[str, Any]) -> None:
    """A deactivated account, a bot, a stranger of Slack Connect: refused though the list names their id."""
    value = asked(bot)
    bot.slack.people[bot.sam] = facts
    bot.people.forget()
    bot.click(APPROVE, value, bot.sam)

    untouched(bot)


# -- the question


def test_cross_request(bot: Rig) -> None:
    """An approver of one playbook presses its button with another question's id: their right is looked at there."""
    asked(bot, "run restart i-0abc")
    other = asked(bot, "run kims i-0abd")
    bot.click(APPROVE, other, bot.sam)

    assert "not among the people" in bot.whispers()[0]
    untouched(bot)


def test_cross_form(bot: Rig) -> None:
    """The form of one question comes back with another's id in its metadata: refused beside the field."""
    value = asked(bot, "run restart i-0abc")
    bot.click(REJECT, value, bot.sam)
    (view,) = bot.opened()
    other = asked(bot, "run kims i-0abd")
    answer = bot.submit({**view, "private_metadata": json.dumps({"request_id": other})}, {"reason": "no"}, bot.sam)

    assert "not among the people" in answer.errors["reason"]
    untouched(bot)


def test_edited_card(bot: Rig) -> None:
    """The payload carries a card that says something else: only the id counts, and the rows say what it is."""
    value = asked(bot)
    blocks = [{"type": "section", "text": {"type": "mrkdwn", "text": "Reboot i-0evil? Approvers: everybody"}}]
    bot.click(APPROVE, value, bot.max, message={"blocks": blocks, "text": "harmless"})

    untouched(bot)


def test_changed_plan(bot: Rig, database: Database) -> None:
    """Somebody changes in the database what would run: the click decides nothing, and people are asked anew."""
    value = asked(bot)
    with database.transaction() as tx:
        state = tx.execute(execution_table.select()).mappings().one()["state"]
        tx.execute(update(execution_table).values(state=state.replace("i-0abc", "i-0eef")))
    bot.click(APPROVE, value, bot.sam)
    settle(bot)

    assert "The plan changed since you were asked" in bot.whispers()[0]
    assert bot.service.queries.open_approvals()[0].revision == 2
    assert "signal.received" not in bot.events()


def test_changed_lists(bot: Rig, database: Database) -> None:
    """Somebody writes themselves into a question's row: the seal is broken, nothing is decided."""
    value = asked(bot)
    with database.transaction() as tx:
        state = tx.execute(approval_table.select()).mappings().one()["state"]
        tx.execute(update(approval_table).values(state=state.replace('"sam"', f'"{bot.max}"')))
    bot.click(APPROVE, value, bot.max)
    settle(bot)

    assert "signal.received" not in bot.events()
    assert bot.newest().status == "Waiting"


# -- the people


def members(bot: Rig, *users: str) -> None:
    """The user group has these members from now on, and Slack tells so."""
    bot.slack.groups[GROUP] = list(users)
    bot.people.forget()


@pytest.mark.parametrize("door", ["slack", "terminal"])
def test_barred_group(bot: Rig, door: str) -> None:
    """An approver who is in a user group that never may, in Slack, and where nobody can tell who is in it: refused."""
    members(bot, bot.sam)
    value = asked(bot, "run barred i-0abc")
    sam = bot.service.directory.of_person("sam")
    assert sam is not None
    if door == "slack":
        bot.click(APPROVE, value, bot.sam)
    else:
        with pytest.raises(Refused, match="Answer in Slack"):
            bot.service.operations.decide(value, sam, "Approve")

    untouched(bot)


def test_membership_lost_before_the_click(bot: Rig) -> None:
    """In the group when the card was posted, out of it at the click: refused."""
    members(bot, bot.sam)
    value = asked(bot, "run grouped i-0abc")
    members(bot, KIM)
    bot.click(APPROVE, value, bot.sam)

    untouched(bot)


def test_membership_lost_before_the_step(bot: Rig) -> None:
    """In the group at the click, out of it when the step would go on: the answer no longer counts."""
    members(bot, bot.sam)
    value = asked(bot, "run grouped i-0abc")
    bot.click(APPROVE, value, bot.sam)
    bot.slack.groups[GROUP] = [KIM]  # and Slack has told another process
    settle(bot)

    assert bot.newest().status == "Waiting"
    assert bot.service.queries.open_approvals()[0].decisions == ()
    assert {"approval.invalidated"} <= set(bot.events())
    assert "signal.received" not in bot.events()


def test_deactivated_before_the_step(bot: Rig) -> None:
    """Deactivated between the click and the step: the answer no longer counts."""
    value = asked(bot)
    bot.click(APPROVE, value, bot.sam)
    bot.slack.people[bot.sam] = {"deleted": True}
    settle(bot)

    assert bot.newest().status == "Waiting"
    assert "approval.invalidated" in bot.events()


def test_no_look_elsewhere(bots: tuple[Rig, Rig]) -> None:
    """A process that has no door to Slack lets nothing go on that people of Slack have approved: it waits for one."""
    bot, other = bots
    other.service.recognise = None
    other.service.settings = other.service.settings.model_copy(update={"slack_mode": "http"})
    value = asked(bot)
    bot.click(APPROVE, value, bot.sam)
    bot.slack.people[bot.sam] = {"deleted": True}

    settle(other)
    assert (bot.newest().status, bot.events().count("approval.held")) == ("Waiting", 1)

    bot.service.operations.expire(value)
    settle(bot)
    assert bot.newest().status == "Waiting"
    assert "approval.invalidated" in bot.events()


def test_slack_silent_before_the_step(bot: Rig) -> None:
    """Slack does not say who it was: the step waits, and goes on when Slack answers."""
    value = asked(bot)
    bot.click(APPROVE, value, bot.sam)
    bot.slack.trouble("users.info", cut="before")
    settle(bot)

    assert bot.newest().status == "Waiting"
    assert "approval.held" in bot.events()
    bot.service.operations.expire(value)
    settle(bot)
    assert bot.newest().status == "Success"


@pytest.mark.parametrize("route", ["slack", "terminal", "other account", "iam", "delegate", "glass"])
def test_self_approval(bot: Rig, route: str) -> None:
    """Whoever started it may not approve it: by Slack, the terminal, a second account, IAM, an heir, or the glass."""
    bot.command("run restart i-0abc", bot.sam)
    settle(bot)
    value = str(bot.service.queries.open_approvals()[0].id)
    directory, operations = bot.service.directory, bot.service.operations
    sam = bot.people.identify(bot.sam)
    attempts: dict[str, Callable[[], object]] = {
        "slack": lambda: bot.click(APPROVE, value, bot.sam),
        "terminal": lambda: operations.decide(value, directory.of_person("sam") or sam, "Approve"),
        "other account": lambda: operations.decide(value, directory.slack("T0OTHER", bot.sam), "Approve"),
        "iam": lambda: operations.decide(value, directory.iam("arn:aws:iam::1:user/sam", name="sam"), "Approve"),
        "delegate": lambda: operations.delegate(value, sam, bot.people.identify(KIM)),
        "glass": lambda: operations.break_glass(value, sam, "because I am in a hurry", "i-0abc"),
    }
    with contextlib.suppress(Refused):
        attempts[route]()

    untouched(bot)
    assert bot.events().count("approval.refused") == 1


@pytest.mark.parametrize("step", ["nap", "last"])
def test_jumped(bot: Rig, step: str) -> None:
    """Whoever takes a run step by step starts it behind the question, through SSM's API: refused, as skipping is."""
    bot.command("run stepped i-0abc --step")
    settle(bot)
    with pytest.raises(SsmRefused, match="nobody may go past a question"):
        bot.service.automation.signal(
            bot.newest().id, SignalType.START_STEP, {"StepName": step}, bot.people.identify(bot.lee)
        )

    untouched(bot)
    assert "signal.refused" in bot.events()


def test_heir_who_asked(bot: Rig) -> None:
    """Kim hands over to Sam, who started it: refused beside the field."""
    bot.command("run kims i-0abc", bot.sam)
    settle(bot)
    value = str(bot.service.queries.open_approvals()[0].id)
    bot.click(DELEGATE, value, KIM)
    (view,) = bot.opened()
    state = {"values": {"to": {"value": {"type": "users_select", "selected_user": bot.sam}}}}
    answer = submitted(bot, view, state, KIM)

    assert "may not approve this either" in answer.errors["to"]
    untouched(bot)


def test_heir_of_somebody_gone(bot: Rig) -> None:
    """Kim hands over to Sam and is deactivated: Sam has no more right than Kim, and is refused."""
    value = asked(bot, "run kims i-0abc")
    identify = bot.people.identify
    bot.service.operations.delegate(value, identify(KIM), identify(bot.sam))
    bot.slack.people[KIM] = {"deleted": True}
    bot.people.forget()
    bot.click(APPROVE, value, bot.sam)

    assert "not among the people" in bot.whispers()[0]
    untouched(bot)


def submitted(bot: Rig, view: dict[str, Any], state: dict[str, Any], by: str) -> Answer:
    """A form comes back as it was filled in."""
    whole = bot.click_payload("x", "x", by)
    kept = {name: whole[name] for name in ("api_app_id", "team", "enterprise", "user", "trigger_id")}
    sent = {**view, "id": "V1", "state": state}
    return bot.interact({**kept, "type": "view_submission", "is_enterprise_install": False, "view": sent})


def test_list_of_nobody(bot: Rig) -> None:
    """A list that resolves to nobody is nobody: the card says so at once, and nobody's click counts."""
    value = asked(bot, "run nobody i-0abc")
    for user in (bot.sam, bot.lee, KIM):
        bot.click(APPROVE, value, user)

    assert bot.service.queries.open_approvals()[0].problem
    assert "nobody can answer" in json.dumps(bot.card())
    untouched(bot)


def test_group_of_nobody(bot: Rig) -> None:
    """A user group that has lost its members is nobody, too: the card says so at once."""
    bot.service.members = bot.people.members
    members(bot)
    value = asked(bot, "run grouped i-0abc")
    bot.click(APPROVE, value, bot.sam)

    assert "nobody can answer" in json.dumps(bot.card())
    untouched(bot)


@pytest.mark.parametrize("name", ["Sam Reyes", "Sаm Reyes", "sam", f"<@{KIM}>"])
def test_homograph(bot: Rig, name: str) -> None:
    """A display name that is, or looks like, an approver's: names are never asked."""
    bot.slack.people[bot.max] = {"real_name": name, "name": name, "profile": {"real_name": name, "display_name": name}}
    value = asked(bot)
    bot.click(APPROVE, value, bot.max)

    untouched(bot)


# -- what is written


def test_injection(bot: Rig) -> None:
    """Pings, links and blocks in a parameter are shown as letters: nobody is called, no button appears."""
    evil = '<!everyone> <@U1|x> ```{"type":"actions","elements":[]}``` *Approved* :white_check_mark:'
    bot.command(f"run restart i-0abc Note='{evil}'")
    settle(bot)

    said = json.dumps(bot.slack.messages(), ensure_ascii=False)
    assert "<!everyone" not in said
    assert "<@U1" not in said
    assert set(bot.buttons()) == {APPROVE, REJECT, "stop"}
    untouched(bot)


def test_megabyte(bot: Rig) -> None:
    """A form with a megabyte in a field is turned away at the door; one just below it is cut, and rejects once."""
    value = asked(bot)
    bot.click(REJECT, value, bot.sam)
    (view,) = bot.opened()
    too_large = bot.submit(view, {"reason": "x" * 1_000_001}, bot.sam)
    assert too_large.status == 413
    untouched(bot)

    bot.submit(view, {"reason": "y" * 900_000}, bot.sam)
    settle(bot)
    (decision,) = bot.newest().approvals[0].decisions
    assert len(decision.comment) <= 3000
    assert bot.newest().status == "Failed"


# -- at once

REQUESTS, CLICKS = 50, 10


def test_race(bots: tuple[Rig, Rig]) -> None:
    """Ten clicks on each of fifty questions, through two processes at once: fifty decisions, fifty signals."""
    for number in range(REQUESTS):
        assert bots[0].command(f"run restart i-{number:04x}").status == 200
    bots[0].settle()
    values = [each.id for each in bots[0].service.queries.open_approvals()]
    clicks = [(turn, value) for turn in range(CLICKS) for value in values]

    def click(one: tuple[int, str]) -> int:
        turn, value = one
        bot = bots[turn % 2]
        return bot.click(APPROVE, value, (bot.sam, KIM)[turn // 2 % 2]).status

    with ThreadPoolExecutor(12) as pool:
        answers = set(pool.map(click, clicks))
    settle(bots[0])

    count = Counter(bots[0].events())
    assert (len(values), answers) == (REQUESTS, {200})
    assert count["approval.decided"] == count["approval.concluded"] == count["signal.received"] == REQUESTS


def test_late(bots: tuple[Rig, Rig]) -> None:
    """A button that was pressed too late, in another process: told privately, noted, nothing changed."""
    value = asked(bots[0])
    bots[0].click(APPROVE, value, bots[0].sam)
    settle(bots[0])
    bots[1].click(APPROVE, value, KIM)
    bots[1].click(REJECT, value, KIM)

    assert all("decided already" in said for said in bots[1].whispers())
    assert bots[0].events().count("approval.decided") == 1


def test_the_tables_are_these_files() -> None:
    """Each attempt of docs/attacks.md is a test here or beside, with its sentence, and the other way round."""
    rows = re.findall(r"(?m)^\| `(\w+)` \| (.+?) \|$", ATTACKS.read_text(encoding="utf-8"))
    tests = {
        name.removeprefix("test_"): (test.__doc__ or "").strip()
        for name, test in (*vars(test_attacks_on_installing).items(), *globals().items())
        if name.startswith("test_") and callable(test) and name != "test_the_tables_are_these_files"
    }

    assert dict(rows) == tests
