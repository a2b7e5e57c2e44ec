"""Secrets are unreadable wherever they stand, and everything else stays as it is."""

import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.canonical import Json
from infra.masking import MASK, PLAIN, is_secret_name, leaves, masking

SECRET = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), min_size=8, max_size=40).filter(
    lambda text: not text.isdigit() and MASK not in text and text.strip() == text and "*" not in text
)
VALUES: st.SearchStrategy[Json] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)


@given(SECRET, st.text(max_size=30), st.text(max_size=30))
def test_a_known_value_is_never_readable(secret: str, before: str, after: str) -> None:
    """Whatever stands around it, in text, in JSON within text, and in addresses."""
    mask = masking([secret])
    spelled = (secret, json.dumps(secret)[1:-1], json.dumps({"a": secret}), quote(secret, safe=""))

    for each in spelled:
        assert secret not in mask.text(f"{before} {each} {after}").replace(before, "").replace(after, "")
    assert secret not in json.dumps(mask.json({"x": [{"y": secret}, f"{before}{secret}"]}), ensure_ascii=False).replace(
        json.dumps(before, ensure_ascii=False)[1:-1], ""
    )


@given(VALUES, SECRET)
def test_masking_twice_is_masking_once(value: Json, secret: str) -> None:
    """So that every floor may mask without asking who did before."""
    mask = masking([secret])
    once = mask.json({"v": value, "password": secret})

    assert mask.json(once) == once


@given(VALUES)
def test_the_shape_of_a_value_stays(value: Json) -> None:
    """Masked JSON has the same keys and lengths: readers go on finding what they look for."""
    masked = PLAIN.json(value)

    assert _shape(masked) == _shape(value)


def _shape(value: Json) -> object:
    if isinstance(value, dict):
        return {key: _shape(item) for key, item in value.items()}
    return [_shape(item) for item in value] if isinstance(value, list) else None


LOOKS = {
    "AKIAIOSFODNN7EXAMPLE": "AKIAIOSFODNN7EXAMPLE",
    "Authorization: Bearer abcdef.123456": "abcdef.123456",
    "-----BEGIN RSA PRIVATE KEY-----\nMIIE\nabc\n-----END RSA PRIVATE KEY-----": "MIIE",
    "-----BEGIN PRIVATE KEY-----\nMIIE cut off": "MIIE",
    "psql postgresql://app:hunter2@db/x": "hunter2",
    "mysql --password hunter2 -h db": "hunter2",
    "password=hunter2": "hunter2",
    '{"user": "a", "DbPassword": "hun ter2", "n": 1}': "hun ter2",
    '"{\\"password\\": \\"hunter2\\"}"': "hunter2",
    "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY": "wJalrXUtnFEMI",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl": "eyJzdWIi",
    "https://s3/x?X-Amz-Signature=abcdef0123&X-Amz-Date=1": "abcdef0123",
    "xoxe.xoxb-1-abcDEF": "abcDEF",
}


@pytest.mark.parametrize(("text", "secret"), LOOKS.items())
def test_what_looks_like_a_secret_is_masked(text: str, secret: str) -> None:
    """Nobody has to say that a private key is one."""
    masked = PLAIN.text(text)

    assert secret not in masked
    assert MASK in masked
    assert PLAIN.text(masked) == masked


@pytest.mark.parametrize(
    "text",
    [
        "password={{ DbPassword }}",
        '{"password": null, "token": true}',
        "the password has expired",
        "arn:aws:secretsmanager:eu-west-1:123456789012:secret:db-AbCdEf",
        "i-0abc1234def567890 is stopped",
        "NextToken=abc",
        "Bearer of bad news",
    ],
)
def test_what_only_speaks_of_secrets_stays(text: str) -> None:
    """A sentence that lost its words helps nobody at 3 a.m."""
    assert PLAIN.text(text) == text


@pytest.mark.parametrize("name", ["Password", "db_password", "ApiKey", "SecretString", "sessionToken", "Authorization"])
def test_names_of_secrets(name: str) -> None:
    """Their values are masked, whatever they look like."""
    assert is_secret_name(name)
    assert PLAIN.json({name: "abcdef"}) == {name: MASK}
    assert PLAIN.json({name: {"deep": ["abcdef"]}}) == {name: {"deep": [MASK]}}


@pytest.mark.parametrize("name", ["SecretId", "NextToken", "ClientToken", "PasswordPolicy", "alarm_key", "KeyName"])
def test_names_that_are_none(name: str) -> None:
    """An id of a secret is what a responder needs to read."""
    assert PLAIN.json({name: "abcdef"}) == {name: "abcdef"}


def test_a_pair_of_name_and_value_is_known() -> None:
    """Environments of containers and parameters of Parameter Store are lists of pairs."""
    pairs: Json = [
        {"Name": "/prod/db/password", "Value": "abc"},
        {"Name": "/prod/db/host", "Type": "SecureString", "Value": "abc"},
        {"Name": "/prod/db/host", "Type": "String", "Value": "abc"},
    ]

    masked = PLAIN.json(pairs)

    assert [each["Value"] for each in masked] == [MASK, MASK, "abc"]  # type: ignore[union-attr,index,call-overload]


def test_short_secrets_hide_whole_words_only() -> None:
    """A secret `cat` must not make a category unreadable, and `true` is no secret at all."""
    mask = masking(["cat", "true", "42"])

    assert mask.text("the cat in category 42 is true") == "the *** in category 42 is true"


def test_a_secret_of_secrets_manager_hides_its_parts() -> None:
    """The password within the JSON is hidden, its host and user are not."""
    text = '{"username": "admin", "password": "hunter22", "host": "db.example.com"}'

    assert set(leaves(text)) == {text, "hunter22"}
