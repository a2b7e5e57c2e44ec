"""The slash command and the forms, through the signed door."""

import json

import pytest

from tests.bot.slack.rig import Rig


def test_help_names_every_verb(rig: Rig) -> None:
    """Nothing typed, or help, tells what there is, privately."""
    answers = [rig.command(""), rig.command("help")]

    for answer in answers:
        assert answer.json["response_type"] == "ephemeral"
        for verb in ("list", "run NAME", "status", "approvals", "stop ID", "audit ID", "whoami"):
            assert f"/playbook {verb}" in answer.text


def test_list_shows_what_this_person_may_run(rig: Rig) -> None:
    """Everybody sees their own playbooks, and no others."""
    assert "Restart it" in rig.command("list").text
    assert "Restart it" not in rig.command("list", rig.max).text
    assert "A nap" in rig.command("list", rig.max).text


def test_run_starts_and_the_card_follows(rig: Rig) -> None:
    """All parameters given: one execution, one card with the question, and a call to those who may answer."""
    answer = rig.command("run restart InstanceId=i-0abc Note=slow")
    rig.settle()

    facts = rig.newest()
    assert answer.text.startswith(f"Started *Restart it* `{facts.id[:8]}`.")
    assert facts.parameters["Note"] == "slow"
    card, call = rig.slack.messages()
    assert card["blocks"][0]["block_id"] == f"card:{facts.id}"
    assert "*Restart i-0abc:* slow" in json.dumps(card)
    assert f"<@{rig.sam}>" in call["text"]
    assert call["thread_ts"] == card["ts"]


def test_a_word_fills_the_parameter_that_is_missing(rig: Rig) -> None:
    """`run NAME VALUE` is enough where one parameter is required."""
    rig.command("run restart i-0abc")

    assert rig.newest().parameters["InstanceId"] == "i-0abc"


def test_a_word_too_many_is_not_swallowed(rig: Rig) -> None:
    """What nobody can place starts nothing."""
    answer = rig.command("run restart i-0abc now please")

    assert "I do not know what `now` is" in answer.text
    assert rig.count() == 0


def test_missing_parameters_open_a_form(rig: Rig) -> None:
    """The form has the runbook's parameters, their defaults and descriptions, and no errors yet."""
    answer = rig.command("run restart Note=slow")

    [view] = rig.opened()
    inputs = {block["label"]["text"]: block for block in view["blocks"] if block["type"] == "input"}
    assert answer.content == b""
    assert list(inputs) == ["InstanceId", "Note", "Size", "How"]
    assert inputs["Note"]["element"]["initial_value"] == "slow"
    assert inputs["Size"]["element"]["initial_option"]["value"] == "small"
    assert not inputs["InstanceId"]["optional"]
    assert ":warning:" not in json.dumps(view)
    assert rig.count() == 0


def test_a_wrong_parameter_is_said_in_the_form(rig: Rig) -> None:
    """A value that breaks its pattern stands in the form with what is wrong about it."""
    rig.command("run restart InstanceId=web-1")

    [view] = rig.opened()
    assert "InstanceId" in json.dumps([block for block in view["blocks"] if block["block_id"] == "errors"])
    assert "web-1" in json.dumps(view["blocks"])


def test_a_form_that_is_filled_in_starts(rig: Rig) -> None:
    """What comes back from the form starts the playbook once, however often it is sent."""
    rig.command("run restart")
    [view] = rig.opened()
    values = {"p:InstanceId": "i-0abc", "p:Size": {"value": "large", "text": {}}}

    first = rig.submit(view, values, id="V1")
    second = rig.submit(view, values, id="V1")

    assert (first.status, first.content, second.content) == (200, b"", b"")
    assert rig.count() == 1
    assert (rig.newest().parameters["InstanceId"], rig.newest().parameters["Size"]) == ("i-0abc", "large")


def test_errors_stand_beside_their_fields(rig: Rig) -> None:
    """A wrong value keeps the form open, and its sentence is plain text beside the field."""
    rig.command("run restart")
    [view] = rig.opened()

    answer = rig.submit(view, {"p:InstanceId": "<!channel>"})

    assert list(answer.errors) == ["p:InstanceId"]
    assert "&lt;" not in answer.errors["p:InstanceId"]
    assert rig.count() == 0


def test_the_region_typed_is_the_region_run_in_even_through_the_form(rig: Rig) -> None:
    """`region=` is not forgotten where a form opens for what is missing."""
    rig.command("run restart region=us-east-1")
    [view] = rig.opened()
    rig.submit(view, {"p:InstanceId": "i-0abc"})

    assert rig.newest().region == "us-east-1"
    assert "us-east-1" in json.dumps(view["blocks"])


def test_a_region_that_is_not_allowed_is_refused(rig: Rig) -> None:
    """A Region outside of the settings starts nothing."""
    assert "Region `mars-1` is not one of" in rig.command("run restart i-0abc region=mars-1").text
    assert rig.count() == 0


def test_a_typo_gets_a_suggestion(rig: Rig) -> None:
    """Verbs and names that are nearly right are recognised; nothing is started by guessing."""
    assert "Did you mean `/playbook status`?" in rig.command("stauts").text
    assert "Did you mean `restart`?" in rig.command("run restrat i-0abc").text
    assert "Try `/playbook help`" in rig.command("xyzzy").text
    assert rig.count() == 0


def test_smart_quotes_are_quotes(rig: Rig) -> None:
    """A phone's quotation marks hold a value together."""
    rig.command("run restart i-0abc Note=“it’s slow, again”")

    assert rig.newest().parameters["Note"] == "it’s slow, again"


def test_an_open_quote_starts_nothing(rig: Rig) -> None:
    """A line that cannot be read without guessing is answered with what is wrong."""
    assert "A quotation mark is open" in rig.command('run restart i-0abc Note="slow').text
    assert rig.count() == 0


@pytest.mark.parametrize("text", ["<!channel>", "<!here|here>", "<@U01> <!everyone>", "&lt;!channel&gt;"])
def test_a_mention_in_a_parameter_pings_nobody(rig: Rig, text: str) -> None:
    """Whatever is typed, no message of the bot carries a mention of everybody."""
    rig.command(f'run restart i-0abc Note="{text}"')
    rig.settle()

    assert rig.count() == 1
    for message in rig.slack.messages():
        for mention in ("<!channel", "<!here", "<!everyone", "<@U01>"):
            assert mention not in json.dumps(message)


def test_answers_ping_nobody_either(rig: Rig) -> None:
    """What is repeated to the one who typed it is escaped as well."""
    for text in ("run &lt;!channel&gt;", "&lt;!channel&gt;", "status &lt;!here&gt;x", "run restart a &lt;!here&gt;"):
        answer = rig.command(text)
        assert "<!" not in answer.content.decode()


def test_whoever_may_not_run_is_told_so_and_it_is_noted(rig: Rig) -> None:
    """No form opens for a playbook one may not start."""
    answer = rig.command("run restart", rig.max)

    assert answer.text == "You may not run `restart`."
    assert rig.opened() == []
    assert "access.refused" in rig.events()


def test_the_same_command_twice_is_one_execution(rig: Rig) -> None:
    """Slack's retry and somebody's replay start nothing twice."""
    fields = {"trigger_id": "1.2.x"}
    rig.command("run nap", **fields)
    again = rig.command("run nap", **fields)

    assert rig.count() == 1
    assert again.text == "This request was seen before; nothing was done again."


def test_status_links_to_the_card(rig: Rig) -> None:
    """One execution by the beginning of its id, or what runs now, each with the address of its card."""
    facts = rig.started()
    link = f"archives/{rig.slack.identity.channel}/p{rig.card()['ts'].replace('.', '')}"

    for text in ("status", f"status {facts.id[:8]}"):
        answer = rig.command(text).text
        assert link in answer
        assert "waiting for people" in answer
    assert "There is no execution `ffff0000`." in rig.command("status ffff0000").text
    assert "too short" in rig.command("status ff").text


def test_approvals_shows_what_waits(rig: Rig) -> None:
    """Open questions with who may answer."""
    assert rig.command("approvals").text == "Nothing waits for an answer."
    rig.started()

    answer = rig.command("approvals").text
    assert "Restart i-0abc" in answer
    assert f"<@{rig.sam}>" in answer


def test_stop_stops(rig: Rig) -> None:
    """The one who started it may stop it; the card says by whom; a second time there is nothing to stop."""
    facts = rig.started()

    assert "is asked to stop" in rig.command(f"stop {facts.id[:8]}").text
    rig.settle()
    rig.service.clock()
    assert rig.newest().status == "Cancelled"
    assert "over already" in rig.command(f"stop {facts.id[:8]}").text
    assert "Say which one" in rig.command("stop").text


def test_stop_is_not_for_everybody(rig: Rig) -> None:
    """Somebody on no list of the playbook stops nothing."""
    facts = rig.started()

    assert rig.command(f"stop {facts.id[:8]}", rig.max).text == "You may not stop this execution."
    assert rig.newest().status == "Waiting"


def test_audit_tells_the_story(rig: Rig) -> None:
    """Who did what, in order, with the hash it can be checked against."""
    facts = rig.started()

    answer = rig.command(f"audit {facts.id[:8]}")
    told = json.dumps(answer.json["blocks"])
    assert "asked for 1 approval" in told
    assert "hash" in told
    assert "Say which one" in rig.command("audit").text


def test_whoami_says_how_lists_may_name_me(rig: Rig) -> None:
    """The person of the settings behind the Slack user."""
    answer = rig.command("whoami").text

    assert "`person:lee`" in answer
    assert "a full member" in answer


def test_resume_goes_on_from_a_pause(rig: Rig) -> None:
    """The verb resumes whatever pause is open; where none is, it says so."""
    facts = rig.started("run pausing")
    assert "goes on" in rig.command(f"resume {facts.id[:8]}").text
    other = rig.started("run nap")

    assert "Nothing to resume" in rig.command(f"resume {other.id[:8]}").text


def test_without_a_form_the_problems_are_said(rig: Rig) -> None:
    """A trigger that is too old opens nothing: the answer says what is missing instead."""
    answer = rig.command("run restart", trigger_id="1.9.unknown")

    assert "InstanceId" in answer.text
    assert "No form could be opened" in answer.text


def test_a_form_with_somebody_elses_metadata_starts_nothing(rig: Rig) -> None:
    """What a form carries is checked when it comes back, never believed."""
    rig.command("run restart")
    [view] = rig.opened()
    for metadata in ("{not json", "[]", json.dumps({"playbook": "<!channel>"}), ""):
        answer = rig.submit({**view, "private_metadata": metadata}, {"p:InstanceId": "i-0abc"})
        assert "There is no playbook" in answer.errors["p:InstanceId"]

    refused = rig.submit(view, {"p:InstanceId": "i-0abc"}, rig.max)
    assert refused.errors == {"p:InstanceId": "You may not run `restart`."}
    assert rig.count() == 0
