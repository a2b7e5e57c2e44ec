"""Signature Version 4: what is accepted, and every way in which it is not."""

import hashlib
from datetime import datetime, timedelta
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from bot.api.errors import ApiError
from bot.api.keys import AccessKey, KeysInvalid, access_keys, principal
from bot.api.signature import Call, verify
from infra.clock import utc_now

ACCOUNT = "123456789012"
BODY = b'{"DocumentName":"Ask-First"}'
KEYS = access_keys(["AKIDLEE:se/cr+et=:lee", "ASIATEMP:temporary:the-token:max"], ACCOUNT)
HEADERS = {
    "Host": "ssm.test:8025",
    "Content-Type": "application/x-amz-json-1.1",
    "X-Amz-Target": "AmazonSSM.StartAutomationExecution",
}


def signed(
    key: str = "AKIDLEE", secret: str = "se/cr+et=", *, token: str | None = None, service: str = "ssm",
    headers: dict[str, str] | None = None, body: bytes = BODY, query: str = "",
) -> Call:  # fmt: skip
    """A call as botocore signs it, at this moment."""
    url = "http://ssm.test:8025/" + (f"?{query}" if query else "")
    request = AWSRequest(method="POST", url=url, data=body, headers={**HEADERS, **(headers or {})})
    SigV4Auth(Credentials(key, secret, token), service, "eu-west-1").add_auth(request)
    found = {name.lower(): value for name, value in request.headers.items()}
    return Call("POST", "/", query, found, body)


def altered(call: Call, body: bytes | None = None, **headers: str | None) -> Call:
    """The call with other headers (None = without it), signed as before."""
    changed = {name.replace("_", "-"): value for name, value in headers.items()}
    found = {**call.headers, **{name: value for name, value in changed.items() if value is not None}}
    kept = {name: value for name, value in found.items() if changed.get(name, "") is not None}
    return Call(call.method, call.path, call.query, kept, call.body if body is None else body)


def refused(call: Call, now: datetime | None = None) -> str:
    """The code a call is refused with."""
    with pytest.raises(ApiError) as caught:
        verify(call, KEYS, now or utc_now())
    assert caught.value.status == 400
    return caught.value.code


def test_a_signed_call_is_accepted_again_and_again() -> None:
    """Clients repeat what got no answer; AWS takes it for five minutes, too."""
    call = signed()
    for _ in range(2):
        signer = verify(call, KEYS, utc_now())

        assert (signer.key.principal.arn, signer.region) == (f"arn:aws:iam::{ACCOUNT}:user/lee", "eu-west-1")


def test_a_query_is_part_of_what_is_signed() -> None:
    """Not that SSM has one."""
    call = signed(query="b=2&a=1")

    assert verify(call, KEYS, utc_now()).key.id == "AKIDLEE"
    assert refused(Call("POST", "/", "a=1", call.headers, call.body)) == "InvalidSignatureException"


@pytest.mark.parametrize("key", ["AKIDLEE", "AKIDLEF"])
def test_a_wrong_secret_or_key_is_refused(key: str) -> None:
    """With the two codes that AWS has for it."""
    wanted = "InvalidSignatureException" if key == "AKIDLEE" else "UnrecognizedClientException"

    assert refused(signed(key, "wrong")) == wanted


def test_a_temporary_key_needs_its_token_and_a_lasting_one_has_none() -> None:
    """The token is part of what is signed."""
    assert verify(signed("ASIATEMP", "temporary", token="the-token"), KEYS, utc_now()).key.principal.name == "max"
    for call in (
        signed("ASIATEMP", "temporary"),
        signed("ASIATEMP", "temporary", token="another"),
        signed(token="the-token"),
    ):
        assert refused(call) == "UnrecognizedClientException"


@pytest.mark.parametrize("minutes", [-6, 6])
def test_a_clock_may_be_five_minutes_off(minutes: int) -> None:
    """Four minutes are forgiven, six are not."""
    call = signed()

    assert refused(call, utc_now() + timedelta(minutes=minutes)) == "InvalidSignatureException"
    assert verify(call, KEYS, utc_now() + timedelta(minutes=minutes * 2 / 3)).key.id == "AKIDLEE"


def test_nothing_that_was_signed_may_be_changed() -> None:
    """Neither body, nor operation, nor host, nor Region, nor moment."""
    call = signed()
    authorization = call.headers["authorization"]

    assert refused(altered(call, b'{"DocumentName":"Delete-All"}')) == "InvalidSignatureException"
    assert refused(altered(call, x_amz_target="AmazonSSM.DeleteDocument")) == "InvalidSignatureException"
    assert refused(altered(call, host="elsewhere")) == "InvalidSignatureException"
    moved = authorization.replace("eu-west-1", "us-east-1")
    assert refused(altered(call, authorization=moved)) == "InvalidSignatureException"
    stamp = call.headers["x-amz-date"][:-2] + ("0Z" if call.headers["x-amz-date"][-2] != "0" else "1Z")
    assert refused(altered(call, x_amz_date=stamp)) == "InvalidSignatureException"


def test_the_operation_must_be_signed() -> None:
    """Or anybody on the way could choose another one."""
    call = signed()
    without = call.headers["authorization"].replace(";x-amz-target", "")

    assert refused(altered(call, authorization=without)) == "InvalidSignatureException"
    assert refused(altered(call, x_amz_added="1")) == "InvalidSignatureException"
    assert refused(altered(call, x_amz_target=None)) == "InvalidSignatureException"


@pytest.mark.parametrize("said", ["UNSIGNED-PAYLOAD", hashlib.sha256(b"other").hexdigest()])
def test_a_body_hash_that_is_not_the_bodys_is_refused(said: str) -> None:
    """Also where it is signed: it would let any body through."""
    assert refused(signed(headers={"X-Amz-Content-SHA256": said})) == "InvalidSignatureException"


def test_the_bodys_own_hash_is_accepted() -> None:
    """Some clients send it."""
    call = signed(headers={"X-Amz-Content-SHA256": hashlib.sha256(BODY).hexdigest()})

    assert verify(call, KEYS, utc_now()).key.id == "AKIDLEE"


def test_a_signature_for_another_service_is_refused() -> None:
    """The scope says what for."""
    assert refused(signed(service="sts")) == "InvalidSignatureException"


@pytest.mark.parametrize(
    ("authorization", "wanted"),
    [
        (None, "MissingAuthenticationTokenException"),
        ("Basic bGVlOnNlY3JldA==", "IncompleteSignatureException"),
        ("AWS4-HMAC-SHA256", "IncompleteSignatureException"),
        ("AWS4-HMAC-SHA256 Credential=a/b/c/d/e", "IncompleteSignatureException"),
        ("AWS4-HMAC-SHA256 Credential=a, SignedHeaders=host, Signature=1", "IncompleteSignatureException"),
        ("AWS4-HMAC-SHA256 Credential=a/b/c/ssm/x, SignedHeaders=host, Signature=1", "InvalidSignatureException"),
        (
            "AWS4-HMAC-SHA256 Credential=a/b/C!/ssm/aws4_request, SignedHeaders=host, Signature=1",
            "InvalidSignatureException",
        ),
    ],
)
def test_a_broken_header_is_told_from_a_missing_one(authorization: str | None, wanted: str) -> None:
    """AWS's codes."""
    assert refused(altered(signed(), authorization=authorization)) == wanted


@pytest.mark.parametrize("stamp", [None, "", "now", "20261125T030210", "20261125T030210Z"])
def test_the_moment_must_be_readable_and_of_the_scopes_day(stamp: str | None) -> None:
    """It is part of what is signed."""
    assert refused(altered(signed(), x_amz_date=stamp)) in ("IncompleteSignatureException", "InvalidSignatureException")


@pytest.mark.parametrize("host", ["[", "a:b:c", "http://[::1", "\u2100", ""])
def test_a_host_that_is_none_is_refused(host: str) -> None:
    """Nobody can have signed it."""
    assert refused(altered(signed(), host=host)) == "InvalidSignatureException"


@given(
    st.dictionaries(st.sampled_from(["authorization", "x-amz-date", "host", "x-amz-security-token"]), st.text()),
    st.binary(max_size=20),
)
def test_no_header_can_break_it(headers: dict[str, str], body: bytes) -> None:
    """Whatever comes is refused, never an accident."""
    call = Call("POST", "/", "", {**signed().headers, **headers}, body)
    with pytest.raises(ApiError):
        verify(call, KEYS, utc_now())


# -- keys


@pytest.mark.parametrize(
    ("actor", "arn", "spellings"),
    [
        ("lee", f"arn:aws:iam::{ACCOUNT}:user/lee", {"lee"}),
        ("arn:aws:iam::222222222222:user/team/kim", "arn:aws:iam::222222222222:user/team/kim", {"kim"}),
        (
            "role/Operators/sam",
            f"arn:aws:sts::{ACCOUNT}:assumed-role/Operators/sam",
            {f"arn:aws:iam::{ACCOUNT}:role/Operators"},
        ),
        (
            "arn:aws:sts::222222222222:assumed-role/R/s",
            "arn:aws:sts::222222222222:assumed-role/R/s",
            {"arn:aws:iam::222222222222:role/R"},
        ),
    ],
)
def test_an_actor_presents_a_principal(actor: str, arn: str, spellings: set[str]) -> None:
    """A user by name or ARN, a session of a role; and everything an Approvers list may call it."""
    found = principal(actor, ACCOUNT)

    assert found.arn == arn
    assert found.spellings == {arn, *spellings}


@pytest.mark.parametrize(
    "entries",
    [
        ["AKID:secret"],
        ["AKID::lee"],
        ["ASIAX:secret:lee"],
        ["A:s:lee", "A:t:max"],
        ["A:s:l e e"],
        ["A:s:arn:aws:s3:::b"],
    ],
)
def test_a_setting_that_cannot_be_meant_is_refused(entries: list[str]) -> None:
    """The message names the setting and never the secret."""
    with pytest.raises(KeysInvalid, match="api_keys") as caught:
        access_keys(entries, ACCOUNT)

    assert "secret" not in str(caught.value)


def test_a_secret_never_shows() -> None:
    """Not in a repr."""
    found: Any = KEYS["ASIATEMP"]

    assert isinstance(found, AccessKey)
    assert "temporary" not in repr(found)
    assert "the-token" not in repr(found)
