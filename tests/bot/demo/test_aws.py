"""The demo's AWS is a process of its own on loopback, quick to come up."""

import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.demo import fleet
from bot.demo.aws import DemoAws
from bot.demo.workspace import is_confined


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoAws]:
    """One AWS for this module, in which everything happens at once."""
    quick = dict.fromkeys(("stopping", "pending", "shutting_down", "rebooting", "initializing"), 0.0)
    made = DemoAws(tmp_path_factory.mktemp("aws"), pace=quick)
    made.start()
    made.wait()
    yield made
    made.stop()


def test_it_is_only_for_this_machine(aws: DemoAws) -> None:
    """The server is bound to loopback."""
    port = int(aws.endpoint.rpartition(":")[2])

    assert aws.endpoint.startswith("http://127.0.0.1:")
    assert is_confined(port) or not Path("/proc/net/tcp").exists()


def test_it_has_the_taught_moto(aws: DemoAws) -> None:
    """A red alarm arrives in the queue, over the network, by both roads."""
    built = fleet.build(aws.client)

    fleet.turn_red(aws.client, fleet.FIRST_RED)

    got = aws.client("sqs").receive_message(QueueUrl=built.queue_url, MaxNumberOfMessages=10)
    assert len(got["Messages"]) == 2


def test_it_gives_the_certificate_that_messages_name(aws: DemoAws) -> None:
    """What SigningCertURL points at is served without a signature; other paths are moto's."""
    sns = aws.client("sns")
    sqs = aws.client("sqs")
    queue = sqs.create_queue(QueueName="copies")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    topic = sns.create_topic(Name="copies")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    sns.publish(TopicArn=topic, Message="hello")
    body = sqs.receive_message(QueueUrl=queue)["Messages"][0]["Body"]
    path = body.partition("https://sns.us-east-1.amazonaws.com")[2].partition('"')[0]

    with urllib.request.urlopen(aws.endpoint + path) as answer:
        pem = answer.read()

    assert pem.startswith(b"-----BEGIN CERTIFICATE-----")


def test_its_environment_leads_no_program_to_the_real_aws(aws: DemoAws) -> None:
    """Endpoint, keys and Region are the demo's, and instance metadata is off."""
    environment = aws.environment()

    assert environment["AWS_ENDPOINT_URL"] == aws.endpoint
    assert environment["AWS_EC2_METADATA_DISABLED"] == "true"
    assert {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"} <= environment.keys()
