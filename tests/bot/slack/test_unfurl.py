"""Links to executions are shown below the messages that carry them."""

import json
from typing import Any

import pytest

from bot.slack.blocks.unfurl import unfurled
from bot.slack.unfurl import execution_in
from tests.bot.slack.blocks import facts as f
from tests.bot.slack.blocks.foreign import check_message
from tests.bot.slack.rig import Rig

CONSOLE = "https://eu-west-1.console.aws.amazon.com/systems-manager/automation/execution/"


def share(rig: Rig, *urls: str, body: dict[str, Any] | None = None, **fields: Any) -> None:
    """Somebody writes a message with links."""
    links = [{"url": url, "domain": "x"} for url in urls]
    usual = {"channel": rig.slack.identity.channel, "message_ts": "9000.1", "user": rig.lee, "links": links}
    sent = rig.event_body("link_shared", **{**usual, **fields})
    rig.post(json.dumps({**sent, **(body or {})}).encode(), content_type="application/json")
    rig.door.workbench.pump()


def test_a_link_to_an_execution_is_shown(rig: Rig) -> None:
    """State, resource and the way to its card; what is not known stays a link."""
    facts = rig.started()
    url, other = f"{CONSOLE}{facts.id}?region=eu-west-1", f"{CONSOLE}00000000-0000-4000-8000-000000000000"
    share(rig, url, other, "https://eu-west-1.console.aws.amazon.com/ec2")

    [call] = rig.slack.called("chat.unfurl")
    assert list(call["unfurls"]) == [url]
    assert "waiting for people" in json.dumps(call["unfurls"])
    assert (call["channel"], call["ts"]) == (rig.slack.identity.channel, "9000.1")


def test_a_message_that_is_being_written_is_shown_too(rig: Rig) -> None:
    """Slack names those by an id of their own."""
    facts = rig.started()
    share(rig, f"{CONSOLE}{facts.id}", unfurl_id="u1", source="composer", channel="COMPOSER")

    [call] = rig.slack.called("chat.unfurl")
    assert (call["unfurl_id"], call["source"]) == ("u1", "composer")
    assert "channel" not in call


def test_nothing_is_shown_to_other_companies(rig: Rig) -> None:
    """In a channel that is shared with others the link stays a link."""
    facts = rig.started()
    share(rig, f"{CONSOLE}{facts.id}", body={"is_ext_shared_channel": True})

    assert rig.slack.called("chat.unfurl") == []


def test_nothing_is_shown_for_whoever_may_do_nothing(rig: Rig) -> None:
    """A link does not tell more than its writer may see."""
    facts = rig.started()
    rig.slack.people[rig.max] = {"deleted": True}
    share(rig, f"{CONSOLE}{facts.id}", user=rig.max)
    share(rig, f"{CONSOLE}{facts.id}", user="")

    assert rig.slack.called("chat.unfurl") == []


@pytest.mark.parametrize(
    "links", [None, "x", [None], [{"url": 7}], [{}], [{"url": "https://["}], [{"url": "https://x/executions/y"}]]
)
def test_links_of_any_shape_break_nothing(rig: Rig, links: object) -> None:
    """What names no execution is left alone."""
    share(rig, links=links)

    assert rig.slack.called("chat.unfurl") == []


def test_addresses_that_name_an_execution() -> None:
    """AWS's console in any Region, old and new, and nobody else's address."""
    known = f.EXECUTION
    base = "console.aws.amazon.com/systems-manager/automation/execution"

    assert execution_in(f"https://{base}/{known}?region=x") == known
    assert execution_in(f"https://{base}#/automation/execution/{known}") == known
    assert execution_in(f"https://eu-west-1.{base}/{known}") == known
    assert execution_in(f"https://example.com/{base}/{known}") == ""
    assert execution_in(f"https://not{base}/{known}") == ""
    assert execution_in(f"https://{base}/1234") == ""


@pytest.mark.parametrize("link", ["", "https://example.slack.com/archives/C1/p1"])
def test_what_is_shown_is_within_slacks_limits(link: str) -> None:
    """With and without a card to lead to, waiting, failed, and with foreign text in it."""
    for facts in (
        f.execution(),
        f.answered("Failed", failure_message=f.EVIL),
        f.execution(title=f.EVIL, approval=f.approval(message=f.EVIL)),
    ):
        blocks = unfurled(facts, link)
        check_message(blocks)
        assert "<!channel" not in json.dumps(blocks)
        assert all(block["type"] != "actions" for block in blocks)
