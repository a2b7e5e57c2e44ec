"""Every rule: a document that breaks it, and the place where it is said."""

import re
from pathlib import Path

import pytest

from engine.lint.rules import BY_CODE, RULES
from engine.lint.table import markdown
from tests.engine.lint.documents import of_code, problems
from tests.engine.lint.examples import EXAMPLES

ROOT = Path(__file__).parents[3]
ELSEWHERE = {"SRC011", "B…", "S…"}
"""Found where bytes are read, and by other people's scanners: they have tests of their own."""


@pytest.mark.parametrize(("code", "text", "said"), EXAMPLES, ids=[code for code, _, _ in EXAMPLES])
def test_says_what_is_wrong_and_where(code: str, text: str, said: str) -> None:
    """Each rule is found by its example, at its place, with the severity that the list of rules promises."""
    found = of_code(code, text)

    assert any(each.startswith(said) for each in found), found or [str(each) for each in problems(text)]
    assert {each.severity for each in problems(text) if each.code == code} == {BY_CODE[code].severity}


def test_every_rule_has_an_example() -> None:
    """No rule is listed that nothing can break."""
    assert {rule.code for rule in RULES} - ELSEWHERE == {code for code, _, _ in EXAMPLES}


def test_codes_are_given_once() -> None:
    """One code, one meaning."""
    assert len({rule.code for rule in RULES}) == len(RULES)


def test_every_code_in_the_engine_is_listed() -> None:
    """Whatever the reader, the parser or the scan can say is in the list of rules, and so in the documentation."""
    written = {
        code
        for path in sorted((ROOT / "engine").rglob("*.py"))
        for code in re.findall(
            r'["]((?:SRC|DOC|KEY|PAR|VAR|STP|OUT|FLW|REF|ACT|INP|API|DNG|PRM|LIM|SCR)\d{3})[" ]', path.read_text()
        )
    }

    assert written - set(BY_CODE) == set()
    assert written >= set(BY_CODE) - ELSEWHERE


def test_the_page_of_rules_is_what_the_rules_say() -> None:
    """docs/lint.md is made from the rules; `python -m engine.lint.table > docs/lint.md` makes it again."""
    assert (ROOT / "docs" / "lint.md").read_text(encoding="utf-8") == markdown()
