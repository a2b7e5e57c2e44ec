"""Who may do what: rules, which of them speak of a wish, and which one decides. Pure.

A wish is allowed when the most specific rule that matches it allows it; where none matches it is refused.
How specific a rule is, is `specificity`: five numbers, the first that differs decides. Between equals a refusal wins.
A rule of the effect `never` refuses whatever the others say. The order of the rules means nothing.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Final, Literal, get_args

from infra.canonical import Json, canonical
from infra.masking import MASK, PLAIN, is_secret_name
from playbooks.people import Identity
from playbooks.playbook import Playbook

Verb = Literal["see", "run", "stop", "resume", "approve", "override", "edit"]
Effect = Literal["allow", "deny", "never"]
VERBS: Final[tuple[Verb, ...]] = get_args(Verb)
EVERYBODY: Final = "everybody"
"""In `who`: whoever a door has verified, guests too; `*` is every full member."""
DOCUMENT: Final = "document:"
"""Before the name of a document that is started through SSM's API, in the place of a playbook's name."""
STARTER: Final = "starter"
"""In `who`: whoever started the execution in question."""
API_KEYS: Final = "api-keys"
"""In `who`: whoever has signed with a key of SSM's API."""
_GROUP: Final = re.compile(r"(?:[TE][A-Z0-9]+/)?S[A-Z0-9]{2,}")
_WORDS: Final[Mapping[Verb, str]] = {
    "see": "see",
    "run": "run",
    "stop": "stop",
    "resume": "resume",
    "approve": "decide about",
    "override": "override a freeze for",
    "edit": "change",
}

Specificity = tuple[tuple[int, int], tuple[int, int], int, int, int]


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. An empty tuple or table means any; `source` is where it stands, for people."""

    source: str
    who: tuple[str, ...]
    may: tuple[Verb, ...] = ()
    effect: Effect = "allow"
    playbooks: tuple[str, ...] = ()
    """Names or globs."""
    parameters: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Parameter -> the values, or globs of them, of which the rule speaks."""
    channels: tuple[str, ...] = ()
    """Ids of the channels in which the wish is said."""
    regions: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()
    ask: str = ""
    """Whom to ask, for those it refuses."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants to do. None = not known yet, or of no matter: it could be anything."""

    verb: Verb
    playbook: str
    parameters: Mapping[str, Json] | None = None
    channel: str | None = None
    region: str | None = None
    account: str | None = None
    is_starter: bool = False
    is_partial: bool = False
    """Parameters that are not among `parameters` are not known yet."""
    secrets: frozenset[str] = frozenset()
    """Parameters of which no reason may tell the value; those that are named like secrets need not be named."""

    def spelled(self, name: str) -> list[str]:
        """A parameter's values as a reason tells them."""
        given = _texts((self.parameters or {}).get(name))
        is_secret = name in self.secrets or is_secret_name(name)
        return [MASK] if given and is_secret else [PLAIN.text(value) for value in given]


@dataclass(frozen=True, slots=True)
class Finding:
    """One rule and what it says of a wish. `why` names the first thing that did not fit, or all that did."""

    rule: Rule
    is_matched: bool
    why: str
    decides: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a wish is allowed, and everything that was looked at."""

    is_allowed: bool
    reason: str
    findings: tuple[Finding, ...]
    ask: str = ""


@dataclass(frozen=True, slots=True)
class Access:
    """The rules that count; `tried` are those of a file that is only being learned from (None = no such file)."""

    rules: tuple[Rule, ...] = ()
    ask: str = ""
    tried: tuple[Rule, ...] | None = None

    def decide(self, wish: Wish, by: Identity) -> Decision:
        """What counts."""
        return decide(self.rules, wish, by, ask=self.ask)

    def allows(self, wish: Wish, by: Identity) -> bool:
        """The same without the reasons: for lists, of which each line is asked about."""
        effects = {rule.effect for rule in self.rules if not _mismatch(rule, wish, by)}
        return effects == {"allow"} if len(effects) < 2 else self.decide(wish, by).is_allowed

    def rehearse(self, wish: Wish, by: Identity) -> Decision | None:
        """What the rules that are tried out would have said; None where there are none."""
        return None if self.tried is None else decide(self.tried, wish, by, ask=self.ask)


def decide(rules: Iterable[Rule], wish: Wish, by: Identity, *, ask: str = "") -> Decision:
    """Weigh every rule; the answer does not depend on their order."""
    looked_at = [(rule, _mismatch(rule, wish, by)) for rule in rules]
    matched = [rule for rule, mismatch in looked_at if not mismatch]
    winner = max(matched, key=lambda rule: _weight(rule, wish, by), default=None)
    findings = tuple(
        Finding(rule, not mismatch, mismatch or _met(rule), decides=rule is winner) for rule, mismatch in looked_at
    )
    is_allowed = winner is not None and winner.effect == "allow"
    whom = "" if is_allowed else (winner.ask if winner else _whom(looked_at, wish)) or ask
    return Decision(is_allowed, _reason(winner, looked_at, wish), findings, whom)


def specificity(rule: Rule, wish: Wish, by: Identity) -> Specificity:
    """How closely a rule that matches speaks of this wish of this person; larger is more specific.

    1. the playbook: by its name, then by the glob with most letters, then any
    2. the parameters: how many are named, then how many of them without a glob
    3. the places: how many of channel, Region and account are named
    4. the person: by themselves, then as a group, then as the starter or `*`, then `everybody`
    5. the verb: named, then any
    """
    exact = sum(all(not _is_glob(value) for value in values) for values in rule.parameters.values())
    return (
        max((_closeness(each) for each in rule.playbooks if fnmatchcase(wish.playbook, each)), default=(0, 0)),
        (len(rule.parameters), exact),
        sum(bool(each) for each in (rule.channels, rule.regions, rule.accounts)),
        max((_nearness(entry, by) for entry in rule.who if _is_meant(entry, wish, by)), default=0),
        int(bool(rule.may)),
    )


def implicit(playbooks: Iterable[Playbook], admins: Sequence[str]) -> tuple[Rule, ...]:
    """What counts without a file: `may_run` and `approvers` of each playbook, and the settings' `admins`."""
    rules = [*standing(admins), Rule("everybody sees what runs", (EVERYBODY,), ("see",))]
    documents = (f"{DOCUMENT}*",)
    rules.append(
        Rule(
            "keys of the API run and change documents",
            (API_KEYS,),
            ("run", "stop", "resume", "edit"),
            playbooks=documents,
        )
    )
    rules.append(Rule("the lists of approvers decide who approves", (EVERYBODY,), ("approve",)))
    for playbook in playbooks:
        name = (playbook.name,)
        rules.append(Rule(f"may_run of {playbook.name}", playbook.may_run, ("run", "stop", "resume"), playbooks=name))
        rules.append(Rule(f"approvers of {playbook.name}", playbook.approvers, ("stop", "resume"), playbooks=name))
    return tuple(rule for rule in rules if rule.who)


def standing(admins: Sequence[str]) -> tuple[Rule, ...]:
    """What counts with and without a file, as long as nothing more specific speaks against it."""
    starter = Rule("whoever started it", (STARTER,), ("see", "stop", "resume"))
    rules = (Rule("admins of the settings", tuple(admins)), starter)
    return tuple(rule for rule in rules if rule.who)


def refusal(decision: Decision, wish: Wish) -> str:
    """What the person is told: what was refused, why, and whom to ask."""
    what = f"`{wish.playbook}`"
    if wish.verb in ("see", "stop", "resume"):
        what = "this execution"
    ask = f" Please ask {decision.ask}." if decision.ask else ""
    return f"You may not {_WORDS[wish.verb]} {what}.{decision.reason and f' {decision.reason}'}{ask}"


def _weight(rule: Rule, wish: Wish, by: Identity) -> tuple[bool, Specificity, bool]:
    return rule.effect == "never", specificity(rule, wish, by), rule.effect != "allow"


def _reason(winner: Rule | None, looked_at: Sequence[tuple[Rule, str]], wish: Wish) -> str:
    if winner is None:
        said = _in_place([rule for rule, _ in looked_at if _speaks_of(rule, wish)], wish)
        return f"No rule lets you{said}." if said else ""
    says = {"allow": "allows it", "deny": "refuses it", "never": "always refuses it"}[winner.effect]
    return f"It is {winner.source} that {says}."


def _in_place(rules: Sequence[Rule], wish: Wish) -> str:
    """With which values no rule allows it: of the parameters that rules for it speak of, and of no others."""
    names = sorted({name for rule in rules for name in rule.parameters if wish.spelled(name)})[:5]
    said = [f"{name}={_shown(', '.join(wish.spelled(name)))}" for name in names]
    return f" with {', '.join(said)}" if said and wish.verb == "run" else ""


def _shown(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:59]}…"


def _whom(looked_at: Sequence[tuple[Rule, str]], wish: Wish) -> str:
    """Whom the rules for this verb and playbook name, though none of them matched."""
    speaking = [rule for rule, _ in looked_at if rule.ask and _speaks_of(rule, wish)]
    return max(speaking, key=lambda rule: (_playbook_closeness(rule, wish), rule.source)).ask if speaking else ""


def _speaks_of(rule: Rule, wish: Wish) -> bool:
    is_named = not rule.playbooks or any(fnmatchcase(wish.playbook, each) for each in rule.playbooks)
    return is_named and _has_verb(rule, wish.verb)


def _playbook_closeness(rule: Rule, wish: Wish) -> tuple[int, int]:
    return max((_closeness(each) for each in rule.playbooks if fnmatchcase(wish.playbook, each)), default=(0, 0))


# -- does a rule speak of a wish?


def _mismatch(rule: Rule, wish: Wish, by: Identity) -> str:
    """The first thing that does not fit, in words; "" when the rule matches."""
    return next(_mismatches(rule, wish, by), "")


def _mismatches(rule: Rule, wish: Wish, by: Identity) -> Iterator[str]:
    if not any(_is_meant(entry, wish, by) for entry in rule.who):
        yield f"it is for {', '.join(rule.who)}"
    if not _has_verb(rule, wish.verb):
        yield f"it is about {', '.join(rule.may)}, not {wish.verb}"
    if rule.playbooks and not any(fnmatchcase(wish.playbook, each) for each in rule.playbooks):
        yield f"it is about {', '.join(rule.playbooks)}"
    for name, wanted in rule.parameters.items():
        if not _values_fit(rule, name, wanted, wish):
            given = wish.spelled(name)
            found = f"it is {', '.join(given)}" if given else "it has no value"
            yield f"it needs {name} = {' or '.join(wanted)}, and {found}"
    for what, wanted, given_place in (
        ("channel", rule.channels, wish.channel),
        ("Region", rule.regions, wish.region),
        ("account", rule.accounts, wish.account),
    ):
        if wanted and not _place_fits(rule, wanted, given_place):
            yield f"it needs {what} {' or '.join(wanted)}, and it is {given_place or 'none'}"


def _has_verb(rule: Rule, verb: Verb) -> bool:
    """Whoever may do something with a playbook sees it, too."""
    return not rule.may or verb in rule.may or (verb == "see" and rule.effect == "allow")


def _is_meant(entry: str, wish: Wish, by: Identity) -> bool:
    if entry in (EVERYBODY, STARTER):
        return entry == EVERYBODY or wish.is_starter
    if entry == API_KEYS:
        return by.account.startswith("arn:")
    return entry in by.spellings or (entry == "*" and by.is_full_member)


def _values_fit(rule: Rule, name: str, wanted: tuple[str, ...], wish: Wish) -> bool:
    """An allowing rule needs every value to fit, a refusing one is met by a single value."""
    if wish.parameters is None or (wish.is_partial and name not in wish.parameters):
        return rule.effect == "allow"
    fits = [any(fnmatchcase(text, each) for each in wanted) for text in _texts(wish.parameters.get(name))]
    return (bool(fits) and all(fits)) if rule.effect == "allow" else any(fits)


def _place_fits(rule: Rule, wanted: tuple[str, ...], given: str | None) -> bool:
    if given is None:
        return rule.effect == "allow"
    return any(fnmatchcase(given, each) for each in wanted)


def _texts(value: Json) -> list[str]:
    """A parameter's values as rules spell them."""
    if value is None:
        return []
    if isinstance(value, list):
        return [text for item in value for text in _texts(item)]
    return [value if isinstance(value, str) else canonical(value)]


def _met(rule: Rule) -> str:
    parts = [", ".join(rule.who), *(f"{name} = {' or '.join(values)}" for name, values in rule.parameters.items())]
    return f"it {rule.effect}s {'; '.join(parts)}" if rule.effect != "never" else f"never: {'; '.join(parts)}"


# -- how closely?


def _is_glob(text: str) -> bool:
    return any(letter in text for letter in "*?[")


def _closeness(pattern: str) -> tuple[int, int]:
    if pattern == "*":
        return 0, 0
    return (1, sum(letter not in "*?[]" for letter in pattern)) if _is_glob(pattern) else (2, 0)


def _nearness(entry: str, by: Identity) -> int:
    if entry == EVERYBODY:
        return 0
    if entry in ("*", STARTER, API_KEYS) or entry.endswith("/*"):
        return 1
    is_group = entry.startswith("group:") or f"group:{entry}" in by.spellings or _GROUP.fullmatch(entry)
    return 2 if is_group else 3
