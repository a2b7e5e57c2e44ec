"""What was probably meant: as difflib says it, and fast."""

import difflib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.aws_models import operation_names
from infra.nearest import LONGEST, nearest

OPERATIONS = operation_names("ec2")


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("DescribeInstance", "DescribeInstances"),
        ("DescribInstances", "DescribeInstances"),
        ("StopInstance", "StopInstances"),
        ("TerminateInstnces", "TerminateInstances"),
        ("CreateSnapshots", "CreateSnapshots"),
        ("XYZ", ""),
        ("", ""),
        ("D" * (LONGEST + 1), ""),
    ],
)
def test_finds_what_was_meant(name: str, meant: str) -> None:
    """Among eight hundred operations."""
    assert nearest(name, OPERATIONS) == meant


@given(st.sampled_from(OPERATIONS), st.integers(0, 40), st.sampled_from("aZ_x"))
def test_a_slip_of_one_letter_finds_what_difflib_finds(name: str, at: int, letter: str) -> None:
    """Leaving out most names before comparing changes no answer."""
    slip = name[:at] + letter + name[at + 1 :]

    assert nearest(slip, OPERATIONS) == difflib.get_close_matches(slip, OPERATIONS, n=1)[0]


def test_short_lists_are_compared_in_full() -> None:
    """With a cutoff of one's own."""
    assert nearest("stopp", ["stop", "start"]) == "stop"
    assert nearest("stopp", ["stop", "start"], cutoff=0.95) == ""
