"""Resources to choose from: all pages, remembered for a minute, searched by every word."""

from collections import defaultdict
from datetime import datetime, timedelta
from typing import Any

import pytest

from infra.aws_errors import AwsRefused, AwsUnreachable
from playbooks.resource_kinds import BUCKET, INSTANCE, ROLE
from playbooks.resources import FRESH, KEPT, TROUBLED, Resource, Resources, search
from tests.fakes.aws import QuietAws
from tests.fakes.clock import NIGHT


class Watch:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now: datetime = NIGHT

    def __call__(self) -> datetime:
        """The time."""
        return self.now


def listed(watch: Watch, **answers: Any) -> tuple[Resources, QuietAws]:
    """Resources over an AWS that answers so; `_` stands for the colon."""
    aws = QuietAws(answers=defaultdict(dict, {name.replace("_", ":"): answer for name, answer in answers.items()}))
    return Resources(lambda _: aws, watch), aws


def test_each_kind_is_read_as_aws_tells_it() -> None:
    """Instances with name, state and tags; buckets and roles by their names."""
    instance = {"InstanceId": "i-1", "State": {"Name": "stopped"}, "Tags": [{"Key": "Name", "Value": "web"}]}
    resources, _ = listed(
        Watch(),
        ec2_DescribeInstances={"Reservations": [{"Instances": [instance]}]},
        s3_ListBuckets={"Buckets": [{"Name": "logs"}]},
        iam_ListRoles={"Roles": [{"Arn": "arn:aws:iam::1:role/x", "RoleName": "x"}]},
    )

    assert resources.look(INSTANCE, "eu-west-1").resources == (Resource("i-1", "web", "stopped", {"Name": "web"}),)
    assert [each.label for each in resources.look(BUCKET, "eu-west-1").resources] == ["logs"]
    assert [each.label for each in resources.look(ROLE, "").resources] == ["x (arn:aws:iam::1:role/x)"]


def test_a_list_is_asked_for_once_a_minute_and_shown_ten() -> None:
    """Fresh it is used, getting old it is used and asked for again, too old it is not used."""
    watch = Watch()
    resources, aws = listed(watch)
    assert resources.known(INSTANCE, "eu-west-1") == (None, True)
    first = resources.look(INSTANCE, "eu-west-1")
    resources.look(INSTANCE, "eu-west-1")

    assert len(aws.asked) == 1
    assert resources.known(INSTANCE, "us-east-1")[0] is None
    watch.now += FRESH
    assert resources.known(INSTANCE, "eu-west-1") == (first, True)
    watch.now += KEPT
    assert resources.known(INSTANCE, "eu-west-1") == (None, True)


def test_buckets_are_the_same_everywhere() -> None:
    """What has no Region is asked for once for all."""
    resources, aws = listed(Watch())
    resources.look(BUCKET, "eu-west-1")
    resources.look(BUCKET, "us-east-1")

    assert len(aws.asked) == 1


@pytest.mark.parametrize("error", [AwsUnreachable("no answer"), AwsRefused("AccessDenied", "no", operation="x")])
def test_trouble_is_a_sentence_and_soon_forgotten(error: Exception) -> None:
    """What was read before the trouble stays; ten seconds later AWS is asked again."""
    watch = Watch()

    def answer(params: Any) -> dict[str, Any]:
        if params.get("NextToken"):
            raise error
        return {"Reservations": [{"Instances": [{"InstanceId": "i-1"}]}], "NextToken": "t"}

    resources, aws = listed(watch, ec2_DescribeInstances=answer)
    listing = resources.look(INSTANCE, "eu-west-1")
    watch.now += TROUBLED

    assert [each.id for each in listing.resources] == ["i-1"]
    assert listing.problem.startswith("AWS does not list instances: ")
    assert resources.known(INSTANCE, "eu-west-1") == (None, True)
    assert len(aws.asked) == 2


def test_a_list_without_end_is_cut() -> None:
    """So many pages, and a sentence that says so."""
    resources, aws = listed(Watch(), ec2_DescribeInstances={"Reservations": [], "NextToken": "t"})

    assert "more instances than I list" in resources.look(INSTANCE, "eu-west-1").problem
    assert len(aws.asked) == 10


def test_a_search_needs_every_word() -> None:
    """In id, name, detail or tags; what begins with it comes first."""
    found = [
        Resource("i-1", "my-web", "running", {"owner": "payments"}),
        Resource("i-2", "web", "stopped", {"owner": "search"}),
    ]

    assert [each.id for each in search(found, "web")] == ["i-2", "i-1"]
    assert [each.id for each in search(found, "WEB owner=pay")] == ["i-1"]
    assert [each.id for each in search(found, "i-2 stopped")] == ["i-2"]
    assert search(found, "xyzzy") == []
    assert len(search(found, "")) == 2
    assert timedelta(0) < FRESH < KEPT
