"""The bot under load, a process behind signed HTTP before a Slack with Slack's limits; and whether all is right then.

- clicks: 200 open questions, 20 clicks a second; racing, repeated and refused ones among them
- storm: 1,000 alarms in 10 s by SNS, a fifth of which start something by itself
- away: Slack is away for 5 minutes while alarms come and runs go on

    python -m benchmarks.load [--part clicks|storm|away] [--seconds 60] [--rate 20] [--open 200] [--seed N]

The seed is printed; a run whose result is wrong ends with status 1. The clicks' cards take minutes to come right, for
Slack takes 50 edits a minute.
"""

import argparse
import json
import random
import statistics
import sys
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from sqlalchemy import select

from approvals.request import ApprovalRequest
from benchmarks import load_judge as judge
from benchmarks.load_world import Body, Heard, Knock, Once, World, world
from playbooks.store import AlarmRecord, alarm_table

APPROVERS = ("sam", "kim", "ada")
CHANNELS = 10
"""The questions stand in so many channels: one takes about a post a second, so that 200 cards take a while."""
STORM_LIMIT = 60
"""Writes a minute to one channel that a storm may cause."""


@dataclass
class Report:
    """What was measured, and what is wrong."""

    figures: dict[str, Any] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    def must(self, found: Sequence[object], what: str) -> None:
        """Nothing may have been found."""
        if found:
            self.wrong.append(f"{what}: {len(found)}, such as {found[0]}")


# -- clicks


Beats = Sequence[Sequence[tuple[str, Body]]]


@dataclass(frozen=True, slots=True)
class Story:
    """What happens to one question: requests in order, some at the same moment, and how it must end."""

    beats: Beats
    """Each beat is what happens at one moment: (kind, body)."""
    status: str
    decisions: int
    refused: int
    """Clicks that the trail must name as refused."""


def race(world: World, value: str, chance: random.Random) -> Story:
    """Three agree at the same moment where two are asked for; then come those who are late or never asked."""
    order = chance.sample(APPROVERS, 3)
    beats: list[list[tuple[str, Body]]] = [[("race", world.click("approve", value, name)) for name in order]]
    beats += [[("refused", world.click("approve", value, name))] for name in ("max", "lee", order[0])]
    return Story(beats, "Approved", 2, 4)


def repeat(world: World, value: str, chance: random.Random) -> Story:
    """One click arrives three times, one is pressed again; then the second person agrees."""
    first, second, _ = chance.sample(APPROVERS, 3)
    click = Once(world.click("approve", value, first))
    beats: list[list[tuple[str, Body]]] = [[("approve", click), ("repeated", click)], [("repeated", click)]]
    beats += [[("refused", world.click("approve", value, first))], [("approve", world.click("approve", value, second))]]
    return Story(beats, "Approved", 2, 1)


def reject(world: World, value: str, chance: random.Random) -> Story:
    """One agrees, another rejects with a reason; a third is too late."""
    first, second, third = chance.sample(APPROVERS, 3)
    beats: list[list[tuple[str, Body]]] = [
        [("approve", world.click("approve", value, first))],
        [("form", world.click("reject", value, second))],
    ]
    beats += [[("reason", world.reason(value, "not tonight", second))]]
    beats += [[("refused", world.click("approve", value, name))] for name in (third, "max")]
    return Story(beats, "Rejected", 2, 2)


def refuse(world: World, value: str, chance: random.Random) -> Story:
    """Only people who may not: it stays open."""
    who = [chance.choice(("max", "lee")) for _ in range(5)]
    return Story([[("refused", world.click("approve", value, name))] for name in who], "Waiting", 0, 5)


STORIES: tuple[Callable[[World, str, random.Random], Story], ...] = (race, repeat, reject, refuse, race, repeat)


def clicks(world: World, chance: random.Random, *, questions: int, rate: float, seconds: float) -> Report:
    """Open questions, then clicks at a rate, then the end."""
    report = Report()
    asked = ask(world, questions)
    report.figures["seconds_until_cards_stand"] = round(world.settle(30 + 5 * questions), 1)
    stories = {each.id: chance.choice(STORIES)(world, each.id, chance) for each in asked}
    knocks = spread(list(stories.values()), rate, seconds, chance)
    # Whoever finds nothing to click any more asks how it stands.
    idle = max(0, int(rate * seconds) - len(knocks))
    at = sorted(chance.uniform(0, seconds) for _ in range(idle))
    knocks += [Knock(moment, "command", "/slack/events", world.command("status")) for moment in at]
    heard = world.send(sorted(knocks, key=lambda knock: knock.at))
    report.figures |= {"requests": len(heard), "ack": figures(heard)}
    report.figures["seconds_until_right"] = round(world.settle(60 + 10 * questions), 1)
    report.must([each for each in heard if each.status != 200], "requests not answered with 200")
    judge_clicks(world, stories, report)
    judge_slack(world, report)
    return report


def ask(world: World, count: int) -> list[ApprovalRequest]:
    """So many open questions, each asked by a command."""
    channels = [f"C1{number:08d}" for number in range(min(CHANNELS, count))]
    bodies = [world.command("run gate", channel=channels[number % len(channels)]) for number in range(count)]
    world.send([Knock(number / 25, "run", "/slack/events", body) for number, body in enumerate(bodies)])
    until = time.monotonic() + 60
    while time.monotonic() < until:
        with world.service.db.reading() as connection:
            found = world.service.approvals.open(connection, limit=count)
        if len(found) == count:
            return found
        time.sleep(0.2)
    raise TimeoutError(f"only {len(found)} of {count} questions were asked")


def spread(stories: Sequence[Story], rate: float, seconds: float, chance: random.Random) -> list[Knock]:
    """The stories' beats at a fixed rate, each story in its order."""
    order = [number for number, story in enumerate(stories) for _ in story.beats]
    chance.shuffle(order)
    told, found, at = dict.fromkeys(range(len(stories)), 0), [], 0.0
    step = seconds / max(1, sum(len(beat) for story in stories for beat in story.beats))
    for number in order:
        beat = stories[number].beats[told[number]]
        told[number] += 1
        found += [Knock(at, kind, "/slack/events", body) for kind, body in beat]
        at += max(step, 1 / rate) * len(beat)
    return found


def judge_clicks(world: World, stories: Mapping[str, Story], report: Report) -> None:
    """Every question has ended as its story says, and the trail has every click once."""
    events = judge.trail(world)
    with world.service.db.reading() as connection:
        found = {key: world.service.approvals.get(connection, key) for key in stories}
    wrong = []
    for key, story in stories.items():
        request = found[key]
        assert request is not None
        told = told_of(events, request.execution_id)
        seen = (str(request.status), len({each.actor.id for each in request.decisions}), told["approval.refused"])
        if seen != (story.status, story.decisions, story.refused) or len(request.decisions) != story.decisions:
            wrong.append(f"{key}: {seen} instead of {(story.status, story.decisions, story.refused)}")
        if told["approval.decided"] != story.decisions or told["signal.received"] > story.decisions:
            wrong.append(f"{key}: {told['approval.decided']} decisions, {told['signal.received']} signals in the trail")
        status = world.service.queries.execution(request.execution_id).status
        if status != {"Approved": "Success", "Rejected": "Failed", "Waiting": "Waiting"}[story.status]:
            wrong.append(f"{key}: its run is {status}")
    report.must(wrong, "questions that ended otherwise")


def told_of(events: Mapping[tuple[str, str], int], subject: str) -> Mapping[str, int]:
    """How often the trail tells of an answer to an execution."""
    names = {"approval.refused", "approval.decided", "signal.received"}
    return {name: events.get((subject, name), 0) for name in names}


# -- storm


@dataclass(frozen=True, slots=True)
class Fired:
    """An alarm that was sent."""

    name: str
    metric: str
    host: str


def firing(count: int, chance: random.Random) -> list[Fired]:
    """Alarms by chance: a fifth start something by itself, on so few hosts that the budget stops most."""
    found = []
    for number in range(count):
        metric = chance.choices(("HostDown", "DiskFull", "Unmatched"), (20, 70, 10))[0]
        found.append(Fired(f"load-{number:05d}", metric, f"host-{chance.randrange(max(2, count // 10))}"))
    return found


def sent(world: World, alarms: Sequence[Fired], seconds: float) -> list[Heard]:
    """Have SNS send them, evenly."""
    bodies = [world.alarm(each.name, each.metric, each.host) for each in alarms]
    pace = seconds / max(1, len(bodies))
    knocks = [
        Knock(number * pace, "alarm", "/sns", partial(str, body), is_signed=False) for number, body in enumerate(bodies)
    ]
    return world.send(knocks)


def storm(world: World, chance: random.Random, *, alarms: int, seconds: float) -> Report:
    """Very many alarms at once."""
    report = Report()
    fired = firing(alarms, chance)
    heard = sent(world, fired, seconds)
    report.figures |= {"alarms": alarms, "answered": figures(heard), "came_again": world.came_again}
    report.figures["seconds_until_right"] = round(world.settle(120 + alarms), 1)
    report.must([each for each in heard if each.status != 200], "alarms not answered with 200")
    judge_alarms(world, fired, report)
    judge_slack(world, report)
    busiest = world.slack.busiest_minute()
    report.figures["most_writes_to_a_channel_in_a_minute"] = max(busiest.values(), default=0)
    report.must([each for each in busiest.items() if each[1] > STORM_LIMIT], "channels written to too often")
    return report


def judge_alarms(world: World, fired: Sequence[Fired], report: Report) -> None:
    """Every alarm has its row; it started or suggested what it should, and no host was worked on too often."""
    records = {record.alarm.name: record for record in rows(world)}
    lost = [each.name for each in fired if each.name not in records]
    report.must(lost, "alarms without a row")
    verdicts = {"DiskFull": {"suggested"}, "Unmatched": {"recorded"}, "HostDown": {"started", "suggested"}}
    wrong = [
        f"{each.name} ({each.metric}): {records[each.name].verdict}"
        for each in fired
        if each.name in records and records[each.name].verdict not in verdicts[each.metric]
    ]
    report.must(wrong, "alarms that led to something else")
    by_host: dict[str, list[str]] = {}
    for each in fired:
        if each.metric == "HostDown" and each.name in records:
            by_host.setdefault(each.host, []).append(records[each.name].verdict)
    report.must(
        [host for host, found in by_host.items() if found.count("started") != 1], "hosts not started on just once"
    )
    started = [key for record in records.values() for key in record.executions]
    unfinished = [key for key in started if world.service.queries.execution(key).status != "Success"]
    report.must(unfinished, "runs that did not come to their end")
    report.figures |= {"started": len(started), "suggested": sum(r.verdict == "suggested" for r in records.values())}


def rows(world: World) -> list[AlarmRecord]:
    """Every alarm that was recorded."""
    with world.service.db.reading() as connection:
        keys = list(connection.execute(select(alarm_table.c.key)).scalars())
        found = [world.service.alarms.get(connection, key) for key in keys]
    return [each for each in found if each is not None]


# -- away


def away(world: World, chance: random.Random, *, seconds: float, alarms: int) -> Report:
    """Slack goes away; alarms come and runs go on; Slack comes back."""
    report = Report()
    before = firing(max(2, alarms // 20), chance)
    report.must([each for each in sent(world, before, 1.0) if each.status != 200], "alarms not answered with 200")
    world.settle(120 + len(before))
    world.slack.is_away = True
    fired = [Fired(f"away-{uuid.uuid4().hex[:8]}", each.metric, f"away-{each.host}") for each in firing(alarms, chance)]
    heard = sent(world, fired, seconds)
    back = time.time()
    waiting = [each for each in judge.messages(world) if each.state in ("wanted", "doubtful")]
    world.slack.is_away = False
    report.figures |= {"alarms": alarms, "answered": figures(heard), "waiting_when_back": len(waiting)}
    report.figures |= {"calls_while_away": world.slack.broken, "seconds_until_right": round(world.settle(600), 1)}
    report.must([each for each in heard if each.status != 200], "alarms not answered with 200")
    judge_alarms(world, fired, report)
    judge_slack(world, report)
    report.must(judge.wrong_order(world, waiting, back), "messages that overtook a more urgent one")
    often = [key for key, count in judge.edits(world, back).items() if count > 2 and not key.startswith("storm:")]
    report.must(often, "messages edited more than twice after it")
    return report


# -- all


def judge_slack(world: World, report: Report) -> None:
    """Every card shows the facts, none stands there twice, and Slack's refusals were taken in."""
    report.must(judge.wrong_cards(world), "cards that are not right")
    report.must(judge.posted_twice(world), "messages posted twice")
    report.must(world.troubles(), "errors in the log")
    report.figures["answers_429"] = world.slack.limited()
    refused = {f"{method} {error}": n for (method, error), n in world.slack.answered.items() if error != "ok"}
    report.figures["refused_by_slack"] = {name: count for name, count in refused.items() if "ratelimited" not in name}


def figures(heard: Sequence[Heard]) -> dict[str, dict[str, float]]:
    """Median and the slowest in a hundred, of each kind and of all."""
    kinds = {"all": [each.milliseconds for each in heard]}
    for each in heard:
        kinds.setdefault(each.kind, []).append(each.milliseconds)
    return {kind: _figures(values) for kind, values in kinds.items()}


def _figures(milliseconds: Sequence[float]) -> dict[str, float]:
    cuts = statistics.quantiles([*milliseconds, *milliseconds], n=100)
    return {"p50_ms": round(cuts[49], 1), "p99_ms": round(cuts[98], 1), "count": len(milliseconds)}


def table(name: str, report: Report) -> str:
    """A report to read."""
    lines = [name]
    for key, value in report.figures.items():
        if key in ("ack", "answered"):
            lines += [
                f"  {kind:<22} p50 {f['p50_ms']:>8} ms  p99 {f['p99_ms']:>8} ms  of {f['count']}"
                for kind, f in value.items()
            ]
        else:
            lines.append(f"  {key.replace('_', ' '):<40} {value}")
    lines += [f"  WRONG {each}" for each in report.wrong] or ["  everything is right"]
    return "\n".join(lines)


def main() -> None:
    """Run it; a table for people on stderr, one JSON object on stdout."""
    arguments = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    arguments.add_argument("--part", choices=("clicks", "storm", "away"), action="append")
    arguments.add_argument("--seconds", type=float, default=60, help="how long people click")
    arguments.add_argument("--rate", type=float, default=20, help="clicks a second")
    arguments.add_argument("--open", type=int, default=200, help="open questions")
    arguments.add_argument(
        "--alarms", type=int, default=1000, help="alarms of the storm, in a hundredth as many seconds"
    )
    arguments.add_argument("--away", type=float, default=300, help="seconds for which Slack is away")
    arguments.add_argument("--seed", type=int, default=random.randrange(2**31))
    arguments.add_argument("--database", default="", help="a PostgreSQL to use instead of a SQLite of its own")
    given = arguments.parse_args()
    parts: dict[str, Callable[[World, random.Random], Report]] = {
        "clicks": lambda w, c: clicks(w, c, questions=given.open, rate=given.rate, seconds=given.seconds),
        "storm": lambda w, c: storm(w, c, alarms=given.alarms, seconds=given.alarms / 100),
        "away": lambda w, c: away(w, c, seconds=given.away, alarms=max(10, int(given.away))),
    }
    print(f"seed {given.seed}", file=sys.stderr)
    result: dict[str, Any] = {"seed": given.seed}
    for name in given.part or parts:
        with world(database_url=given.database) as found:
            report = parts[name](found, random.Random(f"{name} {given.seed}"))
        print(table(name, report), file=sys.stderr)
        result[name] = {**report.figures, "wrong": report.wrong}
    print(json.dumps(result, indent=2))
    sys.exit(any(result[name]["wrong"] for name in given.part or parts))


if __name__ == "__main__":
    main()
