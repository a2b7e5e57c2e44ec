"""aws:branch: choose the next step by what is known."""

from datetime import timedelta
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field

from engine.action import Action, ActionContext, ActionInputs, Outcome, Succeeded
from engine.conditions import holds


def _leads_somewhere(choice: dict[str, Any]) -> dict[str, Any]:
    if not choice.get("NextStep"):
        raise ValueError("a choice needs NextStep")
    return choice


class BranchInputs(ActionInputs):
    """Inputs of aws:branch. A Variable without a value is left out before: its comparison is false."""

    choices: Annotated[list[Annotated[dict[str, Any], AfterValidator(_leads_somewhere)]], Field(min_length=1)]
    default: str | None = None


class Branch(Action[BranchInputs]):
    """The first choice that holds wins; without one, Default or the flow's own order."""

    name: ClassVar[str] = "aws:branch"
    impact: ClassVar[Literal["NonMutating"]] = "NonMutating"
    is_pure: ClassVar[bool] = True
    default_timeout: ClassVar[timedelta | None] = None
    Inputs: ClassVar[type[ActionInputs]] = BranchInputs

    def run(self, inputs: BranchInputs, context: ActionContext) -> Outcome:
        """Compare in order."""
        for choice in inputs.choices:
            condition = {key: value for key, value in choice.items() if key != "NextStep"}
            if holds(condition):
                return _chosen(str(choice["NextStep"]))
        return _chosen(inputs.default) if inputs.default else Succeeded()


def _chosen(step: str) -> Succeeded:
    return Succeeded({"NextStep": step}, next_step=step)
