"""aws:waitForAwsResourceProperty: look again until a property has a desired value."""

from datetime import timedelta
from typing import ClassVar, Literal

from engine.action import (
    STANDARD_TIMEOUT,
    Action,
    ActionContext,
    ActionInputs,
    Failed,
    Outcome,
    Stage,
    Succeeded,
    Waiting,
)
from engine.actions.failures import look_failed
from engine.actions.resource_property import PropertyInputs, is_desired, look, shown
from engine.selectors import SelectorError
from infra.aws_errors import AwsRefused, AwsUnreachable


class WaitForAwsResourceProperty(Action[PropertyInputs]):
    """Poll; a missing value is not desired yet, an API error fails the attempt (throttling only delays it)."""

    name: ClassVar[str] = "aws:waitForAwsResourceProperty"
    impact: ClassVar[Literal["NonMutating"]] = "NonMutating"
    default_timeout: ClassVar[timedelta | None] = STANDARD_TIMEOUT
    Inputs: ClassVar[type[ActionInputs]] = PropertyInputs

    def run(self, inputs: PropertyInputs, context: ActionContext) -> Outcome:
        """Look and compare."""
        try:
            found = look(inputs, context)
        except (AwsRefused, AwsUnreachable) as error:
            return look_failed(error, context)
        except SelectorError as error:
            return Failed(str(error), Stage.INPUT_VALIDATION, is_final=True)
        if is_desired(found, inputs.desired_values):
            return Succeeded()
        say = f"is {shown(found)[:100]}, wanted {' or '.join(inputs.desired_values)}"
        return Waiting(until=context.now + context.poll, memo={"last": shown(found)[:1000]}, say=say)
