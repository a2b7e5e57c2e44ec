"""Regions by their display names."""

import botocore.loaders
import pytest

from bot.intake.regions import region_of

OLD = {
    "EU - Ireland": "eu-west-1",
    "EU (Ireland)": "eu-west-1",
    "Europe (Ireland)": "eu-west-1",
    "US East - N. Virginia": "us-east-1",
    "US - N. Virginia": "us-east-1",
    "US (Virginia)": "us-east-1",
    "US West - Oregon": "us-west-2",
    "APAC - Tokyo": "ap-northeast-1",
    "Asia Pacific (Osaka-Local)": "ap-northeast-3",
    "South America - Sao Paulo": "sa-east-1",
    " us west (oregon) ": "us-west-2",
}


@pytest.mark.parametrize("shown", OLD)
def test_names_of_all_times_are_known(shown: str) -> None:
    """What stands around the place has changed over the years; the place has not."""
    assert region_of(shown) == OLD[shown]


@pytest.mark.parametrize("shown", ["", "Atlantis", "EU (Atlantis)", "()", " - ", "(((("])
def test_unknown_names_are_not_guessed(shown: str) -> None:
    """A name that nobody knows is no Region."""
    assert region_of(shown) == ""


def test_every_region_of_botocore_is_known() -> None:
    """The display names that AWS publishes all lead to their Regions."""
    partitions = botocore.loaders.create_loader().load_data("endpoints")["partitions"]
    names = {entry["description"]: code for partition in partitions for code, entry in partition["regions"].items()}

    assert {name: region_of(name) for name in names} == names
