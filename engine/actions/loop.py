"""aws:loop: its inputs. The walking is the conductor's (engine/loops.py)."""

from datetime import timedelta
from typing import Any, ClassVar, Literal

from engine.action import Action, ActionContext, ActionInputs, Failed, Outcome


class LoopInputs(ActionInputs):
    """Inputs of aws:loop."""

    iterators: Any = None
    loop_condition: dict[str, Any] | None = None
    iterator_data_type: Literal["Boolean", "Integer", "String", "StringMap"] = "String"
    max_iterations: int = 100


class Loop(Action[LoopInputs]):
    """Never run as such: the conductor walks its body."""

    name: ClassVar[str] = "aws:loop"
    impact: ClassVar[Literal["Undetermined"]] = "Undetermined"
    is_pure: ClassVar[bool] = True
    default_timeout: ClassVar[timedelta | None] = None
    Inputs: ClassVar[type[ActionInputs]] = LoopInputs

    def run(self, inputs: LoopInputs, context: ActionContext) -> Outcome:
        """Not reached."""
        return Failed("a loop is walked by the conductor", is_final=True)
