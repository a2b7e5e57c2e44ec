"""The table of a corpus run, and its sums."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from engine.run import GUIDE
from tests.conformance.checking import Report, is_outside

NAMES: Final = f"{'parsed':6} {'valid':6} {'scripts':7} {'linted':7} {'previewed':9} {'steps':>5} {'executed':10}"
HEAD: Final = f"{'document':58} {NAMES} why not"


def line(report: Report) -> str:
    """One line a document."""
    why = report.reason or ("" if report.executed == "Success" else report.detail[:60])
    if report.wrong:
        why = f"WRONG: {report.wrong}"[:160]
    elif report.reason:
        why = f"{report.reason}: {_told(report.detail)}"
    return (
        f"{report.name[-58:]:58} {_yes(report.parsed):6} {_yes(report.valid):6} {report.scripts:7} "
        f"{report.linted:7} {_previewed(report):9} {report.steps or '':>5} {report.executed:10} {why}"
    ).replace("\n", " ")


def _told(detail: str) -> str:
    """The last thing that a failure says, without the words around it."""
    text = detail.strip().removesuffix(GUIDE).strip().removeprefix("Step fails when it is ")
    return text.splitlines()[-1].strip()[-150:] if text else ""


def _previewed(report: Report) -> str:
    return "" if not report.executed else "yes" if report.previewed == "yes" else "no"


def _yes(value: bool) -> str:  # noqa: FBT001 - it is what is shown
    return "yes" if value else "no"


def sums(reports: Sequence[Report]) -> list[str]:
    """What it comes to, by group and in all."""
    found = []
    for group in sorted({report.group for report in reports}):
        found += [f"{group or 'corpus'}:", *_sums([each for each in reports if each.group == group])]
    wrong = [report for report in reports if report.wrong]
    found.append(f"wrong: {len(wrong)}")
    return [*found, *(f"  {report.name}: {report.wrong}"[:400] for report in wrong)]


def _sums(reports: Sequence[Report]) -> list[str]:
    good = [report for report in reports if not report.is_bad]
    bad = [report for report in reports if report.is_bad]
    ran = [report for report in good if report.executed]
    ended = [report for report in ran if report.executed in ("Success", "Failed", "TimedOut", "Cancelled")]
    here = [report for report in ended if not is_outside(report.reason)]
    agreed = [report for report in ended if not report.disagreement]
    compiled = [report for report in good if report.scripts and len({*report.scripts.split("/")}) == 1]
    scripted = [report for report in good if report.scripts]
    rows = [
        ("parsed", sum(report.parsed for report in good), len(good)),
        ("valid", sum(report.valid for report in good), len(good)),
        ("scripts compile", len(compiled), len(scripted)),
        ("malformed refused with a place", sum(not report.wrong for report in bad), len(bad)),
        ("linted without an error", sum(report.linted.startswith("0/") for report in good), len(good)),
        ("previewed", sum(report.previewed == "yes" for report in ran), len(ran)),
        ("  of these foreseeing every step that ran", sum(not report.unforeseen for report in ran), len(ran)),
        ("executed to an end", len(ended), len(ran)),
        ("  of these for no reason of the imitation", len(here), len(ended)),
        ("  of these Success", sum(report.executed == "Success" for report in ended), len(ended)),
        ("second reading agrees", len(agreed), len(ended)),
    ]
    told = [f"  {name:42} {count:4} of {total:4}  {100 * count / total:5.1f} %" for name, count, total in rows if total]
    reasons = Counter(report.reason for report in ran if report.reason)
    return [*told, *(f"    not Success, {reason}: {count}" for reason, count in reasons.most_common())]
