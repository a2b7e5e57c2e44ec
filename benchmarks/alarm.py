"""From an accepted alarm to its card in the channel, in the demo's world: moto's SNS, the bot, the local workspace.

    python -m benchmarks.alarm [--alarms 20]

`accepted` counts from the commit that recorded the alarm (SNS has its HTTP 200 right after it), `published` from the
call of SNS Publish.
"""

import argparse
import json
import statistics
import time
from datetime import UTC, datetime
from typing import Any

from bot.demo import fleet
from bot.demo.aws import ACCOUNT, HOME_REGION
from bot.demo.window import Window
from bot.demo.world import World

PAUSE_SECONDS = 1.2
"""A channel takes about one post a second (Slack's limit): the alarms come slower than that."""


def message(number: int, instance: str) -> str:
    """A system check that goes red, as CloudWatch tells SNS."""
    now = datetime.now(UTC)
    arn = f"arn:aws:cloudwatch:{HOME_REGION}:{ACCOUNT}:alarm:bench-{number}"
    return json.dumps(
        {
            "AlarmName": f"bench-{number}", "AlarmArn": arn, "AWSAccountId": ACCOUNT, "Region": "US East (N. Virginia)",
            "NewStateValue": "ALARM", "OldStateValue": "OK", "NewStateReason": "Threshold Crossed",
            "StateChangeTime": now.strftime("%Y-%m-%dT%H:%M:%S.%f+0000"),
            "Trigger": {
                "Namespace": "AWS/EC2", "MetricName": "StatusCheckFailed_System",
                "Dimensions": [{"name": "InstanceId", "value": instance}],
            },
        }
    )  # fmt: skip


def measure(world: World, window: Window, number: int, instance: str) -> tuple[float, float]:
    """(ms since accepted, ms since published) of one alarm."""
    channel, name = world.identity.channel, f"bench-{number}"
    published = time.time()
    text = message(number, instance)
    topic = world.fleet.topics[0] if world.fleet else ""
    world.aws.client("sns").publish(TopicArn=topic, Message=text)

    def card() -> float | None:
        return time.time() if any(name in json.dumps(each) for each in window.messages(channel)) else None

    seen = window.wait_for(card, 30, f"the card of {name}")
    with world.service() as service, service.db.reading() as connection:
        entries = [each for each in service.audit.entries(connection) if each.event.data.get("name") == name]
    return (seen - entries[0].at.timestamp()) * 1000, (seen - published) * 1000


def main() -> None:
    """Run it and print one JSON object."""
    arguments = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    arguments.add_argument("--alarms", type=int, default=20)
    given = arguments.parse_args()
    world = World()
    world.start()
    window = Window(world.workspace.page)
    found: list[tuple[float, float]] = []
    try:
        instance = world.fleet.instances[fleet.MACHINES[0].name] if world.fleet else ""
        for number in range(given.alarms):
            found.append(measure(world, window, number, instance))
            time.sleep(PAUSE_SECONDS)
    finally:
        window.close()
        world.stop()
    print(json.dumps({"accepted": _figures([a for a, _ in found]), "published": _figures([p for _, p in found])}))


def _figures(milliseconds: list[float]) -> dict[str, Any]:
    return {
        "p50_ms": round(statistics.median(milliseconds), 1),
        "max_ms": round(max(milliseconds), 1),
        "count": len(milliseconds),
    }


if __name__ == "__main__":
    main()
