"""Objects of S3 by presigned URLs: from S3 only, no further, and no more than fits."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import boto3
import pytest
from moto import mock_aws

from infra.aws import Aws
from infra.aws_errors import AwsRefused
from infra.s3_objects import ObjectUnread, S3Objects, at_url, place_of

URL = "https://fleet.s3.eu-west-1.amazonaws.com/a/where.json?X-Amz-Signature=0123"


@pytest.fixture
def endpoint() -> Iterator[str]:
    """An S3 with one object of ten bytes, a place that redirects to it, and nothing else."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/fleet/moved":
                self.send_response(307)
                self.send_header("Location", "/fleet/a/where.json?X-Amz-Signature=0123")
                self.end_headers()
                return
            is_there = self.path == "/fleet/a/where.json?X-Amz-Signature=0123"
            self.send_response(200 if is_there else 403)
            self.end_headers()
            self.wfile.write(b"0123456789" if is_there else b"")

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is http.server's
            """Be quiet."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_an_object_is_read_with_its_signature(endpoint: str) -> None:
    """As the URL says; with `endpoint` from where the settings say that S3 is."""
    assert at_url(URL, largest=10, endpoint=endpoint) == b"0123456789"


@pytest.mark.parametrize(
    ("url", "words"),
    [
        (URL.replace("0123", "9"), "S3 answered 403 for s3://fleet/a/where.json$"),
        ("https://fleet.s3.amazonaws.com/moved", "S3 answered 307"),
    ],
)
def test_what_s3_refuses_is_said_without_the_signature(endpoint: str, url: str, words: str) -> None:
    """A redirect is such a refusal."""
    with pytest.raises(ObjectUnread, match=words):
        at_url(url, largest=10, endpoint=endpoint)


def test_too_much_is_refused(endpoint: str) -> None:
    """One byte more than may be."""
    with pytest.raises(ObjectUnread, match="is larger than 9 bytes"):
        at_url(URL, largest=9, endpoint=endpoint)


@pytest.mark.parametrize(
    "url",
    [
        "http://fleet.s3.amazonaws.com/x",
        "https://127.0.0.1/x.s3.amazonaws.com/x",
        "https://127.0.0.1#.s3.amazonaws.com/x",
        "https://fleet.s3.amazonaws.com@127.0.0.1/x",
        "https://me:fleet.s3.amazonaws.com/x@169.254.169.254/x.s3.amazonaws.com/x",
        "https://fleet.s3.amazonaws.com:8443/x",
        "https://fleet.s3.amazonaws.com.example.com/x",
        "https://fleet.s3.amazonaws.com/x#y",
        "https://[::1/x.s3.amazonaws.com",
        "https://fleet.s3.amazonaws.com:port/x",
        "file:///etc/passwd",
    ],
)
def test_no_other_host_is_asked(url: str) -> None:
    """However a URL dresses up."""
    with pytest.raises(ObjectUnread, match=r"must be one of an object|makes no sense"):
        at_url(url, largest=10)


def test_a_url_names_a_bucket_and_a_key() -> None:
    """The key as it was before it became part of a URL."""
    assert place_of("https://a.b.s3.amazonaws.com/x%20y/z.json?q") == ("a.b", "x y/z.json")


@mock_aws
def test_a_session_reads_what_its_identity_may() -> None:
    """One object, or the keys below a prefix; what is not there is said."""
    s3 = boto3.client("s3", "us-east-1")
    s3.create_bucket(Bucket="code")
    for key in ("v1/a.py", "v1/b.py", "v2/a.py"):
        s3.put_object(Bucket="code", Key=key, Body=b"pass")
    objects = S3Objects(lambda: Aws(region="us-east-1").session())

    assert objects.content("code", "v1/a.py", largest=4) == b"pass"
    assert objects.keys("code", "v1/", most=9) == ["v1/a.py", "v1/b.py"]
    with pytest.raises(ObjectUnread, match="s3://code/none cannot be read"):
        objects.content("code", "none", largest=4)
    with pytest.raises(ObjectUnread, match="is larger than 3 bytes"):
        objects.content("code", "v1/a.py", largest=3)
    with pytest.raises(AwsRefused, match="NoSuchBucket"):
        objects.keys("nowhere", "", most=9)


def test_an_s3_that_is_away_is_said() -> None:
    """Without a traceback."""
    with pytest.raises(ObjectUnread, match="gave no answer"):
        at_url(URL, largest=10, endpoint="http://127.0.0.1:9")
