"""Calls that left too late, by a process that did not lead any more: whoever leads puts right what they did.

Slack fences nothing. A process that was stopped between its last look at the lease and its call posts a second card
when it wakes, or paints yesterday's buttons over today's end. It writes down what it did; the leader takes the second
post away again, and paints what was painted over.
"""

from datetime import datetime

from sqlalchemy import and_, select, update

from bot.slack.store import DEAD, DETAILS, HOME, SENT, STRAY, WANTED, SlackMessage, insert, message_table, wanted_again
from infra.db import Transaction

_table = message_table.c


def note(tx: Transaction, message: SlackMessage, *, channel: str, ts: str, now: datetime) -> None:
    """A call was answered after its time; `ts` is what it has posted or edited.

    A file that comes too late stays: Slack's answer names no message for it.
    """
    if message.ts or message.kind == HOME:
        stands = and_(_table.key == message.key, _table.state != DEAD)
        tx.execute(update(message_table).where(stands).values(**wanted_again(tx, message.lane, now)))
    elif ts[:1].isdigit():
        row = {
            "key": f"{STRAY}:{ts}:{channel}", "kind": STRAY, "subject": message.key, "channel": channel,
            "team": message.team or None, "thread_key": "", "ts": ts, "state": WANTED, "lane": DETAILS, "wanted": 1,
            "painted": 0, "attempts": 0, "next_at": now, "created_at": now, "text": "",
        }  # fmt: skip
        tx.execute(insert(tx).values(**row).on_conflict_do_nothing())


def is_second(tx: Transaction, stray: SlackMessage) -> bool | None:
    """Whether what should stand there once stands somewhere else; None while that is still being found out."""
    first = tx.execute(select(message_table).where(_table.key == stray.subject)).first()
    if first is None or first.ts:
        return first is None or (first.ts, first.channel) != (stray.ts, stray.channel)
    return None if first.state not in (SENT, DEAD) else True
