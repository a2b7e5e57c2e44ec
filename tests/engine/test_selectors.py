"""Selectors: definite paths give a value, indefinite ones a list, and nothing runs for ever."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.document import MISSING, Missing
from engine.selectors import MOST_VISITS, SelectorError, compiled, select
from infra.canonical import Json
from tests.engine.corpus import needs_corpus, runbooks
from tests.engine.selectors_of import selectors_of

ANSWER: Json = {
    "Reservations": [
        {"Instances": [{"InstanceId": "i-1", "State": {"Name": "running"}}]},
        {"Instances": [{"InstanceId": "i-2", "State": {"Name": "stopped"}}, {"InstanceId": "i-3"}]},
    ],
    "Tags": [{"Key": "Name", "Value": "web"}, {"Key": "Env", "Value": "prod"}],
    "Stacks": [{"Tags": [{"Key": "a"}]}, {"Tags": [{"Key": "b"}]}],
    "Sizes": [3, 1, 2],
    "Null": None,
    "No": False,
    "a-b": 1,
    "a:b": 2,
    "with blank": 3,
    "it's": 4,
    "0": 5,
    "Outputs": {"step.Out": ["x"], "é": 6},
    "Payload": '{"text": "of JSON"}',
}


@pytest.mark.parametrize(
    ("selector", "found"),
    [
        # documented: rooted, dots, deep scan, index
        ("$.Reservations[0].Instances[0].State.Name", "running"),
        ("$.Reservations..Instances..InstanceId", ["i-1", "i-2", "i-3"]),
        ("$..Name", ["running", "stopped"]),
        ("$.Sizes[1]", 1),
        ("$.Sizes", [3, 1, 2]),
        # seen in AWS's own documents
        ("$", ANSWER),
        ("$['Sizes'][0]", 3),
        ('$["Sizes"]', [3, 1, 2]),
        ("$.Tags[?(@.Key=='Name')].Value", ["web"]),
        ("$.Tags[?(@.Key == 'Env')].Value", ["prod"]),
        ("$.Tags[?(@.Key=='None')].Value", []),
        ("Sizes[0]", 3),
        ("Reservations..InstanceId", ["i-1", "i-2", "i-3"]),
        ("$.Outputs.'step.Out'[0]", "x"),
        # in Jayway, and harmless
        ("$.Tags[*].Key", ["Name", "Env"]),
        ("$.Tags.*.Key", ["Name", "Env"]),
        ("$.Sizes[-1]", 2),
        ("$.Sizes[0:2]", [3, 1]),
        ("$.Sizes[0,2]", [3, 2]),
        ("$.['Sizes'][0]", 3),
        ("$..['Value']", ["web", "prod"]),
        ("$.Tags[?(@.Key=='Name' || @.Value=='prod')].Key", ["Name", "Env"]),
        ("$.Tags[?(@.Nope)]", []),
        ("$.Sizes.length()", 3),
        ("$..InstanceId.length()", 3),
        ("$.Sizes.max()", 3),
        ("$.Sizes.sum()", 6),
        ("$.Sizes.avg()", 2.0),
        ("$.Tags[0].keys()", ["Key", "Value"]),
        ("$.Sizes.first()", 3),
        ("$.Stacks..Tags", [[{"Key": "a"}], [{"Key": "b"}]]),
        # keys of any kind
        ("$.a-b", 1),
        ("$.a:b", 2),
        ("$.with blank", 3),
        ('$["it\'s"]', 4),
        ("$.0", 5),
        ("$.Outputs.é", 6),
        # null is a value, absence is not
        ("$.Null", None),
        ("$.No", False),
        ("$.Nope", MISSING),
        ("$.Nope.Deeper[0]", MISSING),
        ("$.Null.Deeper", MISSING),
        ("$.Sizes[9]", MISSING),
        ("$.Sizes.Name", MISSING),
        ("$.Nope.length()", MISSING),
        ("$..Nope", []),
        ("  $.No  ", False),
    ],
)  # fmt: skip
def test_select(selector: str, found: Json | Missing) -> None:
    """What is found where; types are kept."""
    value = select(selector, ANSWER)

    assert value == found
    assert type(value) is type(found)


@pytest.mark.parametrize(
    ("root", "selector", "found"),
    [
        ("plain text", "$", "plain text"),
        ('{"a": 1}', "$", '{"a": 1}'),
        ('{"a": 1}', "$.a", MISSING),
        ('{"a": 1}', "$..a", []),
        (None, "$", None),
        (5, "$.a", MISSING),
        ([1, 2], "$[1]", 2),
        ([1, 2], "[1]", 2),
    ],
)
def test_any_root(root: Json, selector: str, found: Json | Missing) -> None:
    """A Lambda function may return a text or a number; a text is never parsed as JSON on the way."""
    assert select(selector, root) == found


@pytest.mark.parametrize(
    ("selector", "sentence"),
    [
        ("", "the selector is empty; $ stands for the whole answer"),
        ("$.", 'the selector "$." cannot be read: a name is missing after the dot'),
        ("$.a..", 'the selector "$.a.." cannot be read: a name is missing after the dot'),
        ("$.a[", 'the selector "$.a[" cannot be read: a bracket is not closed'),
        ("$.a['b]", 'the selector "$.a[\'b]" cannot be read: a quote is not closed'),
        ("$a", 'the selector "$a" cannot be read: "a" is not expected'),
        ("$.a|$.b", 'the selector "$.a|$.b" cannot be read: "|" is not expected'),
        ("$.a[b]", 'the selector "$.a[b]" cannot be read: brackets hold a quoted name, an index, a slice, * or ?(…)'),
        ("$.Tags[?(@.Key =~ /N.*/)]", "regular expressions in selectors are not supported"),
        ("$.Tags[?(match(@.Key, 'x'))]", "regular expressions in selectors are not supported"),
        ("$.Tags[?(@..Key)]", "a filter may not contain a deep scan (..) or another filter"),
        ("$.Tags[?(@[?(@.x)])]", "a filter may not contain a deep scan (..) or another filter"),
        ("$..a..b..c..d..e..f..g", "a selector may have at most 6 deep scans (..)"),
        ("$." + "a" * 500, "a selector may have at most 500 characters"),
        ("$.No.length()", '"length()" of the selector "$.No.length()" does not fit what was found'),
        ("$.Tags.max()", '"max()" of the selector "$.Tags.max()" does not fit what was found'),
    ],
)
def test_what_cannot_be_read_is_refused_with_a_sentence(selector: str, sentence: str) -> None:
    """A SelectorError quotes the selector and says what is wrong."""
    with pytest.raises(SelectorError) as caught:
        select(selector, ANSWER)

    assert str(caught.value) == sentence


def test_a_text_with_brackets_in_a_filter_is_a_text() -> None:
    """Quotes protect dots, brackets and question marks."""
    root: Json = {"a": [{"k": "x..y[?]", "v": 1}, {"k": "z", "v": 2}]}

    assert select("$.a[?(@.k=='x..y[?]')].v", root) == [1]


class Counted(dict[str, Any]):
    """A map that counts how many of its entries were looked at, in all of them together."""

    looked = 0

    def items(self) -> Any:
        """All entries."""
        Counted.looked += len(self)
        return super().items()

    def values(self) -> Any:
        """All entries."""
        Counted.looked += len(self)
        return super().values()

    def __iter__(self) -> Iterator[str]:
        """All entries."""
        Counted.looked += len(self)
        return super().__iter__()

    def __getitem__(self, key: str) -> Any:
        """One entry."""
        Counted.looked += 1
        return super().__getitem__(key)


def chain(depth: int, width: int) -> Counted:
    """Maps in maps, each with `width` more entries."""
    Counted.looked, inner = 0, Counted()
    for _ in range(depth):
        inner = Counted({"a": inner, **{f"b{number}": number for number in range(width)}})
    return inner


@pytest.mark.parametrize("selector", ["$..a..a..a..a", "$..*..*..*..*", "$..a..*..b1", "$..a[?(@.b1==1)]..a..b2"])
@pytest.mark.parametrize(("depth", "width"), [(80, 3), (400, 3), (60, 200), (5000, 0)])
def test_no_selector_runs_for_ever(selector: str, depth: int, width: int) -> None:
    """Deep scans multiply; what would look at too much is refused after one look at everything."""
    root = chain(depth, width)
    try:
        select(selector, root)
    except SelectorError as error:
        assert "too many deep scans" in str(error)  # noqa: PT017 - either answer is right
        assert Counted.looked <= depth * (width + 1)

    assert 0 < Counted.looked <= MOST_VISITS


@given(st.text("$.[]()?@'\"=<>&|*:,-!~^#ab01 ", max_size=40))
def test_any_text_is_a_selector_or_its_own_error(selector: str) -> None:
    """Nothing but a value, MISSING or SelectorError comes out."""
    try:
        found = select(selector, ANSWER)
    except SelectorError:
        return

    assert found is MISSING or found is None or isinstance(found, (str, int, float, list, dict))


@needs_corpus
def test_every_selector_of_the_wild_can_be_read() -> None:
    """All selectors of all documents in the corpus compile."""
    for name, text in runbooks("aws-owned", "community/docs", "community/expanded"):
        for selector in selectors_of(name, text):
            assert compiled(selector).text == selector
