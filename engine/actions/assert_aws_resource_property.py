"""aws:assertAwsResourceProperty: fail unless a property has a desired value now."""

from datetime import timedelta
from typing import ClassVar, Literal

from engine.action import (
    STANDARD_TIMEOUT,
    Action,
    ActionContext,
    ActionInputs,
    Failed,
    FailureType,
    Outcome,
    Stage,
    Succeeded,
)
from engine.actions.failures import call_failed
from engine.actions.resource_property import PropertyInputs, is_desired, look, shown
from engine.selectors import SelectorError
from infra.aws_errors import AwsRefused, AwsUnreachable


class AssertAwsResourceProperty(Action[PropertyInputs]):
    """One look."""

    name: ClassVar[str] = "aws:assertAwsResourceProperty"
    impact: ClassVar[Literal["NonMutating"]] = "NonMutating"
    default_timeout: ClassVar[timedelta | None] = STANDARD_TIMEOUT
    Inputs: ClassVar[type[ActionInputs]] = PropertyInputs

    def run(self, inputs: PropertyInputs, context: ActionContext) -> Outcome:
        """Look and compare."""
        try:
            found = look(inputs, context)
        except (AwsRefused, AwsUnreachable) as error:
            return call_failed(error)
        except SelectorError as error:
            return Failed(str(error), Stage.INPUT_VALIDATION, is_final=True)
        if is_desired(found, inputs.desired_values):
            return Succeeded()
        text = (
            f"Property value '{shown(found)}' from the API output is not in the desired values. "
            f"Desired values: {inputs.desired_values}"
        )
        return Failed(text, Stage.INVOCATION, FailureType.VERIFICATION)
