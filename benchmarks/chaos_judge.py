"""What must be true after the chaos: nothing lost, nothing twice, no story that cannot be."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from audit.trail import Entry

EFFECTS = ("launch", "stop", "start", "tell", "end")
"""Steps with a side effect, each of which happens once to each execution."""
LIVING = ("step.", "execution.", "signal.")


@dataclass
class Verdict:
    """What was found; empty lists are good news."""

    lost: list[str] = field(default_factory=list)
    repeated: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    illegal: list[str] = field(default_factory=list)
    chain: str = ""
    events: int = 0
    recovered: int = 0

    @property
    def is_good(self) -> bool:
        """Whether everything is as if nothing had happened."""
        return not (self.lost or self.repeated or self.missing or self.illegal or self.chain)


def judge(statuses: dict[str, str], effects: Counter[tuple[str, str]], trail: Iterable[Entry], chain: str) -> Verdict:
    """Compare rows, ledger and trail."""
    verdict = Verdict(chain=chain)
    verdict.lost = [f"{identity} is {status}" for identity, status in statuses.items() if status != "Success"]
    for identity in statuses:
        for step in EFFECTS:
            count = effects.get((identity, step), 0)
            if count > 1:
                verdict.repeated.append(f"{identity} {step} {count} times")
            elif not count:
                verdict.missing.append(f"{identity} {step}")
    stories: dict[str, list[Entry]] = defaultdict(list)
    for entry in trail:
        verdict.events += 1
        verdict.recovered += entry.event.name == "step.recovered"
        stories[entry.event.subject].append(entry)
    for identity in statuses:
        verdict.illegal += [f"{identity}: {what}" for what in illegal(stories[identity])]
    return verdict


def illegal(story: Sequence[Entry]) -> list[str]:
    """What cannot follow what came before it in one execution's story."""
    found: list[str] = []
    step: str | None = None
    seen: Counter[str] = Counter()
    for entry in story:
        name, about = entry.event.name, str(entry.event.data.get("step", ""))
        is_living = name.startswith(LIVING)
        if not seen and name != "execution.started":
            found.append(f"begins with {name}")
        if is_living and seen["execution.ended"]:
            found.append(f"{name} after the end")
        if name == "execution.started" and seen:
            found.append("started twice")
        if name == "step.started":
            if step is not None:
                found.append(f"{about} started while {step} runs")
            step = about
            seen[f"step {about}"] += 1
        elif name in ("step.ended", "step.waiting", "step.recovered", "step.retried") and about != step:
            found.append(f"{name} of {about} while {step} runs")
        if name == "step.ended":
            step = None
        if name == "approval.decided" and not seen["approval.asked"]:
            found.append("decided before it was asked")
        if name == "approval.concluded" and not seen["approval.decided"]:
            found.append("concluded before it was decided")
        seen[name] += 1
    once = [name for name in seen if name.startswith(("step ", "approval.")) or name == "execution.ended"]
    found += [f"{name} {seen[name]} times" for name in once if seen[name] > 1]
    return found
