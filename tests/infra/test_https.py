"""One HTTPS POST to a public address: nothing else leaves, and whatever happens is told."""

import ssl
import threading
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any, ClassVar

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from infra.https import LARGEST_ANSWER, Answer, PostRefused, PostUnanswered, is_public, post


class Door(BaseHTTPRequestHandler):
    """Answers by path: /NNN is that status, /long much, /close nothing."""

    came: ClassVar[list[tuple[str, bytes, dict[str, str]]]] = []

    def do_POST(self) -> None:
        """Take a POST."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.came.append((self.path, body, dict(self.headers)))
        if self.path == "/close":
            self.close_connection = True
            return
        status = int(self.path[1:]) if self.path[1:].isdigit() else 200
        answer = b"x" * (LARGEST_ANSWER + 5) if self.path == "/long" else b"hello \xff"
        self.send_response(status)
        if status in (301, 302, 307):
            self.send_header("Location", "/200")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1 and its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(secret + made.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.fixture
def url(certificate: Path) -> Iterator[str]:
    """A server on this machine that speaks HTTPS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server = HTTPServer(("127.0.0.1", 0), Door)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.01))
    thread.start()
    Door.came.clear()
    yield f"https://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def handlers(certificate: Path) -> tuple[Any, ...]:
    """Trust in that server, and no proxy on the way."""
    context = ssl.create_default_context(cafile=str(certificate))
    return (urllib.request.HTTPSHandler(context=context), urllib.request.ProxyHandler({}))


def send(url: str, handlers: tuple[Any, ...]) -> Answer:
    """POST something, the address being allowed."""
    return post(url, {"X-Key": "secret"}, b"body", allowed=lambda _: True, handlers=handlers)


@pytest.mark.parametrize("status", [200, 204, 301, 302, 307, 400, 404, 500])
def test_every_status_is_an_answer(url: str, handlers: tuple[Any, ...], status: int) -> None:
    """Also a refusal, and a redirect, which is not followed."""
    assert send(f"{url}/{status}", handlers).status == status
    assert [(path, body) for path, body, _ in Door.came] == [(f"/{status}", b"body")]
    assert Door.came[0][2]["X-Key"] == "secret"


def test_an_answer_is_text_and_short(url: str, handlers: tuple[Any, ...]) -> None:
    """What is no UTF-8 is shown as such; what is too long is cut."""
    assert send(f"{url}/ok", handlers).text == "hello \ufffd"
    assert len(send(f"{url}/long", handlers).text) == LARGEST_ANSWER


def test_silence_is_told_apart(url: str, handlers: tuple[Any, ...]) -> None:
    """The POST may have arrived."""
    with pytest.raises(PostUnanswered, match=r"127\.0\.0\.1 gave no answer"):
        send(f"{url}/close", handlers)
    with pytest.raises(PostUnanswered, match="refused"):
        send("https://127.0.0.1:9/", handlers)


def test_a_certificate_that_nobody_knows_is_not_trusted(url: str) -> None:
    """Nothing is sent to who cannot show one."""
    with pytest.raises(PostUnanswered, match="CERTIFICATE_VERIFY_FAILED"):
        send(url, (urllib.request.ProxyHandler({}),))
    assert Door.came == []


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("http://example.com/x", "must begin with https"),
        ("file:///etc/passwd", "must begin with https"),
        ("https://user:password@example.com/", "hold no credentials"),
        ("https://", "must begin with https"),
        ("https://[::1", "makes no sense"),
        ("https://example.com:99999/", "makes no sense"),
        ("https://127.0.0.1/latest", "not on the Internet"),
        ("https://[::1]/", "not on the Internet"),
    ],
)
def test_no_other_address_is_called(address: str, sentence: str) -> None:
    """HTTPS, no credentials in the address, nothing near."""
    with pytest.raises(PostRefused, match=sentence):
        post(address, {}, b"")


def test_a_name_that_points_inside_is_not_called(monkeypatch: pytest.MonkeyPatch) -> None:
    """The name is looked up first; one private address among several is enough."""
    found = [(2, 1, 6, "", ("93.184.216.34", 443)), (2, 1, 6, "", ("169.254.169.254", 443))]
    monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: found)

    with pytest.raises(PostRefused, match=r"inside\.example is not on the Internet \(169\.254\.169\.254\)"):
        post("https://inside.example/", {}, b"")


@pytest.mark.parametrize(
    ("address", "expected"),
    [("93.184.216.34", True), ("10.0.0.1", False), ("192.168.1.1", False), ("169.254.169.254", False), ("::1", False),
     ("fe80::1%eth0", False), ("2606:2800:220:1::1", True), ("100.64.0.1", False), ("0.0.0.0", False),
     ("::ffff:10.0.0.1", False), ("224.0.0.1", False)],
)  # fmt: skip
def test_addresses_of_the_internet(address: str, expected: object) -> None:
    """Private, local and carrier addresses are not."""
    assert is_public(address) is expected
