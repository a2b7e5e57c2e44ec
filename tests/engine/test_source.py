"""Reading files: plain data with positions, and a sentence for every way to get it wrong."""

import json
from typing import Final

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.document import Position, Problem, RunbookRefused
from engine.source import LARGEST_FILE, decode, read
from infra.canonical import Json
from tests.engine.corpus import needs_corpus, runbooks


def refusal(text: str, *, file: str = "") -> str:
    """The first problem of a text that must be refused, as people see it."""
    with pytest.raises(RunbookRefused) as caught:
        read(text, file=file)
    return str(caught.value.problems[0])


def test_values_and_keys_know_their_places() -> None:
    """Line and column of every value and every key are kept, counted from 1."""
    source = read("a: 1\nb:\n  - x\n  - c: y\n")

    assert source.tree == {"a": 1, "b": ["x", {"c": "y"}]}
    assert source.positions["b", 1, "c"] == Position(4, 8)
    assert source.keys["b", 1, "c"] == Position(4, 5)


def test_json_knows_its_places_too() -> None:
    """JSON is read by its own rules, with the same positions."""
    source = read('{\n  "a": {"b": [1, true,\n    null, "\\u00e9"]}\n}', file="x.json")

    assert source.tree == {"a": {"b": [1, True, None, "é"]}}
    assert source.positions["a", "b", 3] == Position(3, 11)
    assert source.keys["a", "b"] == Position(2, 9)


def test_an_unknown_place_is_that_of_its_parent() -> None:
    """What is missing is reported where it should stand."""
    source = read("a:\n  b: 1\n")

    assert source.at(("a", "missing", "deeper")) == Position(1, 1)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2012-10-17", "2012-10-17"),
        ("yes", "yes"),
        ("on", "on"),
        ("No", "No"),
        ("012", "012"),
        ("012345678901", "012345678901"),
        ("12:30:45", "12:30:45"),
        ("1_000", "1_000"),
        ("0x1F", "0x1F"),
        ("1e999", "1e999"),
        ("'true'", "true"),
        ("true", True),
        ("FALSE", False),
        ("~", None),
        ("", None),
        ("null", None),
        ("-17", -17),
        ("123456789012", 123456789012),
        ("1.5", 1.5),
        (".5", 0.5),
        ("0.3", 0.3),
        ("'0.3'", "0.3"),
        ("!!str 12", "12"),
        ("! 12", "12"),
        ("i-0123", "i-0123"),
        ("'{{ P }}'", "{{ P }}"),
        ("|\n  two\n  lines\n", "two\nlines\n"),
    ],
)
def test_scalars_are_read_as_yaml_1_2_says(text: str, value: Json) -> None:
    """Dates, yes/no and numbers with leading zeros stay what the author wrote."""
    source = read(f"a: {text}")

    assert source.tree == {"a": value}
    assert isinstance(source.tree, dict)
    assert type(source.tree["a"]) is type(value)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "<document>:1:1 the file is empty"),
        ("# only a comment", "<document>:1:1 the file is empty"),
        ("a: {{ P }}", '<document>:1:5 a key must be text; put quotes around "{{ … }}"'),
        ("b: 1\na: [{{ P }}]", '<document>:2:6 a key must be text; put quotes around "{{ … }}"'),
        (
            "a: 1\nb: 2\na: 3",
            '<document>:3:1 the key "a" stands here a second time (first in line 1); keep one of them',
        ),
        ("a: &x [1]\nb: *x", "<document>:2:4 aliases (*x) are not supported; write the value out"),
        ("a: 1\n---\nb: 2", "<document>:2:1 a second document begins here (---); one file is one"),
        ("a: !!int abc", '<document>:1:4 "abc" is not what its tag !!int says'),
        ("a: !!bool 1", '<document>:1:4 "1" is not what its tag !!bool says'),
        ("a: \x01", "<document>:1:4 the character U+0001 is not allowed here"),
        ("a: 1\nb: '\ud800'", "<document>:2:5 the character U+D800 is not allowed here"),
        (
            "a: !Sub x",
            "<document>:1:4 the tag !Sub is not supported; resolve CloudFormation's functions before it is read",
        ),
    ],
)
def test_yaml_mistakes_have_a_place_and_a_sentence(text: str, sentence: str) -> None:
    """What is wrong, where, and what would be right."""
    assert refusal(text) == sentence


def test_syntax_errors_of_yaml_come_with_advice() -> None:
    """The parser's terse words are followed by what usually helps."""
    assert refusal("a:\n\tb: 1").startswith("<document>:2:1 YAML not well-formed: ")
    assert "use spaces for indentation" in refusal("a:\n\tb: 1")
    assert "put quotes around a text that contains" in refusal("a: b: c")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('{"a": 1,}', "x.json:1:8 JSON not well-formed: there is a comma after the last member"),
        ('{"a": 1 "b": 2}', 'x.json:1:9 JSON not well-formed: "," or "}" is expected here'),
        ('{"a" 1}', 'x.json:1:6 JSON not well-formed: ":" is expected after the key'),
        ("{a: 1}", "x.json:1:2 JSON not well-formed: a key in double quotes is expected here"),
        ('{"a": 1} x', "x.json:1:10 JSON not well-formed: nothing may follow the last bracket"),
        ('{"a": NaN}', "x.json:1:7 JSON not well-formed: a value is expected here"),
        ('{"a": 1e999}', "x.json:1:7 JSON not well-formed: this number is too large"),
        ('{"a": ' + "1" * 500 + "}", "x.json:1:7 JSON not well-formed: this number is too long"),
        ('{\n"a": "x', "x.json:2:6 JSON not well-formed: this text has an error: unterminated string starting at"),
        ("", "x.json:1:1 JSON not well-formed: a value is expected here"),
    ],
)
def test_json_mistakes_have_a_place_and_a_sentence(text: str, sentence: str) -> None:
    """A file called *.json is strict JSON."""
    assert refusal(text, file="x.json") == sentence


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"a: \xc3\xa4", "a: \u00e4"),
        (b"\xef\xbb\xbfa: 1", "a: 1"),
        (b"", ""),
    ],
)
def test_bytes_are_utf_8(data: bytes, text: str) -> None:
    """With or without a byte order mark."""
    assert decode(data) == text


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"a: 1\nb: \xe4", "x:2:4 the file is not UTF-8 text (byte 0xe4 is not UTF-8); save it as UTF-8"),
        (b"\xc3\xa4\xe4", "x:1:2 the file is not UTF-8 text (byte 0xe4 is not UTF-8); save it as UTF-8"),
        ("a: 1".encode("utf-16"), "x:1:1 the file is not UTF-8 text (UTF-16); save it as UTF-8"),
        (b"x" * (LARGEST_FILE + 1), "x:1:1 the file is larger than 16,000,000 bytes"),
    ],
)
def test_other_bytes_are_refused_with_a_place(data: bytes, sentence: str) -> None:
    """Line and column of the first byte that is no UTF-8."""
    with pytest.raises(RunbookRefused) as caught:
        decode(data, file="x")

    assert str(caught.value) == sentence


def test_braces_in_yaml_are_no_json() -> None:
    """A text that begins with a brace but is YAML's flow style is read as that, unless its name says JSON."""
    assert read("{a: 1, b: [x]} # note").tree == {"a": 1, "b": ["x"]}
    assert read('{"a": 1,}').tree == {"a": 1}
    assert refusal('{"a": [1}').endswith('1:9 JSON not well-formed: "," or "]" is expected here')


def test_duplicates_may_be_warnings() -> None:
    """Where AWS would take the last of two equal keys, so does the reader, and says so."""
    source = read("a: 1\na:\n  b: 2\n", duplicates="warn")

    assert source.tree == {"a": {"b": 2}}
    assert [(warning.code, warning.severity, str(warning.position)) for warning in source.warnings] == [
        ("SRC008", "warning", "Position(line=2, column=1)")
    ]
    assert source.keys["a",] == Position(2, 1)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("a: on", "SRC102"),
        ("a: 2026-01-31", "SRC102"),
        ("a: 007", "SRC102"),
        ("a: 22:22", "SRC102"),
        ("a: 0x1F", "SRC102"),
        ("a: 1.10", "SRC103"),
        ("a: .inf", "SRC102"),
        ("a: -.INF", "SRC102"),
        ("a: .NaN", "SRC102"),
        ("a: 1e3", "SRC103"),
        ("on: x", "SRC102"),
        ("a: {No: x}", "SRC102"),
        ("a: &b 1", "SRC101"),
    ],
)
def test_traps_are_warned_of(text: str, code: str) -> None:
    """Scalars that other readers take for something else, and anchors, are named."""
    assert [warning.code for warning in read(text).warnings] == [code]


@pytest.mark.parametrize(
    "text", ["a: 'on'", "a: 10", "a: 1.5", "a: online", "'on': x", "online: x", "a: v1", "a: 10.0.0.1"]
)
def test_what_everybody_reads_alike_is_no_trap(text: str) -> None:
    """Quotes, plain numbers, words and keys are not warned of."""
    assert read(text).warnings == ()


DEEP: Final = "the file is nested deeper than 60 levels"
WIDE: Final = "the file has more than 50,000 values"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[" * 100_000, f"1:62 {DEEP}"),
        ('{"a":' * 100_000, f"1:306 {DEEP}"),
        ("- " * 100_000, f"1:123 {DEEP}"),
        ("{" * 100_000, f"1:63 {DEEP}"),
        ("? " * 50_000, f"1:125 {DEEP}"),
        ("- 1\n" * 60_000, f"50000:3 {WIDE}"),
        ("[" + "1," * 60_000 + "1]", f"1:100000 {WIDE}"),
        ("x" * 5_000_000, "1:1 the file is larger than 4,000,000 characters"),
        (
            "a: &a [x,x]\nb: &b [*a,*a]\nc: [*b,*b]",
            "2:8 aliases (*a) are not supported; write the value out",
        ),
    ],
    ids=["[", "{a:", "-", "{", "?", "lines", "row", "text", "aliases"],
)
def test_no_file_can_do_harm(text: str, sentence: str) -> None:
    """Deep, wide, huge and explosive files are read up to the limit, and not a value further."""
    assert refusal(text) == f"<document>:{sentence}"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**15), 10**15) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"), max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abc: {}'\"-#", max_size=6), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@given(JSON)
def test_json_is_read_as_python_reads_it(value: Json) -> None:
    """Whatever Python writes as JSON is read back, with a position for each value."""
    text = json.dumps(value, ensure_ascii=False, indent=1)
    source = read(text, file="x.json")

    assert source.tree == value
    assert () in source.positions


@given(JSON)
def test_yaml_is_read_as_it_was_meant(value: Json) -> None:
    """Whatever PyYAML writes with quotes around its texts is read back."""
    text = yaml.safe_dump({"a": value}, default_style='"', allow_unicode=True)

    assert read(text).tree == {"a": value}


@given(st.text(max_size=200) | st.text("{}[]:,-\"'&*!|>#%@ \n\tab1.", max_size=60))
@settings(max_examples=300)
def test_any_text_is_read_or_refused(text: str) -> None:
    """Nothing but a Source or RunbookRefused comes out, and every refusal has a place."""
    for file in ("x.yaml", "x.json"):
        problems: tuple[Problem, ...] = ()
        try:
            read(text, file=file)
        except RunbookRefused as refused:
            problems = refused.problems

        assert all(problem.position and problem.message for problem in problems)


@needs_corpus
def test_malformed_files_of_the_wild_have_a_position() -> None:
    """Each malformed document of the corpus is refused, in the middle of the file rather than at its start."""
    for name, text in runbooks("community/malformed"):
        with pytest.raises(RunbookRefused) as caught:
            read(text, file=name)

        place = caught.value.problems[0].position
        assert place is not None, name
        assert place.line > 1, name
