"""From text to a Document, refusing exactly what AWS refuses at CreateDocument, each with its place. Pure.

Messages follow AWS's own where they are known ("Unknown step name: "X" in nextStep").
"""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from engine.command_inputs import command_problems
from engine.declarations import declared
from engine.document import ABORT, Document, OutputSpec, Path, Problem, RunbookRefused, Step
from engine.flow import flow_problems
from engine.shape import ACTION_NAME, STEP_KEYS, TOP_KEYS, VARIABLE_TYPES, Reading, kind_of, shown, suggestion
from engine.source import Source, in_file_order, read
from infra.canonical import Json, canonical, encoded

LARGEST_BYTES: Final = 65_536
"""64 KB (SSM quota: document size), counted without layout: AWS publishes indented documents that are larger."""
LONGEST_TIMEOUT: Final = 10**9
"""Seconds; AWS publishes no limit, Python's timedelta has one."""
KNOWN_ACTIONS: Final = tuple(
    f"aws:{name}"
    for name in (
        "approve", "assertAwsResourceProperty", "branch", "changeInstanceState", "copyImage", "createImage",
        "createStack", "createTags", "deleteImage", "deleteStack", "executeAutomation", "executeAwsApi",
        "executeScript", "executeStateMachine", "invokeLambdaFunction", "invokeWebhook", "loop", "pause", "runCommand",
        "runInstances", "sleep", "updateVariable", "waitForAwsResourceProperty",
    )
)  # fmt: skip
"""What customers may use (SSM User Guide, "Automation actions reference")."""


@dataclass(frozen=True, slots=True)
class Examined:
    """A text that could be read: the document as far as it could be built, and everything wrong with it."""

    source: Source
    document: Document | None
    problems: tuple[Problem, ...]


def parse(text: str, *, name: str, file: str = "", version: str = "1") -> Document:
    """Read a runbook. Raises RunbookRefused with every problem found, in file order."""
    examined = examine(text, name=name, file=file, version=version)
    if examined.problems or examined.document is None:
        raise RunbookRefused(examined.problems)
    return examined.document


def examine(text: str, *, name: str, file: str = "", version: str = "1") -> Examined:
    """Read a runbook, also one with problems. Raises RunbookRefused only for what is neither YAML nor JSON."""
    source = read(text, file=file, duplicates="warn")
    reading = Reading(source)
    document = _Builder(reading, text, name, version).build()
    is_small = _check_size(text, reading)
    if document is not None and is_small:
        reading.problems += flow_problems(document, source, is_whole=not reading.problems)
        reading.problems += command_problems(document, source)
    return Examined(source, document, tuple(sorted(reading.problems, key=in_file_order)))


def _check_size(text: str, reading: Reading) -> bool:
    size = len(encoded(canonical(reading.source.tree))) if len(text) * 4 > LARGEST_BYTES else 0
    if size > LARGEST_BYTES:
        reading.complain("DOC001", f"the document is larger than 64 KB ({size:,} bytes without layout)", ())
    return size <= LARGEST_BYTES


def unsupported_actions(document: Document, source: Source, available: Collection[str]) -> tuple[Problem, ...]:
    """One problem for each step whose action is not available here."""
    return tuple(
        source.problem(
            "ACT001",
            f'step "{step.name}" uses {step.action}, which is not available here.{suggestion(step.action, available)}',
            (*path, "action"),
        )
        for step, path in document.steps_with_paths()
        if step.action not in available
    )


class _Builder:
    """Builds the parts of one document from its tree."""

    def __init__(self, reading: Reading, text: str, name: str, version: str) -> None:
        self._reading, self._text, self._name, self._version = reading, text, name, version
        self._names: set[str] = set()

    def build(self) -> Document | None:
        """The document, as far as it can be built; problems are in the reading."""
        reading = self._reading
        tree = reading.source.tree
        if not isinstance(tree, dict):
            text = f"a runbook is a map with schemaVersion and mainSteps, not {kind_of(tree)}"
            reading.complain("DOC002", text, ())
            return None
        reading.known_keys(tree, TOP_KEYS, ())
        self._check_version(tree)
        steps = self._main_steps(tree)
        parameters, variables = declared(reading, tree, "parameters"), declared(reading, tree, "variables")
        outputs = self._outputs(tree.get("outputs"))
        if not steps:
            return None
        return Document(
            name=self._name,
            text=self._text,
            digest=hashlib.sha256(encoded(self._text)).hexdigest(),
            steps=steps,
            description=reading.text_at(tree, "description", ()),
            assume_role=self._assume_role(tree),
            parameters=parameters,
            variables=variables,
            outputs=outputs,
            files=reading.map_at(tree.get("files"), ("files",)),
            version=self._version,
            positions=reading.source.positions,
            tree=tree,
        )

    def _check_version(self, tree: Mapping[str, Json]) -> None:
        found = tree.get("schemaVersion")
        if found is None:
            self._reading.complain("DOC003", "Missing \"schemaVersion\"; an Automation runbook says '0.3'", ())
        elif str(found) != "0.3":
            text = f"schemaVersion must be '0.3' for an Automation runbook, not {shown(found)}"
            self._reading.complain("DOC003", text, ("schemaVersion",))

    def _main_steps(self, tree: Mapping[str, Json]) -> tuple[Step, ...]:
        steps = tree.get("mainSteps")
        if isinstance(steps, list) and steps:
            return tuple(self._step(step, ("mainSteps", index)) for index, step in enumerate(steps))
        text = 'Missing "mainSteps" in the document.'
        if steps is not None:
            text += f" It must be a list of steps, not {'an empty list' if steps == [] else kind_of(steps)}."
        self._reading.complain("DOC004", text, ("mainSteps",) if "mainSteps" in tree else ())
        return ()

    def _assume_role(self, tree: Mapping[str, Json]) -> str:
        role = self._reading.text_at(tree, "assumeRole", ())
        if role.replace(" ", "").startswith("{{ssm:"):
            self._reading.complain("DOC005", "assumeRole may not refer to Parameter Store ({{ssm:…}})", ("assumeRole",))
        return role

    def _outputs(self, raw: Json) -> tuple[str, ...]:
        if raw is None:
            return ()
        if not isinstance(raw, list):
            self._reading.complain("DOC006", f'outputs must be a list of "stepName.OutputName", not {kind_of(raw)}',
                                   ("outputs",))  # fmt: skip
            return ()
        for index, item in enumerate(raw):
            if not isinstance(item, str) or "." not in item:
                text = f'an output is written "stepName.OutputName", not {shown(item)}'
                self._reading.complain("DOC006", text, ("outputs", index))
        return tuple(item for item in raw if isinstance(item, str) and "." in item)

    # -- steps

    def _step(self, raw: Json, path: Path, *, is_inner: bool = False) -> Step:
        reading = self._reading
        if not isinstance(raw, dict):
            reading.complain("STP001", f"a step is a map with name, action and inputs, not {kind_of(raw)}", path)
            return Step("", "")
        reading.known_keys(raw, STEP_KEYS, path)
        name, action = self._step_name(raw, path), self._action(raw, path)
        inputs = self._inputs(raw, name, action, path)
        if action == "aws:loop" and is_inner:
            reading.complain("STP008", "a loop cannot stand inside a loop", (*path, "action"))
        body = self._body(inputs, path) if action == "aws:loop" and not is_inner else ()
        on_failure = reading.keyword_at(raw, "onFailure", path, ("Abort", "Continue"))
        is_critical = reading.boolean_at(raw, "isCritical", path)
        next_step = reading.text_at(raw, "nextStep", path)
        return Step(
            name=name,
            action=action,
            inputs={key: value for key, value in inputs.items() if not (body and key == "Steps")},
            description=reading.text_at(raw, "description", path),
            max_attempts=max(1, reading.integer_at(raw, "maxAttempts", path) or 1),
            timeout=self._timeout(raw, path),
            on_failure=on_failure,
            on_cancel=reading.keyword_at(raw, "onCancel", path, ("Abort",), fallback=ABORT),
            is_critical=is_critical if is_critical is not None else on_failure != "Continue",
            is_end=bool(reading.boolean_at(raw, "isEnd", path)),
            next_step=next_step or None,
            outputs=self._step_outputs(raw.get("outputs"), path),
            steps=body,
        )

    def _step_name(self, raw: Mapping[str, Json], path: Path) -> str:
        reading = self._reading
        text = reading.text_at(raw, "name", path)
        if raw.get("name") in (None, ""):
            reading.complain("STP002", 'Missing "name" in step detail.', path)
        if not text:
            return ""
        if not text.replace("_", "a").isalnum() or not text.isascii():
            reading.complain("STP003", f"StepName: {text} is invalid. Use letters, digits and _.", (*path, "name"))
        if text in self._names:
            found = f'Duplicate step names found in mainSteps of the document: "{text}".'
            reading.complain("STP004", found, (*path, "name"))
        self._names.add(text)
        return text

    def _action(self, raw: Mapping[str, Json], path: Path) -> str:
        reading = self._reading
        action = reading.text_at(raw, "action", path)
        if raw.get("action") in (None, ""):
            reading.complain("STP005", 'Missing "action" in step detail.', path)
        elif action and not ACTION_NAME.fullmatch(action):
            near = suggestion(action, KNOWN_ACTIONS)
            reading.complain("STP007", f"Unknown action: {action}.{near}", (*path, "action"))
        return action

    def _inputs(self, raw: Mapping[str, Json], name: str, action: str, path: Path) -> dict[str, Json]:
        if raw.get("inputs") is None and action not in ("aws:pause", ""):
            text = f'Missing "inputs" in step "{name}"; write inputs: {{}} where there are none'
            self._reading.complain("STP006", text, path)
        return self._reading.map_at(raw.get("inputs"), (*path, "inputs"))

    def _body(self, inputs: Mapping[str, Json], path: Path) -> tuple[Step, ...]:
        place: Path = (*path, "inputs", "Steps")
        raw = inputs.get("Steps")
        if not isinstance(raw, list) or not raw:
            self._reading.complain("STP009", "aws:loop needs Steps, a list of steps", place)
            return ()
        if ("Iterators" in inputs) == ("LoopCondition" in inputs):
            text = "aws:loop needs exactly one of Iterators and LoopCondition"
            self._reading.complain("STP010", text, (*path, "inputs"))
        return tuple(self._step(step, (*place, index), is_inner=True) for index, step in enumerate(raw))

    def _timeout(self, raw: Mapping[str, Json], path: Path) -> timedelta | None:
        seconds = self._reading.integer_at(raw, "timeoutSeconds", path)
        if seconds is None:
            return None
        return timedelta(seconds=min(max(seconds, 0), LONGEST_TIMEOUT))

    def _step_outputs(self, raw: Json, path: Path) -> tuple[OutputSpec, ...]:
        if raw is None:
            return ()
        place: Path = (*path, "outputs")
        if not isinstance(raw, list):
            text = f"outputs must be a list of Name, Selector and Type, not {kind_of(raw)}"
            self._reading.complain("OUT001", text, place)
            return ()
        found = [self._output(item, (*place, index)) for index, item in enumerate(raw)]
        return tuple(spec for spec in found if spec is not None)

    def _output(self, raw: Json, path: Path) -> OutputSpec | None:
        reading = self._reading
        if not isinstance(raw, dict):
            reading.complain("OUT001", f"an output is a map with Name, Selector and Type, not {kind_of(raw)}", path)
            return None
        reading.known_keys(raw, ("Name", "Selector", "Type"), path)
        name, selector = reading.text_at(raw, "Name", path), reading.text_at(raw, "Selector", path)
        if not name or not selector:
            reading.complain("OUT002", "an output needs a Name and a Selector", path)
            return None
        type_ = reading.text_at(raw, "Type", path)
        if type_ and type_ not in VARIABLE_TYPES:
            text = f"Output type: {type_} is invalid.{suggestion(type_, VARIABLE_TYPES)}"
            reading.complain("OUT003", text, (*path, "Type"))
        return OutputSpec(name, selector, type_)
