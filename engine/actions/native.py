"""Actions around one AWS operation: their inputs as its parameters. Pure.

What the guide does not list but the operation has passes through, so that a runbook which AWS's newer actions take
is taken here, too; what the operation does not have is refused by name.
"""

from collections.abc import Collection, Mapping
from typing import Any, Final

from pydantic import ConfigDict

from engine.action import ActionInputs
from engine.actions.api_inputs import shaped
from engine.shape import suggestion
from infra.aws_errors import AwsRefused

NOTHING: Final[Mapping[str, str]] = {}


class NativeInputs(ActionInputs):
    """Inputs that are mostly the parameters of one operation."""

    model_config = ConfigDict(extra="allow", frozen=True)


def params_of(
    inputs: NativeInputs, model: Any, *, renamed: Mapping[str, str] = NOTHING, own: Collection[str] = ()
) -> dict[str, Any]:
    """The operation's parameters. `own` inputs are the action's and stay away. Raises AwsRefused for unknown ones."""
    members = model.input_shape.members
    params: dict[str, Any] = {}
    for key, value in inputs.model_dump(by_alias=True, exclude_none=True).items():
        if key in own:
            continue
        name = renamed.get(key, key)
        if name not in members:
            known = {*members, *renamed} - {*renamed.values()}
            raise AwsRefused("ParamValidation", f'there is no input "{key}".{suggestion(key, sorted(known))}')
        params[name] = shaped(value, members[name])
    return params
