"""aws:updateVariable: give a declared variable a new value."""

from datetime import timedelta
from typing import Any, ClassVar, Literal

from engine.action import Action, ActionContext, ActionInputs, Failed, Outcome, Stage, Succeeded
from engine.expressions import CoercionError, coerce


class UpdateVariableInputs(ActionInputs):
    """Inputs of aws:updateVariable; Name is written `variable:Name`. A Value that is missing fails the step."""

    name: str
    value: Any


class UpdateVariable(Action[UpdateVariableInputs]):
    """The value must fit the declared type."""

    name: ClassVar[str] = "aws:updateVariable"
    impact: ClassVar[Literal["Mutating"]] = "Mutating"
    is_pure: ClassVar[bool] = True
    default_timeout: ClassVar[timedelta | None] = None
    Inputs: ClassVar[type[ActionInputs]] = UpdateVariableInputs

    def run(self, inputs: UpdateVariableInputs, context: ActionContext) -> Outcome:
        """Check and set."""
        name = inputs.name.strip().removeprefix("{{").removesuffix("}}").strip().removeprefix("variable:")
        type_ = context.variable_types.get(name)
        if type_ is None:
            known = ", ".join(sorted(context.variable_types)) or "none"
            text = f'The variable "{name}" is not declared; declared are: {known}'
            return Failed(text, Stage.INPUT_VALIDATION, is_final=True)
        try:
            value = coerce(inputs.value, type_)
        except CoercionError as error:
            return Failed(f'The variable "{name}": {error}', Stage.INPUT_VALIDATION, is_final=True)
        return Succeeded(variables={name: value})
