"""Random and mutated input for whatever reads text of strangers: `python -m tests.conformance.fuzz --count 100000`.

Parser (YAML and JSON), expressions, selectors, patterns, coercions, parameters and conditions. Each input must be
answered or refused with the reader's own error, within a second of processor time. The seed is printed; the same
seed gives the same inputs.
"""

import argparse
import json
import random
import string
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from engine.actions.sleep import duration, moment
from engine.conditions import OPERATORS, holds
from engine.document import Parameter, RunbookRefused
from engine.expressions import CoercionError, Scope, coerce, references, render, resolve
from engine.parameters import supply
from engine.patterns import LIMIT_SECONDS, PatternError, matches
from engine.selectors import SelectorError, select
from engine.shape import PARAMETER_TYPES, VARIABLE_TYPES
from engine.validation import examine
from infra.canonical import Json

LONGEST: Final = 1.0 + LIMIT_SECONDS
"""Seconds of processor time that one input may take."""
RUNBOOK: Final = """
schemaVersion: '0.3'
description: "Restarts {{ Ids }}"
assumeRole: '{{ Role }}'
parameters:
  Role: {type: 'AWS::IAM::Role::Arn', default: ''}
  Ids: {type: StringList, allowedPattern: '^i-[a-z0-9]{8,17}$', minItems: 1}
variables:
  Seen: {type: String, default: 'x'}
mainSteps:
- name: look
  action: aws:executeAwsApi
  maxAttempts: '2'
  onFailure: step:tell
  inputs: {Service: ec2, Api: DescribeInstances, InstanceIds: ['{{ Ids }}']}
  outputs:
  - {Name: State, Selector: '$.Reservations[0].Instances[?(@.State.Name == "running")].InstanceId', Type: StringList}
- name: decide
  action: aws:branch
  inputs:
    Choices:
    - NextStep: tell
      And:
      - {Variable: '{{ look.State }}', Contains: i-}
      - Not: {Variable: '{{ variable:Seen }}', StringEquals: 'y'}
    Default: each
- name: each
  action: aws:loop
  inputs:
    Iterators: '{{ Ids }}'
    Steps:
    - {name: note, action: 'aws:updateVariable', inputs: {Name: 'variable:Seen', Value: '{{ each.CurrentIteration }}'}}
- name: tell
  action: aws:executeScript
  isEnd: true
  inputs:
    Runtime: python3.11
    Handler: go
    InputPayload: {ids: '{{ Ids }}'}
    Script: |
      def go(events, context):
          return f"{{{events['ids']}}}"
outputs: [tell.Payload]
"""
SELECTORS: Final = (
    "$.Reservations[0].Instances[0].State.Name", "$..InstanceId", "$", "Tags", "$.Tags[?(@.Key=='Name')].Value",
    "$['a']['b'][*]", "$..a..b..c", "$.a[0:3]", "$.a.length()", "$.Payload.x[-1]", "$[?(@.a && @.b || !@.c)]",
    "$[?(@ =~ /(a+)+$/)]", "$..[?(@..a)]", "$[?match(@.a, '(a*)*b')]",
)  # fmt: skip
PATTERNS: Final = (
    r"^[a-z0-9-]{3,63}$", r"^(a+)+$", r"(?=^.{3,63}$)(?!^(\d+\.)+\d+$)(a|aa)+", r"(.*)*x", r"^$|^arn:(aws|aws-cn):.+$",
    r"[\w+=,.@-]+", r"\p{L}+", r"(?i)yes|no", r"^(([a-z])+.)+[A-Z]([a-z])+$", r"(a|a?)+b", r"[\s\S]*", r"\Qa.b\E",
)  # fmt: skip
TEXTS: Final = (
    "{{ Ids }}", "{{ look.State }}", "{{variable:Seen}}", "{{ global:REGION }}", "{{ {{ Ids }} }}", "{{ nobody.Out }}",
    "x {{ Ids }} y {{ look.State }}", "{{ ssm:a/b }}", "{{" * 50, "}}" * 50, "{{ a.b.c:d }}", "true", "12", "1e400",
    "[1, 2]", '{"a": 1}', "NaN", "PT1H", "P1DT2H3M", "2026-01-31T03:00:00Z", "i-0123456789abcdef0", "",
)  # fmt: skip
ALPHABET: Final = string.printable + "äé\u2028\ufeff\x00𝄞{}[]()$.*?+|\\'\"@&!%:-#"


@dataclass
class Fuzz:
    """A run: the dice, and what was found wrong."""

    seed: int
    dice: random.Random = field(init=False)
    found: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    slow: list[str] = field(default_factory=list)
    """Inputs that took too long: told by the command, whose machine does nothing else meanwhile."""
    slowest: float = 0.0

    def __post_init__(self) -> None:
        self.dice = random.Random(self.seed)
        self.targets: Sequence[tuple[str, Callable[[], Callable[[], object]]]] = (
            ("parser", self._parser), ("tree", self._tree), ("selector", self._selector), ("pattern", self._pattern),
            ("expression", self._expression), ("coercion", self._coercion), ("parameter", self._parameter),
            ("condition", self._condition), ("duration", self._duration),
        )  # fmt: skip

    def run(self, count: int) -> None:
        """Try that many inputs."""
        for number in range(count):
            name, make = self.targets[number % len(self.targets)]
            self._try(f"{name} #{number}", make())
            self.counts[name] += 1

    def _try(self, what: str, attempt: Callable[[], object]) -> None:
        began = time.thread_time()
        try:
            attempt()
        except (RunbookRefused, SelectorError, PatternError, CoercionError, _Refused):
            pass
        except BaseException as error:  # noqa: BLE001 - whatever else comes out is what is sought
            self.found.append(f"{what}: {type(error).__name__}: {error}"[:500])
        spent = time.thread_time() - began
        self.slowest = max(self.slowest, spent)
        if spent > LONGEST:
            self.slow.append(f"{what}: took {spent:.1f} seconds")

    # -- inputs

    def _mutated(self, text: str) -> str:
        """The text with a few things done to it."""
        for _ in range(self.dice.randint(1, 6)):
            at = self.dice.randint(0, len(text))
            to = min(len(text), at + self.dice.randint(0, 12))
            match self.dice.randrange(6):
                case 0:
                    text = text[:at] + self.dice.choice(ALPHABET) + text[at:]
                case 1:
                    text = text[:at] + text[to:]
                case 2:
                    text = text[:at] + text[at:to] * self.dice.randint(2, 40) + text[to:]
                case 3:
                    text = text[:at] + self.dice.choice(TEXTS) + text[to:]
                case 4:
                    other = self.dice.randint(0, len(text))
                    text = text[:at] + text[other : other + 12] + text[at:]
                case _:
                    text = text[:at].swapcase() + text[at:]
        return text

    def _noise(self, most: int = 60) -> str:
        return "".join(self.dice.choice(ALPHABET) for _ in range(self.dice.randint(0, most)))

    def _one_of(self, known: Sequence[str]) -> str:
        return self._noise() if self.dice.random() < 0.1 else self._mutated(self.dice.choice(known))

    def _value(self, depth: int = 4) -> Json:
        match self.dice.randrange(9 if depth else 6):
            case 0:
                return self.dice.choice([None, True, False])
            case 1:
                return self.dice.choice([0, -1, 10**30, 3.5, 1e308])
            case 2 | 3:
                return self.dice.choice(TEXTS)
            case 4 | 5:
                return self._noise(12)
            case 6:
                return [self._value(depth - 1) for _ in range(self.dice.randint(0, 4))]
            case _:
                keys = ("a", "b", "c", "State", "Tags", "Key", "Value", "Name", "InstanceId", "")
                return {self.dice.choice(keys): self._value(depth - 1) for _ in range(self.dice.randint(0, 4))}

    # -- targets

    def _parser(self) -> Callable[[], object]:
        base = RUNBOOK if self.dice.random() < 0.7 else JSON_RUNBOOK
        text = self._noise(200) if self.dice.random() < 0.05 else self._mutated(base)
        return lambda: examine(text, name="Fuzz")

    def _tree(self) -> Callable[[], object]:
        tree = json.loads(JSON_RUNBOOK)
        for _ in range(self.dice.randint(1, 4)):
            self._spoil(tree)
        text = json.dumps(tree)
        return lambda: examine(text, name="Fuzz")

    def _spoil(self, tree: Any) -> None:
        """Put something else somewhere into a tree."""
        node, steps = tree, self.dice.randint(1, 7)
        for _ in range(steps):
            keys: list[Any] = list(node) if isinstance(node, dict) else list(range(len(node)))
            if not keys:
                return
            key = self.dice.choice(keys)
            if isinstance(node[key], (dict, list)) and self.dice.random() < 0.8:
                node = node[key]
                continue
            node[key] = self._value(2)
            return

    def _selector(self) -> Callable[[], object]:
        selector, root = self._one_of(SELECTORS), self._value(6)
        return lambda: select(selector, root)

    def _pattern(self) -> Callable[[], object]:
        pattern = self._one_of(PATTERNS)
        text = self.dice.choice(["a" * 60, "a" * 40 + "!", self._noise(), "1.2.3.4.5", "arn:aws:iam::1:role/x"])
        return lambda: matches(pattern, text)

    def _expression(self) -> Callable[[], object]:
        parameters = {"Ids": self._value(3), "Role": self._value(1)}
        outputs = {"look": {"State": self._value(3)}}
        scope = Scope(parameters=parameters, outputs=outputs, variables={"Seen": self._value(1)}, steps=frozenset("ab"))
        value: Json = [self._one_of(TEXTS), self._value(4)]

        def attempt() -> None:
            found = resolve(value, scope)
            assert isinstance(found, list)
            render(found)
            list(references(value))

        return attempt

    def _coercion(self) -> Callable[[], object]:
        value, type_ = self._value(4), self.dice.choice([*VARIABLE_TYPES, "", "Nothing"])
        return lambda: coerce(value, type_)

    def _parameter(self) -> Callable[[], object]:
        pattern = self._one_of(PATTERNS) if self.dice.random() < 0.5 else None
        parameter = Parameter("P", self.dice.choice(PARAMETER_TYPES), allowed_pattern=pattern, min_items=1, max_chars=9)
        value = self._value(3)
        return lambda: _or_refused(lambda: supply(parameter, value))

    def _condition(self) -> Callable[[], object]:
        operator = self.dice.choice(list(OPERATORS))
        condition: dict[str, Json] = {"Variable": self._value(2), operator: self._value(2)}
        for _ in range(self.dice.randint(0, 5)):
            key = self.dice.choice(["And", "Or", "Not"])
            inner: Json = [condition, condition] if self.dice.random() < 0.5 else condition
            condition = {key: inner}
        return lambda: holds(condition)

    def _duration(self) -> Callable[[], object]:
        text = self._one_of(TEXTS)
        return lambda: (_or_refused(lambda: duration(text)), _or_refused(lambda: moment(text)))


class _Refused(Exception):
    """A ValueError with a sentence, which is what these readers raise."""


def _or_refused(attempt: Callable[[], object]) -> object:
    try:
        return attempt()
    except ValueError as error:
        return str(error)


JSON_RUNBOOK: Final = json.dumps(examine(RUNBOOK, name="Fuzz").source.tree, indent=1)


def main() -> int:
    """Fuzz, and say what was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.conformance.fuzz", description=__doc__)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=None)
    options = parser.parse_args()
    fuzz = Fuzz(options.seed if options.seed is not None else random.SystemRandom().randrange(10**9))
    began = time.monotonic()
    sys.stdout.write(f"seed {fuzz.seed}\n")
    fuzz.run(options.count)
    told = ", ".join(f"{name} {count}" for name, count in fuzz.counts.items())
    sys.stdout.write(
        f"{options.count} inputs in {time.monotonic() - began:.0f} s ({told}); slowest {fuzz.slowest:.2f} s\n"
    )
    found = [*fuzz.found, *fuzz.slow]
    sys.stdout.write("".join(f"FOUND {each}\n" for each in found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
