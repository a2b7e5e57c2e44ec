"""rehearsal.yaml as a person writes it: what AWS and people will say, and what is to come of it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from engine.canned_aws import Answers, unfit_answer
from engine.document import Document, Path, Problem, RunbookRefused
from engine.model_problems import model_problems
from engine.selectors import SelectorError, compiled
from engine.shape import suggestion
from engine.source import Source, read
from infra.aws_errors import AwsRefused
from infra.aws_models import operation_name, service_name
from infra.canonical import Json

Word = Literal["Approve", "Reject", "Resume", "Cancel"]
Ending = Literal["Success", "Failed", "TimedOut", "Cancelled", "Waiting"]
UNREHEARSED: Final = frozenset(
    {"aws:approve", "aws:branch", "aws:loop", "aws:pause", "aws:sleep", "aws:updateVariable"}
)
"""Actions that do what they do in a rehearsal, too: nobody has to tell them how they end."""
EXPECTED: Final = {
    "": "a map with the key rehearsals:",
    "rehearsals": "a list of rehearsals, each with a name and what it is to expect",
    "moto": "a list of calls such as {call: ec2:RunInstances, with: {…}, keep: {Id: $.Instances[0].InstanceId}}",
    "aws": "a map such as {ec2:DescribeInstances: {…}}: an operation to its answer, or a list of answers",
    "people": "a map such as {approve: Approve}: a step to Approve, Reject, Resume or Cancel",
    "status": "Success, Failed, TimedOut, Cancelled or Waiting",
    "steps": "what each step comes to: a list of names under expect:, else a map such as {script: {gives: {…}}}",
    "calls": "a list of the calls that change something, such as [ec2:StopInstances]",
    "outputs": "a map such as {step.Output: value}",
    "parameters": "a map: the runbook's parameter to its value",
}


def _several(value: object) -> object:
    return value if isinstance(value, list) else [value]


Several = BeforeValidator(_several)
CannedAnswers = dict[str, Annotated[list[dict[str, Any]], Several, Field(min_length=1)]]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True)


class Ends(_Strict):
    """How one attempt of a step ends: exactly one of the three."""

    gives: dict[str, Any] | None = None
    """Its outputs, as the action makes them: declared outputs are selected from it."""
    fails: str | None = None
    times_out: Literal[True] | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> "Ends":
        if sum(value is not None for value in (self.gives, self.fails, self.times_out)) != 1:
            raise ValueError("say exactly one of gives, fails and times_out")
        return self


class AtStep(_Strict):
    """What is different at one step."""

    aws: CannedAnswers = {}
    gives: dict[str, Any] | None = None
    fails: str | None = None
    times_out: Literal[True] | None = None
    attempts: list[Ends] = []
    """How the attempts end, in order; the last one stays."""

    @model_validator(mode="after")
    def _one_way(self) -> "AtStep":
        ways = [value for value in (self.gives, self.fails, self.times_out, self.attempts or None) if value is not None]
        if len(ways) > 1:
            raise ValueError("say one of gives, fails, times_out and attempts")
        return self

    @property
    def ends(self) -> list[Ends]:
        """How the attempts end; none = the action is run."""
        if self.attempts:
            return self.attempts
        given = {"gives": self.gives, "fails": self.fails, "times_out": self.times_out}
        said = {name: value for name, value in given.items() if value is not None}
        return [Ends.model_validate(said)] if said else []


class Fixture(_Strict):
    """One call that prepares the imitated AWS, and what of its answer is kept under a name."""

    call: str
    """`service:Operation`."""
    params: dict[str, Any] = Field(default={}, alias="with")
    keep: dict[str, str] = {}
    """Name -> selector; `{{ name }}` is its value in what follows."""


class Expectation(_Strict):
    """What is to come of it; what is left out may be anything."""

    status: Ending
    steps: list[str | dict[str, str]] | None = None
    """Every step that runs, in order: its name, or `name: Status` where that is not Success."""
    calls: list[str | dict[str, dict[str, Any]]] | None = None
    """Every call that changes something, in order: `service:Operation`, with parameters it must have among others."""
    outputs: dict[str, Any] | None = None
    """Document outputs by name; null = it is not there."""
    says: str | None = None
    """Part of the failure message."""
    asks: dict[str, str] | None = None
    """Step -> part of the question that people get."""


class RehearsalEntry(_Strict):
    """One rehearsal."""

    name: str = Field(min_length=1)
    moto: list[Fixture] | None = None
    """Prepares an imitated AWS (moto) that answers whatever has no canned answer; [] = an empty account."""
    parameters: dict[str, Any] = {}
    aws: CannedAnswers = {}
    people: dict[str, Annotated[list[Word], Several]] = {}
    steps: dict[str, AtStep] = {}
    expect: Expectation


class RehearsalFile(_Strict):
    """All rehearsals of a runbook, and what they share."""

    moto: list[Fixture] | None = None
    parameters: dict[str, Any] = {}
    aws: CannedAnswers = {}
    people: dict[str, Annotated[list[Word], Several]] = {}
    rehearsals: Annotated[list[RehearsalEntry], Field(min_length=1)]


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """One rehearsal, with all that it shares; `path` is where it stands in the file."""

    name: str
    parameters: Mapping[str, Json]
    aws: Answers
    people: Mapping[str, Sequence[Word]]
    steps: Mapping[str, Sequence[Ends]]
    aws_of_step: Mapping[str, Answers]
    expect: Expectation
    path: Path
    source: Source
    moto: Sequence[Fixture] | None = None
    """What an imitated AWS is prepared with; None = there is none."""

    def problem(self, message: str, *place: str | int) -> Problem:
        """Something that is not as expected, with its place in the file."""
        return self.source.problem("REH002", message, (*self.path, *place))


def read_rehearsals(text: str, document: Document, *, file: str = "") -> tuple[Rehearsal, ...]:
    """Read the rehearsals of a runbook. Raises RunbookRefused with every problem of the file."""
    source = read(text, file=file)
    try:
        found = RehearsalFile.model_validate(source.tree)
    except ValidationError as error:
        problems = model_problems(error, source, RehearsalFile, code="REH001", expected=EXPECTED)
        raise RunbookRefused(tuple(problems)) from error
    problems = list(_contradictions(found, document, source))
    if problems:
        raise RunbookRefused(tuple(problems))
    return tuple(_rehearsal(found, index, source) for index in range(len(found.rehearsals)))


def _rehearsal(file: RehearsalFile, index: int, source: Source) -> Rehearsal:
    entry = file.rehearsals[index]
    return Rehearsal(
        name=entry.name,
        parameters={**file.parameters, **entry.parameters},
        aws=_answers({**file.aws, **entry.aws}),
        people={**file.people, **entry.people},
        steps={name: at.ends for name, at in entry.steps.items() if at.ends},
        aws_of_step={name: _answers(at.aws) for name, at in entry.steps.items() if at.aws},
        expect=entry.expect,
        path=("rehearsals", index),
        source=source,
        moto=None if file.moto is None and entry.moto is None else [*(file.moto or ()), *(entry.moto or ())],
    )


def _answers(canned: CannedAnswers) -> Answers:
    return {spelled(key): answers for key, answers in canned.items()}


def spelled(key: str) -> str:
    """`service:Operation` in AWS's spelling. Raises AwsRefused with a suggestion."""
    service, _, operation = key.partition(":")
    return f"{service_name(service)}:{operation_name(service, operation)}"


def _contradictions(file: RehearsalFile, document: Document, source: Source) -> Iterator[Problem]:
    yield from _unfit(file.aws, source, ("aws",))
    yield from _people(file.people, document, source, ("people",))
    yield from _fixtures(file.moto, source, ("moto",))
    seen: set[str] = set()
    for index, entry in enumerate(file.rehearsals):
        path: Path = ("rehearsals", index)
        if entry.name in seen:
            yield source.problem("REH001", f'there are two rehearsals "{entry.name}"', (*path, "name"))
        seen.add(entry.name)
        yield from _unfit(entry.aws, source, (*path, "aws"))
        yield from _fixtures(entry.moto, source, (*path, "moto"))
        yield from _people(entry.people, document, source, (*path, "people"))
        for name, at in entry.steps.items():
            yield from _at_step(name, at, document, source, (*path, "steps", name))
        for number, call in enumerate(entry.expect.calls or []):
            yield from _operations(
                call if isinstance(call, dict) else [call], source, (*path, "expect", "calls", number)
            )


def _unfit(canned: CannedAnswers, source: Source, path: Path) -> Iterator[Problem]:
    for key, answers in canned.items():
        wrong = list(_operations([key], source, (*path, key)))
        yield from wrong
        for answer in answers if not wrong else ():
            for sentence in unfit_answer(spelled(key), answer):
                yield source.problem("REH003", f"{key}: {sentence}", (*path, key))


def _fixtures(fixtures: Sequence[Fixture] | None, source: Source, path: Path) -> Iterator[Problem]:
    for index, fixture in enumerate(fixtures or ()):
        yield from _operations([fixture.call], source, (*path, index, "call"))
        for name, selector in fixture.keep.items():
            try:
                compiled(selector)
            except SelectorError as error:
                yield source.problem("REH001", str(error), (*path, index, "keep", name))


def _operations(keys: Sequence[str] | Mapping[str, Any], source: Source, path: Path) -> Iterator[Problem]:
    for key in keys:
        try:
            spelled(key)
        except AwsRefused as error:
            hint = "" if ":" in key else " Spell it service:Operation, such as ec2:DescribeInstances."
            yield source.problem("REH003", f"{error}{hint}", path)


def _people(said: Mapping[str, Any], document: Document, source: Source, path: Path) -> Iterator[Problem]:
    for name in said:
        if document.step(name) is None:
            yield _no_step(name, document, source, (*path, name))


def _at_step(name: str, at: AtStep, document: Document, source: Source, path: Path) -> Iterator[Problem]:
    step = document.step(name)
    if step is None:
        yield _no_step(name, document, source, path)
    elif at.ends and step.action in UNREHEARSED:
        yield source.problem("REH001", f'step "{name}" is {step.action}, whose end follows by itself', path)
    yield from _unfit(at.aws, source, (*path, "aws"))


def _no_step(name: str, document: Document, source: Source, path: Path) -> Problem:
    near = suggestion(name, [step.name for step in document.all_steps()])
    return source.problem("REH001", f'the runbook has no step "{name}".{near}', path)
