"""Signing certificates: where from, how often, and what they prove."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from bot.intake.certificates import MOST_WAITING, Certificates, CertificateUnavailable, NotAuthentic, download
from tests.bot.intake.doors import (
    CERTIFICATE_URL,
    NOW,
    REGION,
    certificate,
    confirmation,
    elliptic_key,
    notification,
    private_key,
    signed,
)

MESSAGE = notification('{"AlarmName": "x"}')


class Shelf:
    """Hands out one certificate, and counts."""

    def __init__(self, pem: bytes | None = None) -> None:
        self.pem = certificate() if pem is None else pem
        self.asked: list[str] = []

    def __call__(self, url: str) -> bytes:
        """The certificate, whatever the address."""
        self.asked.append(url)
        return self.pem


def check(message: dict[str, Any], *, fetch: Callable[[str], bytes] | None = None, region: str = REGION) -> Any:
    """Verify with fresh certificates."""
    return Certificates(fetch=fetch or Shelf()).verify(message, region=region, now=NOW)


@pytest.mark.parametrize("version", ["1", "2"])
@pytest.mark.parametrize(
    "message", [MESSAGE, {**MESSAGE, "Subject": None}, confirmation()], ids=["full", "bare", "ask"]
)
def test_what_sns_signed_is_believed(message: dict[str, Any], version: str) -> None:
    """Both versions of the signature hold, with and without a subject; what was signed comes back, and only that."""
    found = check({**signed(message, version=version), "Extra": "unsigned"})

    assert found == {name: value for name, value in message.items() if value is not None}


@pytest.mark.parametrize("member", ["Message", "MessageId", "Subject", "Timestamp", "TopicArn"])
def test_an_altered_member_breaks_the_signature(member: str) -> None:
    """Whoever changes a signed word is found out."""
    with pytest.raises(NotAuthentic, match="does not belong to the message"):
        check({**signed(MESSAGE), member: "something else"})


def test_an_added_subject_breaks_the_signature() -> None:
    """A subject that was not there when it was signed cannot be slipped in."""
    with pytest.raises(NotAuthentic, match="does not belong"):
        check({**signed({**MESSAGE, "Subject": None}), "Subject": "added"})


def test_a_message_of_a_strangers_topic_cannot_be_cut_into_one_of_ours() -> None:
    """The signed text has no quotes: a stranger's message with line ends in it must not pass for members of ours.

    The stranger lets SNS sign their own message, whose text holds all the members they wish for, and then names the
    pieces anew. The rest of the text would have to be the type, and SNS's types are known.
    """
    theirs = "arn:aws:sns:eu-west-1:999999999999:theirs"
    wish = "forged\nMessageId\nm\nTimestamp\n2026-03-14T02:59:31.611Z\nTopicArn\narn:ours\nType\nNotification"
    real = signed({**MESSAGE, "Message": wish, "TopicArn": theirs, "Subject": None})
    rest = f"Notification\nMessageId\n{MESSAGE['MessageId']}\nTimestamp\n{MESSAGE['Timestamp']}\nTopicArn\n{theirs}"
    forged = {
        **{name: real[name] for name in ("Signature", "SignatureVersion", "SigningCertURL")},
        "Message": "forged",
        "MessageId": "m",
        "Timestamp": "2026-03-14T02:59:31.611Z",
        "TopicArn": "arn:ours",
        "Type": f"{rest}\nType\nNotification",
    }
    pieces = ("Message", "MessageId", "Timestamp", "TopicArn", "Type")
    both = ["".join(f"{name}\n{message[name]}\n" for name in pieces) for message in (real, forged)]
    assert both[0] == both[1], "what SNS has signed can be cut both ways"

    with pytest.raises(NotAuthentic, match="of no type that SNS signs"):
        check(forged)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"Type": "Rumour"}, "of no type that SNS signs"),
        ({"Type": ["Notification"]}, "of no type that SNS signs"),
        ({"MessageId": None}, "the message lacks MessageId"),
        ({"Message": 5}, "a signed member is not text"),
        ({"SignatureVersion": "3"}, 'the signature version "3" is not 1 or 2'),
        ({"SignatureVersion": None}, 'the signature version "" is not 1 or 2'),
        ({"SignatureVersion": "1"}, "does not belong to the message"),
        ({"Signature": "%%%"}, "the signature is not base64"),
        ({"Signature": ""}, "does not belong to the message"),
        ({"Signature": None}, "does not belong to the message"),
        ({"Signature": "AAAA"}, "does not belong to the message"),
    ],
)
def test_a_forged_message_is_refused(change: dict[str, Any], sentence: str) -> None:
    """Unknown types, lacking members, other versions and junk signatures each have their sentence."""
    with pytest.raises(NotAuthentic) as refused:
        check({**signed(MESSAGE), **change})

    assert sentence in str(refused.value)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "https://evil.example/SimpleNotificationService-00000000000000000000000000000000.pem",
        CERTIFICATE_URL.replace("https", "http"),
        CERTIFICATE_URL.replace("amazonaws.com", "amazonaws.com.evil.example"),
        CERTIFICATE_URL.replace("https://", "https://user@"),
        CERTIFICATE_URL.replace("https://", "https://:secret@"),
        CERTIFICATE_URL.replace(".com/", ".com:8443/"),
        CERTIFICATE_URL.replace(".com/", ".com:junk/"),
        CERTIFICATE_URL.replace(".com/", ".com.cn/"),
        CERTIFICATE_URL.replace("eu-west-1", "us-east-1"),
        CERTIFICATE_URL.replace("sns.", "s3."),
        CERTIFICATE_URL.replace("sns.", "sns.sns."),
        f"{CERTIFICATE_URL}?x=1",
        f"{CERTIFICATE_URL}#x",
        CERTIFICATE_URL.replace("/Simple", "/../Simple"),
        CERTIFICATE_URL.replace(".pem", ".pem/x"),
        "file:///etc/passwd",
        "https://[::1",
        "https://sns.eu-west-1.amazonaws.com\\@evil.example/x.pem",
    ],
)
def test_nothing_is_fetched_from_anywhere_but_sns_of_the_region(url: str) -> None:
    """Other hosts, ports, schemes, paths and Regions are refused before a connection is made."""
    shelf = Shelf()

    with pytest.raises(NotAuthentic, match="certificate"):
        check({**signed(MESSAGE), "SigningCertURL": url}, fetch=shelf)
    assert shelf.asked == []


def test_china_has_its_own_domain() -> None:
    """In China's partition the host ends in .com.cn, and only there."""
    url = CERTIFICATE_URL.replace("eu-west-1.amazonaws.com", "cn-north-1.amazonaws.com.cn")

    assert check({**signed(MESSAGE), "SigningCertURL": url}, region="cn-north-1")["Type"] == "Notification"


def test_a_host_of_the_settings_may_stand_in() -> None:
    """A test's SNS is named in the settings, with its port; its neighbours are still refused."""
    certificates = Certificates(extra_hosts=["127.0.0.1:5001"], fetch=Shelf())
    message = signed(MESSAGE)

    found = certificates.verify({**message, "SigningCertURL": "http://127.0.0.1:5001/x.pem"}, region=REGION, now=NOW)

    assert found["Type"] == "Notification"
    for other in ("http://127.0.0.1:5002/x.pem", "ftp://127.0.0.1:5001/x.pem", "http://127.0.0.1/x.pem"):
        with pytest.raises(NotAuthentic):
            certificates.verify({**message, "SigningCertURL": other}, region=REGION, now=NOW)


UNSOUND: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty": (lambda: b"", "cannot be read"),
    "broken": (lambda: b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "cannot be read"),
    "elliptic": (lambda: certificate(elliptic_key()), "no RSA key"),
    "short": (lambda: certificate(private_key(1024)), "no RSA key of at least 2048 bits"),
    "expired": (lambda: certificate(until=NOW - timedelta(hours=1)), "not valid at this time"),
    "early": (lambda: certificate(since=NOW + timedelta(hours=1)), "not valid at this time"),
    "foreign": (lambda: certificate(private_key(owner="stranger")), "does not belong to the message"),
}


@pytest.mark.parametrize("kind", UNSOUND)
def test_a_certificate_must_be_sound(kind: str) -> None:
    """Unreadable, weak, expired and foreign certificates prove nothing."""
    pem, sentence = UNSOUND[kind]

    with pytest.raises(NotAuthentic, match=sentence):
        check(signed(MESSAGE), fetch=Shelf(pem()))


def test_a_certificate_is_fetched_once() -> None:
    """Its key is remembered, and forgotten only when too many have been seen."""
    shelf = Shelf()
    certificates = Certificates(fetch=shelf)

    for number in (0, 0, *range(1, 80), 0):
        url = CERTIFICATE_URL.replace("0" * 32, f"{number:032x}")
        certificates.verify({**signed(MESSAGE), "SigningCertURL": url}, region=REGION, now=NOW)

    assert len(shelf.asked) == 81


def test_those_who_want_the_same_certificate_wait_for_one_fetch() -> None:
    """A storm at the start fetches once; beyond a few, messages are sent back to come again."""
    began, go_on = threading.Event(), threading.Event()
    shelf = Shelf()

    def slowly(url: str) -> bytes:
        began.set()
        assert go_on.wait(10)
        return shelf(url)

    certificates = Certificates(fetch=slowly)
    outcomes: list[str] = []
    sent_back = threading.Semaphore(0)

    def knock() -> None:
        try:
            certificates.verify(signed(MESSAGE), region=REGION, now=NOW)
            outcomes.append("believed")
        except CertificateUnavailable:
            outcomes.append("later")
            sent_back.release()

    first = threading.Thread(target=knock)
    first.start()
    assert began.wait(10)
    others = [threading.Thread(target=knock) for _ in range(12)]
    for thread in others:
        thread.start()
    for _ in range(12 - (MOST_WAITING - 1)):
        assert sent_back.acquire(timeout=10)
    go_on.set()
    for thread in (first, *others):
        thread.join(10)

    assert outcomes.count("believed") == MOST_WAITING
    assert len(shelf.asked) == 1


# -- downloading


class _Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        code = int(self.path.strip("/"))
        self.send_response(code)
        if code == 302:
            self.send_header("Location", "http://127.0.0.1:1/elsewhere")
        self.end_headers()
        self.wfile.write(b"x" * 100_000)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def server() -> Iterator[str]:
    """A server whose path is the status that it answers."""
    found = HTTPServer(("127.0.0.1", 0), _Answers)
    thread = threading.Thread(target=found.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{found.server_port}"
    finally:
        found.shutdown()
        thread.join()
        found.server_close()


def test_downloads_are_cut_off_and_redirects_refused() -> None:
    """At most 64 KiB are read; a redirect leads nowhere; what may pass by itself is told from what will not."""
    with server() as url:
        assert len(download(f"{url}/200")) == 65_536
        for status in (302, 403, 404):
            with pytest.raises(NotAuthentic, match=f"HTTP {status}"):
                download(f"{url}/{status}")
        for status in (429, 500, 503):
            with pytest.raises(CertificateUnavailable, match=f"HTTP {status}"):
                download(f"{url}/{status}")


def test_an_unreachable_host_is_not_a_forgery() -> None:
    """Without an answer nothing is known about the message: it has to come again."""
    with pytest.raises(CertificateUnavailable, match="could not be fetched"):
        download("http://127.0.0.1:1/x.pem")
