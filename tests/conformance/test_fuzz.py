"""A short walk of the fuzzer through every reader of strangers' text."""

import pytest

from tests.conformance.fuzz import Fuzz


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_no_reader_breaks_or_takes_for_ever(seed: int) -> None:
    """Whatever it is given, each reader answers, or refuses with its own error."""
    fuzz = Fuzz(seed)

    fuzz.run(600)

    assert fuzz.found == []
