"""With whose rights a runbook acts, and whether they can be told from it. Pure.

Source: SSM User Guide, "Setting up Automation" (a service role, or the rights of whoever starts it) and
"aws:executeScript" (a script's AWS calls need a role).
"""

import re
from collections.abc import Iterator
from typing import Final

from engine.actions import BY_NAME
from engine.document import Step
from engine.lint.rule import Family, Found, note, warning
from engine.lint.subject import API_ACTIONS, PLACE_HOLDER, Subject, has_reference

ROLE: Final = re.compile(r"arn:[a-z0-9-]+:iam::[0-9]{12}:role/.+")


def _check(subject: Subject) -> Iterator[Found]:
    document = subject.document
    role = document.assume_role.strip()
    scripts = [(step, path) for step, path in subject.steps if _calls(step, subject)]
    if not role:
        if scripts:
            step, path = scripts[0]
            text = f'the script of step "{step.name}" calls AWS, which needs a role; give the document an assumeRole'
            yield Found("PRM002", text, path)
        elif any(_needs_rights(step) for step, _ in subject.steps):
            text = "the document has no assumeRole, so it runs with the rights of whoever starts it"
            yield Found("PRM001", text, ())
    elif (
        not has_reference(role) and not PLACE_HOLDER.search(role) and "${" not in role and ROLE.fullmatch(role) is None
    ):
        yield Found("PRM003", f'assumeRole must be the ARN of a role, not "{role}"', ("assumeRole",))
    for step, path in subject.steps:
        for call in subject.needs[step.name].unknown if step.name in subject.needs else ():
            if not call.is_wrong:
                text = (
                    f'script of step "{step.name}", line {call.line}: {call.sentence}; its permission cannot be listed'
                )
                yield Found("PRM004", text, (*path, "inputs", "Script"))


def _calls(step: Step, subject: Subject) -> bool:
    needs = subject.needs.get(step.name)
    return needs is not None and any(not call.is_foreign for call in needs.calls)


def _needs_rights(step: Step) -> bool:
    action = BY_NAME.get(step.action)
    return step.action in API_ACTIONS or (action is not None and bool(action.permissions))


FAMILY: Final = Family(
    "Permissions",
    (
        note("PRM001", "the document has no assumeRole, so whoever starts it needs all its rights"),
        warning("PRM002", "a script calls AWS, and the document has no assumeRole"),
        warning("PRM003", "assumeRole is not the ARN of a role"),
        note("PRM004", "a script makes a call that only the run knows, so its permission cannot be listed"),
    ),
    _check,
)
