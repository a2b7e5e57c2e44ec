"""The order by which a failed execution is gone on with in a new one: the same values, the same questions."""

from datetime import datetime

from audit.events import Actor
from engine.document import Document
from engine.execution import Execution
from engine.protocol import StartOrder
from engine.resumption import CannotResume, resumption
from playbooks.playbook import Playbook
from playbooks.starters import ACCOUNT


def request_key(execution_id: str) -> str:
    """By which the one retry of an execution is found again, however often somebody asks for it."""
    return f"retry:{execution_id}"


def step_to_retry(state: Execution, document: Document, playbook: Playbook | None, now: datetime) -> str:
    """The step that a retry would begin with; "" where there is none."""
    try:
        order = retry_of(state, document, playbook, Actor("system", ""), now)
    except CannotResume:
        return ""
    return order.resumption.step if order.resumption else ""


def retry_of(
    state: Execution, document: Document, playbook: Playbook | None, actor: Actor, now: datetime
) -> StartOrder:
    """What to start in order to go on from the step that failed. Raises CannotResume."""
    found = resumption(state, document, now)
    if playbook is None:
        raise CannotResume("The playbook that started it is not here any more.")
    if playbook.runbook.digest != state.document_digest:
        raise CannotResume("The runbook was changed since it failed; start the playbook anew.")
    if playbook.engine == "ssm":
        raise CannotResume("The playbook now runs on AWS, which begins only at the first step.")
    context = {key: value for key, value in state.context.items() if key not in ("budget", ACCOUNT)}
    return StartOrder(
        document,
        {name: value for name, value in state.parameters.items() if value is not None},
        actor,
        state.region,
        state.account,
        state.partition,
        mode=state.mode,
        request_key=request_key(state.id),
        tags=state.tags,
        context={**context, "retry_of": state.id, "retry_step": found.step},
        engine="embedded",
        secrets=tuple(dict.fromkeys((*playbook.secret, *state.secrets))),
        resumption=found,
    )
