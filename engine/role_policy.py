"""The policies of a runbook's service role, as IAM takes them. Pure."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from infra.iam_resources import ANY, ANYWHERE, Where


@dataclass(frozen=True, slots=True)
class Need:
    """One IAM action on some resources, and the step that needs it ("" = the start)."""

    action: str
    resources: tuple[str, ...]
    step: str
    condition: tuple[tuple[str, str, str], ...] = ()
    """(operator, key, value)."""


def trust_policy(where: Where = ANYWHERE, *, trusted: tuple[str, ...] = ()) -> dict[str, Any]:
    """Who may take the role on: Systems Manager for this account's automations, and `trusted` (the bot's own role)."""
    source = f"arn:{where.partition}:ssm:*:{where.account}:automation-execution/*"
    conditions: dict[str, dict[str, str]] = {"ArnLike": {"aws:SourceArn": source}}
    if where.account != ANY:
        conditions["StringEquals"] = {"aws:SourceAccount": where.account}
    statements: list[dict[str, Any]] = [
        {
            "Effect": "Allow",
            "Principal": {"Service": "ssm.amazonaws.com"},
            "Action": "sts:AssumeRole",
            "Condition": conditions,
        }
    ]
    if trusted:
        statements.append({"Effect": "Allow", "Principal": {"AWS": sorted(trusted)}, "Action": "sts:AssumeRole"})
    return {"Version": "2012-10-17", "Statement": statements}


def statements(needs: tuple[Need, ...]) -> Iterator[dict[str, Any]]:
    """An action that is allowed on everything needs no narrower statement besides."""
    everywhere = {need.action for need in needs if ANY in need.resources and not need.condition}
    on: dict[tuple[str, tuple[tuple[str, str, str], ...]], set[str]] = defaultdict(set)
    for need in needs:
        if need.action not in everywhere:
            on[need.action, need.condition].update(need.resources)
        elif not need.condition:
            on[need.action, ()].add(ANY)
    grouped: dict[tuple[tuple[str, ...], tuple[tuple[str, str, str], ...]], set[str]] = defaultdict(set)
    for (action, condition), resources in on.items():
        grouped[tuple(sorted({ANY} if ANY in resources else resources)), condition].add(action)
    for (among, condition), actions in sorted(grouped.items(), key=lambda item: (item[0][0] == (ANY,), item[0])):
        statement: dict[str, Any] = {
            "Effect": "Allow",
            "Action": sorted(actions),
            "Resource": among[0] if len(among) == 1 else list(among),
        }
        if condition:
            statement["Condition"] = {operator: {key: value} for operator, key, value in condition}
        yield statement
