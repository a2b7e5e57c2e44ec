"""A foreign simulator's cases: the engine agrees, but where the rules say otherwise."""

import pytest

from engine.scripts.runner import ScriptRunner
from tests.conformance.oracle_cases import DIFFERENCES, cases, judge
from tests.engine.corpus import CORPUS, needs_corpus


@needs_corpus
def test_the_engine_agrees_with_a_foreign_simulator() -> None:
    """All forty cases come out the same, but for the listed ones, each with its reason."""
    runner = ScriptRunner()
    if not runner.isolation.is_safe:
        pytest.skip(f"scripts cannot be jailed on this machine ({runner.isolation.detail})")
    try:
        verdicts = [judge(case, runner) for case in cases(CORPUS)]
    finally:
        runner.close()

    assert len(verdicts) >= 40
    assert {verdict.title for verdict in verdicts if not verdict.agrees} == set(DIFFERENCES)
