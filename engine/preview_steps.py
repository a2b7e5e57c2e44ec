"""What one step of a runbook would do, looked at with questions only."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

import structlog
from pydantic import ValidationError

from engine.action import Action, ActionContext, Failed, FailureType, Outcome, Succeeded, Waiting
from engine.actions.api_inputs import api_params
from engine.aws_shapes import unfit
from engine.consequence import instances_of
from engine.consequence_facts import instance_facts
from engine.consequences import consequences_of
from engine.document import MISSING, Document, Missing, Step
from engine.expressions import CoercionError, coerce, compact
from engine.performing import refused_by_aws
from engine.preview_aws import LookingAws, WouldChange
from engine.preview_result import Failing, Planned
from engine.preview_state import Known
from engine.run import explain
from engine.scripts.iam import actions_of
from engine.selectors import SelectorError, select
from engine.step_calls import API_ACTIONS, StepCall, calls_of
from infra.aws_errors import AwsRefused, AwsUnreachable
from infra.aws_models import operation_model
from infra.aws_operations import is_reading
from infra.aws_reading import why_no_look
from infra.canonical import Json

MADE_LATER: Final = "(at run)"
AFTERWARDS: Final = frozenset(
    {
        ("aws:runCommand", "CancelCommand"), ("aws:executeStateMachine", "StopExecution"),
        ("aws:executeAutomation", "StopAutomationExecution"), ("aws:createStack", "DeleteStack"),
    }
)  # fmt: skip
"""Calls that a step makes only when it is cancelled, or to clear away what failed before."""
log = structlog.get_logger()
MOST_SAID: Final = 5
NOT_SEEN: Final = frozenset({FailureType.PERMISSION, FailureType.THROTTLING, FailureType.INTERNAL})
"""Failures that say something about whoever looks, not about the run."""


@dataclass(frozen=True, slots=True)
class Effect:
    """What comes of a step."""

    after: Known
    fails: Failing = Failing.MAYBE
    says: tuple[str, ...] = ()
    calls: tuple[Planned, ...] = ()
    unknown: tuple[str, ...] = ()
    """References among its inputs that only the run will tell."""
    child: tuple[str, str, Mapping[str, Json]] | None = None
    """Name, version and parameters of a runbook that it starts."""


@dataclass(frozen=True)
class StepPreview:
    """Looks at steps of one document."""

    document: Document
    actions: Mapping[str, Action[Any]]
    aws: LookingAws
    now: datetime

    def look(self, step: Step, known: Known) -> Effect:
        """What the step would do with what is known."""
        if step.action not in self.actions:
            return Effect(known, Failing.SURELY, (f"{step.action} is not available here: the step fails",))
        raw = dict(step.inputs)
        unknown = known.unknown_in({key: value for key, value in raw.items() if key != "Script"})
        inputs = known.resolve(raw)
        inputs = inputs if isinstance(inputs, dict) else {}
        if step.action == "aws:updateVariable":
            return self._update(step, known, inputs, unknown)
        if step.action not in ONLY_BY_AWS and step.action not in _UNTRIED:
            said = f"does what {step.action} does, which is not tried out"
            return Effect(known.gave_something(step.name).changed(), says=(said,), unknown=unknown)
        if step.action in _UNTRIED:
            return _UNTRIED[step.action](step, known, inputs, unknown)
        try:
            calls = calls_of(step, inputs)
        except AwsRefused as error:
            return _no_such_call(step, known, error, unknown)
        if unknown or (step.action in API_ACTIONS and _why_not(calls[0])):
            return self._told(step, known, calls, unknown)
        return self._tried(step, known, inputs)

    # -- with everything known: the action itself, until it would change something

    def _tried(self, step: Step, known: Known, inputs: Mapping[str, Json]) -> Effect:
        action = self.actions[step.action]
        try:
            parsed = action.Inputs.model_validate(dict(inputs))
        except ValidationError as error:
            return Effect(known, Failing.SURELY, (f"it fails: {explain(error)}",))
        try:
            outcome = action.run(parsed, self._context(step, known))
        except WouldChange as change:
            planned = self._planned(StepCall(change.service, change.operation, change.params), known)
            more = self._further(step, change.operation, inputs, known)
            return Effect(known.gave_something(step.name).changed(), calls=(planned, *more))
        except (AwsRefused, AwsUnreachable) as error:
            outcome = refused_by_aws(error)
        except Exception:  # as engine/performing.py: an action's defect is its step's failure, and is logged
            log.exception("action failed unexpectedly in a preview", step=step.name)
            outcome = Failed("Internal Server Error", type=FailureType.INTERNAL)
        return self._came(step, known, outcome)

    def _further(self, step: Step, operation: str, inputs: Mapping[str, Json], known: Known) -> tuple[Planned, ...]:
        """What deleting an image takes with it: its snapshots, which only its description names."""
        if step.action != "aws:deleteImage" or operation != "DeregisterImage":
            return ()
        images = self.aws.call("ec2", "DescribeImages", {"ImageIds": [inputs["ImageId"]]}).get("Images") or [{}]
        snapshots = [(each.get("Ebs") or {}).get("SnapshotId") for each in images[0].get("BlockDeviceMappings", ())]
        return tuple(self._planned(StepCall("ec2", "DeleteSnapshot", {"SnapshotId": s}), known) for s in snapshots if s)

    def _context(self, step: Step, known: Known) -> ActionContext:
        return ActionContext(
            now=self.now,
            execution_id="",
            step_name=step.name,
            step_execution_id="",
            token=MADE_LATER,
            memo={},
            may_have_run=False,
            aws=self.aws,
            system=known.system,
            variable_types={name: variable.type for name, variable in self.document.variables.items()},
            timeout=timedelta(seconds=3600),
        )

    def _came(self, step: Step, known: Known, outcome: Outcome) -> Effect:
        is_doubtful = known.has_changed or known.is_doubtful_in(dict(step.inputs))
        match outcome:
            case Waiting():
                said = outcome.say or "it waits"
                return Effect(known.gave_something(step.name, outcome.outputs), says=(f"now: {said}",))
            case Failed() if outcome.type in NOT_SEEN:
                return Effect(known.gave_something(step.name), says=(f"could not be looked at: {outcome.message}",))
            case Failed() if is_doubtful:
                said = f"as things are now it fails, which may be otherwise by then: {outcome.message}"
                return Effect(known.gave_something(step.name), says=(said,))
            case Failed():
                return Effect(known, Failing.SURELY, (f"it fails: {outcome.message}",))
        return self._gave(step, known, outcome, is_doubtful=is_doubtful)

    def _gave(self, step: Step, known: Known, outcome: Succeeded, *, is_doubtful: bool) -> Effect:
        outputs = dict(outcome.outputs)
        root: Any = outcome.outputs if outcome.root is MISSING else outcome.root
        for output in step.outputs:
            try:
                value = select(output.selector, root)
                if not isinstance(value, Missing):
                    outputs[output.name] = coerce(value, output.type)
            except (SelectorError, CoercionError) as error:
                return Effect(known, Failing.SURELY, (f'it fails: output "{output.name}": {error}',))
        after = known.gave(step.name, outputs)
        for name, value in outcome.variables.items():
            after = after.with_variable(name, value)
        says = ("read as things are now; it may be otherwise by then",) if is_doubtful and outputs else ()
        return Effect(after, Failing.MAYBE if is_doubtful else Failing.NO, says)

    def _update(self, step: Step, known: Known, inputs: Mapping[str, Json], unknown: tuple[str, ...]) -> Effect:
        name = str(inputs.get("Name") or "").strip(" {}").removeprefix("variable:")
        if unknown:
            return Effect(known.with_variable(name, MISSING), Failing.MAYBE, unknown=unknown)
        if known.is_doubtful_in(step.inputs.get("Value")):
            return Effect(known.with_variable(name, MISSING), says=("its value may be otherwise by then",))
        return self._tried(step, known, inputs)

    # -- with something unknown: the calls as far as the text tells

    def _told(self, step: Step, known: Known, calls: tuple[StepCall, ...], unknown: tuple[str, ...]) -> Effect:
        changing = [
            each for each in calls if not is_reading(each.operation) and (step.action, each.operation) not in AFTERWARDS
        ]
        after = known.gave_something(step.name)
        if not changing:
            why = _why_not(calls[0]) if calls else ""
            asked = ", ".join(each.name for each in calls)
            says = f"not asked in a preview: {why}" if why else f"asks {asked} when {_these(unknown)} known"
            return Effect(after, says=(says,) if calls else (), unknown=unknown)
        planned = tuple(self._planned(self._shaped(step, each), known) for each in changing)
        wrong = tuple(said for each in planned for said in self._misfits(each, unknown))
        return Effect(after.changed(), says=wrong, calls=planned, unknown=unknown)

    def _shaped(self, step: Step, call: StepCall) -> StepCall:
        if step.action not in API_ACTIONS:
            return call
        params = api_params(call.params, operation_model(call.service, call.operation))
        return StepCall(call.service, call.operation, params)

    def _misfits(self, call: Planned, unknown: tuple[str, ...]) -> tuple[str, ...]:
        if unknown:
            return ()
        shape = operation_model(call.service, call.operation).input_shape
        return tuple(f"AWS would refuse it: {each}" for each in unfit(call.params, shape, is_complete=True))

    def _planned(self, call: StepCall, known: Known) -> Planned:
        """After something has changed, the state of now says nothing about the state by then."""
        facts = instance_facts(self.aws, instances_of(call.service, call.params))
        if known.has_changed:
            facts = {name: replace(each, state="") for name, each in facts.items()}
        found = consequences_of(call.service, call.operation, call.params, facts)
        return Planned(call.service, call.operation, call.params, found)


def _these(names: tuple[str, ...]) -> str:
    return f"{' and '.join(names)} {'is' if len(names) == 1 else 'are'}"


def _why_not(call: StepCall) -> str:
    return why_no_look(call.service, call.operation, call.params)


def _no_such_call(step: Step, known: Known, error: AwsRefused, unknown: tuple[str, ...]) -> Effect:
    if not unknown:
        return Effect(known, Failing.SURELY, (f"it fails: {error}",))
    says = (f"which call it makes is known when {_these(unknown)}",)
    return Effect(known.gave_something(step.name).changed(), says=says, unknown=unknown)


# -- steps that are not tried


def _script(step: Step, known: Known, _: Mapping[str, Json], unknown: tuple[str, ...]) -> Effect:
    """A script is not run; what it can call is read from its text."""
    after = known.gave_something(step.name)
    needs = actions_of(str(step.inputs.get("Script") or ""))
    is_told = needs.is_readable and not needs.unknown and not step.inputs.get("Attachment")
    names = sorted({f"{call.service}:{call.operation}" for call in needs.calls})
    changing = [name for name in names if not is_reading(name.partition(":")[2])]
    says = ["the script is not run in a preview"]
    if changing:
        says.append(f"it can change something: {', '.join(changing)}")
    elif names:
        says.append(f"it only reads: {', '.join(names)}")
    says += [f"script line {call.line}: {call.sentence}" for call in needs.unknown[:MOST_SAID]]
    if not is_told:
        says.append(f"what {'else ' if names else ''}it does cannot be told from its text")
    elif not names:
        says.append("it makes no calls to AWS")
    return Effect(after.changed() if changing or not is_told else after, says=tuple(says), unknown=unknown)


def _ask(step: Step, known: Known, inputs: Mapping[str, Json], unknown: tuple[str, ...]) -> Effect:
    who = inputs.get("Approvers") or []
    people = [str(each) for each in who] if isinstance(who, list) else [str(who)]
    says = [f"waits until {inputs.get('MinRequiredApprovals') or 1} of {', '.join(people)} approve"]
    if inputs.get("Message"):
        says.append(f"asks: {inputs['Message']}")
    return Effect(known.gave_something(step.name), says=tuple(says), unknown=unknown)


def _wait(step: Step, known: Known, inputs: Mapping[str, Json], unknown: tuple[str, ...]) -> Effect:
    if step.action == "aws:pause":
        said = "waits until somebody resumes it"
    else:
        said = f"waits {inputs.get('Duration') or inputs.get('Timestamp') or ''}"
    return Effect(known, Failing.NO, (said,), unknown=unknown)


def _child(step: Step, known: Known, inputs: Mapping[str, Json], unknown: tuple[str, ...]) -> Effect:
    name, version = str(inputs.get("DocumentName") or ""), str(inputs.get("DocumentVersion") or "")
    parameters = inputs.get("RuntimeParameters")
    given = parameters if isinstance(parameters, dict) else {}
    child = None if unknown else (name, version, given)
    says = [f"starts the runbook {name}" + (f" with {compact(given)}" if given else "")]
    if inputs.get("Targets") or inputs.get("TargetLocations"):
        says.append("once for each of its targets")
    return Effect(known.gave_something(step.name).changed(), says=tuple(says), unknown=unknown, child=child)


ONLY_BY_AWS: Final = frozenset(
    {
        "aws:assertAwsResourceProperty", "aws:branch", "aws:changeInstanceState", "aws:copyImage", "aws:createImage",
        "aws:createStack", "aws:createTags", "aws:deleteImage", "aws:deleteStack", "aws:executeAwsApi",
        "aws:executeStateMachine", "aws:invokeLambdaFunction", "aws:loop", "aws:runCommand", "aws:runInstances",
        "aws:waitForAwsResourceProperty",
    }
)  # fmt: skip
"""Actions whose every effect is a call of AWS, where the guard stands; no other one is run in a preview."""
_Untried = Callable[[Step, Known, Mapping[str, Json], tuple[str, ...]], Effect]
_UNTRIED: Final[Mapping[str, _Untried]] = {
    "aws:executeScript": _script,
    "aws:approve": _ask,
    "aws:pause": _wait,
    "aws:sleep": _wait,
    "aws:executeAutomation": _child,
}
