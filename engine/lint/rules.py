"""Every rule there is, listed: one family a file."""

from collections.abc import Mapping
from typing import Final

from engine.lint import (
    api,
    danger,
    declarations,
    flow,
    inputs,
    outputs,
    permissions,
    references,
    refusals,
    scripts,
    steps,
    writing,
)
from engine.lint.rule import Family, Rule

FAMILIES: Final[tuple[Family, ...]] = (
    refusals.READING,
    refusals.SHAPE,
    refusals.DECLARATIONS,
    refusals.STEPS,
    refusals.FLOW,
    writing.TRAPS,
    writing.FAMILY,
    declarations.FAMILY,
    references.FAMILY,
    flow.FAMILY,
    steps.FAMILY,
    inputs.FAMILY,
    api.FAMILY,
    outputs.FAMILY,
    danger.FAMILY,
    permissions.FAMILY,
    scripts.FAMILY,
)
RULES: Final[tuple[Rule, ...]] = tuple(rule for family in FAMILIES for rule in family.rules)
BY_CODE: Final[Mapping[str, Rule]] = {rule.code: rule for rule in RULES}


def rule_of(code: str) -> Rule | None:
    """The rule of a code; a tool's own codes (B608, S608) share one each."""
    return BY_CODE.get(code) or BY_CODE.get(f"{code[:1]}…")
