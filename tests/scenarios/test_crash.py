"""Killed at any moment, the bot loses nothing, repeats no side effect, and leaves no card lying."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.postgres import PostgresServer
from tests.scenarios.crash import EFFECTS, EXECUTIONS

KILLS = 55
SEED = int(os.environ.get("PLAYBOOK_BOT_CRASH_SEED", "20261124"))
"""The same chances every time; another one looks elsewhere."""


def crashed(folder: Path, kills: int, *database: str) -> dict[str, Any]:
    """Have the bot killed so often; what was found in the end."""
    command = [sys.executable, "-m", "tests.scenarios.crash", str(folder), str(kills), str(SEED), *database]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert ran.returncode == 0, ran.stderr
    sys.stdout.write(f"seed {SEED}\n")
    found: dict[str, Any] = json.loads(ran.stdout)
    return found


def check(found: dict[str, Any]) -> None:
    """Nothing lost, nothing twice, nothing lying about; every failure shows the seed."""
    seed = f"seed {SEED}"
    assert found["statuses"] == {"Success": EXECUTIONS}, seed
    assert found["effects"] == found["distinct_effects"] == EXECUTIONS * len(EFFECTS), seed
    assert (found["alarms"], found["asked"], found["decisions"]) == (EXECUTIONS, EXECUTIONS, EXECUTIONS), seed
    assert found["chain"], seed
    tops = [message for message in found["messages"] if not message.get("thread_ts")]
    cards = Counter(message["blocks"][0]["block_id"] for message in tops if _is_card(message))
    assert cards == Counter(f"card:{execution_id}" for execution_id in found["ids"]), seed
    for card in filter(_is_card, tops):
        assert "Success" in str(card["blocks"]), seed
        assert not [block for block in card["blocks"] if block["type"] == "actions"], seed
    below = Counter((message["thread_ts"], message["text"]) for message in found["messages"] if _is_once(message))
    assert not [text for text, times in below.items() if times > 1], seed


def _is_card(message: dict[str, Any]) -> bool:
    return str((message.get("blocks") or [{}])[0].get("block_id", "")).startswith("card:")


def _is_once(message: dict[str, Any]) -> bool:
    """Answers below a card; only a click that came too late may be told as often as it was made."""
    return bool(message.get("thread_ts")) and "already" not in message["text"]


def test_many_kills_lose_nothing_and_repeat_nothing(tmp_path: Path) -> None:
    """After 55 SIGKILLs every run ended well, each effect, question, answer and card is there once, all is told."""
    found = crashed(tmp_path, KILLS)

    check(found)
    assert found["starts"] > 10
    assert found["clicks"] >= EXECUTIONS
    notices = [message["text"] for message in found["messages"] if "am back" in message["text"]]
    assert notices
    assert all("taken up again" in text for text in notices)


def test_kills_on_postgresql(tmp_path: Path, postgres_server: PostgresServer) -> None:
    """The same with rows on a server that lives on, holding the dead process's locks for a moment."""
    with postgres_server.database() as url:
        found = crashed(tmp_path, 15, url)

    check(found)


@pytest.mark.parametrize("kills", [0])
def test_without_kills_nothing_is_recovered(tmp_path: Path, kills: int) -> None:
    """The judge itself is right: nobody killed, nothing recovered, no word of having been away."""
    found = crashed(tmp_path, kills)

    check(found)
    assert (found["recovered"], found["starts"]) == (0, 1)
    assert not [message for message in found["messages"] if "am back" in message["text"]]
