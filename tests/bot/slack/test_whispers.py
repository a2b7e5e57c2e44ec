"""Private answers: behind the acknowledgement, to one person, as often as it takes and no longer."""

import threading
from datetime import timedelta

import pytest

from bot.slack.whispers import MOST_TRIES, MOST_WAITING, Whispers
from infra.clock import utc_now
from tests.fakes.clock import ManualClock
from tests.fakes.strict_slack import StrictSlack


def test_it_is_said_to_one_person_only() -> None:
    """Ephemeral, and the card it belongs to stays."""
    with StrictSlack(utc_now) as slack:
        whispers = Whispers()
        assert whispers.say(slack.response_url(), "no")
        whispers.pump()

    [said] = slack.whispered
    assert (said["text"], said["response_type"], said["replace_original"]) == ("no", "ephemeral", False)


def test_without_an_address_nothing_is_said() -> None:
    """The App Home has none."""
    assert not Whispers().say(None, "no")
    assert not Whispers().say("http://127.0.0.1:1/", "")


def test_an_address_that_is_used_up_is_left_alone(clock: ManualClock) -> None:
    """Five answers, or thirty minutes, and Slack takes no more."""
    with StrictSlack(clock) as slack:
        whispers, url, late = Whispers(), slack.response_url(), slack.response_url()
        for number in range(7):
            whispers.say(url, str(number))
        whispers.pump()
        clock.advance(timedelta(minutes=31))
        whispers.say(late, "late")
        whispers.pump()

    assert [said["text"] for said in slack.whispered] == ["0", "1", "2", "3", "4"]
    assert whispers.pump() == 0


def test_no_answer_is_tried_a_few_times() -> None:
    """Slack is away: it is said again later, and given up in the end."""
    whispers = Whispers()
    whispers.say("http://127.0.0.1:1/actions/x", "no")
    tries = 0
    while whispers.pump():
        tries += 1

    assert tries == MOST_TRIES


def test_a_full_queue_drops_and_goes_on() -> None:
    """More than anybody could read does not fill the memory."""
    whispers = Whispers()
    said = [whispers.say("http://127.0.0.1:1/", "x") for _ in range(MOST_WAITING + 1)]

    assert said.count(False) == 1


def test_a_defect_does_not_end_the_loop() -> None:
    """One answer that cannot be sent keeps no other."""
    sent: list[str] = []
    stop, done = threading.Event(), threading.Event()

    def send(_url: str, text: str) -> None:
        if text == "bad":
            raise ZeroDivisionError
        sent.append(text)
        done.set()
        raise ZeroDivisionError

    whispers = Whispers(send)  # type: ignore[arg-type]  # it never answers
    whispers.say("u", "bad")
    whispers.say("u", "good")
    loop = threading.Thread(target=whispers.run, args=(stop,))
    loop.start()
    assert done.wait(10)
    stop.set()
    loop.join(10)

    assert sent == ["good"]


@pytest.mark.parametrize("status", [429, 503])
def test_slack_is_left_alone_when_it_asks_for_it(status: int) -> None:
    """A 429's Retry-After, or a second where there is none."""
    from slack_sdk.webhook import WebhookResponse

    headers = {"Retry-After": "7"} if status == 429 else {}
    answer = WebhookResponse(url="u", status_code=status, body="", headers=headers)
    whispers = Whispers(lambda *_: answer)
    whispers.say("u", "no")
    pause = whispers.attempt(whispers._waiting.get_nowait())

    assert pause == (7.0 if status == 429 else 1.0)
    assert whispers._waiting.qsize() == 1
