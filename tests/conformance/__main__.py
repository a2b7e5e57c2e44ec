"""The corpus run: `python -m tests.conformance CORPUS` prints a line a document and what it comes to.

Ends with 1 when something is wrong: a document of AWS is refused, a malformed one is taken or refused without a place,
a script of AWS does not compile, a run hangs or fails for no known reason, the second reading of the rules disagrees,
or (with --compare) a document does worse than in a saved run.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Final

from tests.conformance.checking import Report, is_outside
from tests.conformance.corpus import entries
from tests.conformance.processes import reports_of
from tests.conformance.table import HEAD, line, sums

RANK: Final = {"": 0, "TooLong": 0, "Stuck": 1, "Refused": 1, "Failed": 2, "TimedOut": 2, "Success": 3}


def worse(before: dict[str, dict[str, object]], reports: list[Report]) -> list[str]:
    """Documents that did better in the saved run."""
    found = []
    for report in reports:
        old = before.get(report.key)
        if old is None:
            continue
        if old["valid"] and not report.valid and not report.is_bad:
            found.append(f"{report.name}: was valid, now: {report.detail}")
        elif RANK.get(str(old["executed"]), 0) > RANK.get(report.executed, 0) and not is_outside(report.reason):
            found.append(
                f"{report.name}: was {old['executed']}, now {report.executed or 'not run'}: {report.detail[:200]}"
            )
    return found


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(prog="python -m tests.conformance", description=__doc__)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--only", default="", help="documents whose path contains this")
    parser.add_argument("--jobs", type=int, choices=(1, 2), default=2)
    parser.add_argument("--seconds", type=float, default=60, help="what one document may take")
    parser.add_argument("--no-run", action="store_true", help="read and check only")
    parser.add_argument("--save", type=Path, help="keep the result in this file")
    parser.add_argument("--compare", type=Path, help="a kept result that must not get worse")
    options = parser.parse_args()
    found = entries(options.corpus)
    chosen = [entry for entry in found if options.only in str(entry.path)]
    if not chosen:
        sys.stderr.write(f"there is no document below {options.corpus}\n")
        return 2
    sys.stdout.write(f"{HEAD}\n")
    reports: list[Report] = []
    working = {"jobs": options.jobs, "seconds": options.seconds, "is_executing": not options.no_run}
    for report in reports_of(found, chosen, **working):
        reports.append(report)
        sys.stdout.write(f"{line(report)}\n")
        sys.stdout.flush()
    before = json.loads(options.compare.read_text()) if options.compare else {}
    regressions = worse(before, reports)
    told = ["", *sums(reports), *(f"worse than before: {each}" for each in regressions)]
    sys.stdout.write("\n".join(told) + "\n")
    if options.save:
        kept = {report.key: report.plain() for report in reports}
        options.save.write_text(json.dumps(kept, indent=1, sort_keys=True))
    return 1 if regressions or any(report.wrong for report in reports) else 0


if __name__ == "__main__":
    sys.exit(main())
