"""What is said of one document: whether it was read, is right, has scripts that compile, can be previewed, and runs."""

import re
import warnings
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from engine.document import Document, Step
from engine.expressions import REFERENCE
from engine.lint.linting import lint
from tests.conformance.corpus import Entry, problems_of
from tests.conformance.running import Executor, Run

OUTSIDE: Final = (
    ("moto fails", r"moto fails at|MotoDefect"),
    ("moto lacks it", r"not been implemented|Not yet implemented|NotImplemented|moto lacks|not supported by moto"),
    ("attachment is not in the corpus", r"Attachment \".*\" is not there"),
    ("document is not in the corpus", r"document \".*\" was not found"),
    ("PowerShell is not here", r"PowerShell is not installed|PowerShell scripts run only"),
    (
        "network",
        r"URLError|urlopen error|Max retries exceeded|getaddrinfo|Name or service|is not looked up|got no answer",
    ),
    ("module is not here", r"ModuleNotFoundError|No module named"),
    ("other accounts", r"are not carried out here"),
)
"""Why a run ended for a reason of this imitation: what is said, and how the failure reads."""
BY_DATA: Final = (
    ("assertion", r"from the API output is not in the desired values"),
    ("child failed", r"Failed to run automation"),
    ("AWS refused", r"An error occurred \([\w.]+\)|Parameter validation failed|Invalid type for parameter"),
    ("script does not compile", r"SyntaxError|IndentationError"),
    ("script raised", r"Traceback \(most recent|\b\w+(Error|Exception|Fault): |the script has no function"),
    ("timed out", r"timed out"),
    ("action not here", r"The action aws:\w+ is not available"),
    ("ended so", r"entered unexpected state|returns unexpected|The stack|The function .* failed|Rejected by"),
    ("child refused", r"Parameter type error|does not match the pattern|Missing required parameter|not found in \["),
    ("input", r"The inputs are not valid|needs |is not declared|must be|may have at most|Output \"|has no operation"),
    ("input", r"has no value|is unknown|does not exist|there is no input"),
)
"""Why a run ended for a reason of its data."""
DEFECTS: Final = r"Internal Server Error|TypeError: .*engine/"


@dataclass(frozen=True, slots=True)
class Report:
    """One line of the table."""

    name: str
    key: str
    group: str
    is_bad: bool
    parsed: bool
    valid: bool
    scripts: str = ""
    executed: str = ""
    """The execution's final status, or why there was none."""
    steps: int = 0
    reason: str = ""
    detail: str = ""
    path: tuple[str, ...] = ()
    disagreement: str = ""
    linted: str = ""
    """`errors/warnings`."""
    previewed: str = ""
    """`yes`, or why not."""
    unforeseen: str = ""
    """Steps that ran although the preview had said that they are not reached."""
    wrong: str = ""
    """What must not be: the run of the corpus fails over it."""
    seconds: float = 0.0

    def plain(self) -> dict[str, Any]:
        """For a file."""
        return asdict(self)


def check(entry: Entry, executor: Executor | None) -> Report:
    """Read, check and (where there is an executor) execute one document."""
    document, problems, has_places = problems_of(entry)
    base = Report(
        entry.name, entry.key, entry.group, entry.is_bad, parsed=document is not None, valid=not problems,
        detail="; ".join(problems[:2]),
    )  # fmt: skip
    if entry.is_bad:
        wrong = "it is malformed, and was taken" if not problems else "" if has_places else "a refusal has no place"
        return replace(base, wrong=wrong)
    if document is None or problems:
        wrong = f"AWS publishes it: {problems[0]}" if entry.is_trusted else ""
        return replace(base, wrong=wrong or ("" if has_places else "a refusal has no place"))
    scripts, broken = _scripts(document)
    linted, refused = _linted(entry)
    wrong = f"AWS publishes it: {broken}" if broken and entry.is_trusted else refused
    report = replace(base, scripts=scripts, linted=linted, detail=broken, wrong=wrong)
    return report if executor is None else _with_run(report, executor.execute(document))


def _linted(entry: Entry) -> tuple[str, str]:
    """`errors/warnings`, and an error that there cannot be."""
    problems = lint(entry.read(), name=entry.name, file=entry.path.name).problems
    errors = [problem for problem in problems if problem.severity == "error"]
    wrong = f"AWS publishes it, the linter refuses it: {errors[0].code} {errors[0]}" if errors else ""
    return f"{len(errors)}/{len(problems) - len(errors)}", wrong if entry.is_trusted else ""


def _with_run(report: Report, run: Run) -> Report:
    kind, wrong = why(run), report.wrong
    if run.status == "TooLong" or kind == "unexplained" or re.search(DEFECTS, run.reason):
        wrong = wrong or f"{run.status}: {run.reason[:200]}"
    if run.disagreement:
        wrong = wrong or f"the second reading disagrees: {run.disagreement}"
    if run.previewed.startswith("the preview failed"):
        wrong = wrong or run.previewed
    return replace(
        report, executed=run.status, steps=len(run.steps), path=run.steps, reason=kind,
        detail=run.reason or report.detail,
        previewed=run.previewed, unforeseen=run.unforeseen, disagreement=run.disagreement, wrong=wrong,
        seconds=round(run.seconds, 2),
    )  # fmt: skip


def why(run: Run) -> str:
    """In two words, why it did not end as a Success."""
    if run.status == "Success":
        return ""
    if run.status in ("Refused", "Stuck", "TooLong"):
        return run.status.lower()
    for said, pattern in (*OUTSIDE, *BY_DATA):
        if re.search(pattern, run.reason):
            return said
    return "unexplained"


def is_outside(reason: str) -> bool:
    """Whether a reason lies in the imitation, not in the document's data."""
    return reason in {said for said, _ in OUTSIDE}


def _scripts(document: Document) -> tuple[str, str]:
    """`3/3` scripts that compile, and the first error."""
    found = [step for step in document.all_steps() if step.action == "aws:executeScript" and step.inputs.get("Script")]
    errors = [error for step in found if (error := _error_of(step))]
    return (f"{len(found) - len(errors)}/{len(found)}" if found else ""), (errors[0] if errors else "")


def _error_of(step: Step) -> str:
    if not str(step.inputs.get("Runtime", "")).strip().lower().startswith("python"):
        return ""
    source = str(step.inputs["Script"])
    error = _compiled(source, step.name)
    return "" if not error or not _compiled(REFERENCE.sub("0", source), step.name) else error


def _compiled(source: str, name: str) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            compile(source, name, "exec", dont_inherit=True)
        except (SyntaxError, ValueError) as error:
            return f'the script of step "{name}" does not compile: {error}'
    return ""
