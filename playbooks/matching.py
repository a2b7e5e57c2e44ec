"""Which playbooks an alarm concerns, and why. Pure."""

from collections.abc import Iterable
from fnmatch import fnmatchcase

from playbooks.alarm import Alarm
from playbooks.playbook import AlarmTrigger, Playbook

Finding = tuple[str, bool, str]
"""(the rule in words, whether it matched, what was found instead)."""


def explain(trigger: AlarmTrigger, alarm: Alarm) -> list[Finding]:
    """Every rule of the trigger and whether the alarm meets it."""
    found: list[Finding] = [
        (f"alarm name like {trigger.name}", fnmatchcase(alarm.name, trigger.name), alarm.name),
        (f"state {' or '.join(trigger.states)}", alarm.state in trigger.states, alarm.state),
    ]
    if (trigger.namespace, trigger.metric) != ("*", "*"):
        found.append(_metric(trigger, alarm))
    for name, pattern in trigger.dimensions.items():
        value = alarm.dimensions.get(name, "")
        found.append((f"dimension {name} like {pattern}", bool(value) and fnmatchcase(value, pattern), value))
    for name, pattern in trigger.tags.items():
        value = alarm.tags.get(name, "")
        found.append((f"tag {name} like {pattern}", bool(value) and fnmatchcase(value, pattern), value))
    if trigger.accounts:
        found.append((f"account {' or '.join(trigger.accounts)}", alarm.account in trigger.accounts, alarm.account))
    if trigger.regions:
        found.append((f"Region {' or '.join(trigger.regions)}", alarm.region in trigger.regions, alarm.region))
    return found


def _metric(trigger: AlarmTrigger, alarm: Alarm) -> Finding:
    """One metric of the alarm must have both, the namespace and the name: two halves make no whole."""
    looked_at = [metric for metric in alarm.metrics if metric.namespace]
    is_met = any(
        fnmatchcase(metric.namespace, trigger.namespace) and fnmatchcase(metric.name, trigger.metric)
        for metric in looked_at
    )
    found = ", ".join(f"{metric.namespace} {metric.name}" for metric in looked_at)
    return f"a metric like {trigger.namespace} {trigger.metric}", is_met, found


def matching(playbooks: Iterable[Playbook], alarm: Alarm) -> tuple[Playbook, ...]:
    """The playbooks whose trigger the alarm meets, most specific first."""
    found = [
        playbook
        for playbook in playbooks
        if playbook.trigger is not None and all(matched for _, matched, _ in explain(playbook.trigger, alarm))
    ]
    return tuple(sorted(found, key=lambda playbook: (-specificity(playbook.trigger), playbook.name)))


def specificity(trigger: AlarmTrigger | None) -> int:
    """How narrow a trigger is: literal letters of the name count, and every further rule."""
    if trigger is None:
        return 0
    literal = sum(letter not in "*?[]" for letter in trigger.name)
    rules = [trigger.namespace != "*", trigger.metric != "*", bool(trigger.accounts), bool(trigger.regions)]
    return literal + 10 * (sum(rules) + len(trigger.dimensions) + len(trigger.tags))
