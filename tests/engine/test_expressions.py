"""References: found, resolved once with their types kept, rendered into text, coerced to a type."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.document import MISSING, Missing
from engine.expressions import UNKNOWN, CoercionError, Scope, coerce, references, render, resolve
from infra.canonical import Json

SCOPE = Scope(
    parameters={
        "Name": "web",
        "Ids": ["i-1", "i-2"],
        "One": ["i-9"],
        "Count": 3,
        "Force": False,
        "Tags": {"k": "v"},
        "Nothing": None,
        "Sly": "{{ Name }}",
        "None": [],
    },
    outputs={"look": {"Id": "vol-1", "List": ["a", "b"], "Payload": {"ok": True, "n": [1, 2]}}, "each": {"Current": 7}},
    variables={"Seen": ["x"]},
    system={"global:REGION": "eu-west-1", "automation:EXECUTION_ID": "e-1"},
    steps=frozenset({"look", "each", "later"}),
)


@pytest.mark.parametrize(
    ("reference", "value"),
    [
        ("Name", "web"),
        ("look.Id", "vol-1"),
        ("variable:Seen", ["x"]),
        ("global:REGION", "eu-west-1"),
        ("automation:EXECUTION_ID", "e-1"),
        ("look.Missing", MISSING),
        ("later.Id", MISSING),
        ("nobody.Id", UNKNOWN),
        ("Nobody", UNKNOWN),
        ("variable:Nobody", UNKNOWN),
        ("global:NOBODY", UNKNOWN),
        ("Seen", UNKNOWN),
    ],
)
def test_lookup(reference: str, value: object) -> None:
    """A value, MISSING for an output that is not there, UNKNOWN for what is no reference."""
    assert SCOPE.lookup(reference) == value


@pytest.mark.parametrize(
    ("value", "resolved"),
    [
        # a whole reference keeps the type of its value (4.2)
        ("{{ Count }}", 3),
        ("{{Count}}", 3),
        ("  {{   Count }} ", 3),
        ("{{ Force }}", False),
        ("{{ Tags }}", {"k": "v"}),
        ("{{ Ids }}", ["i-1", "i-2"]),
        ("{{ Nothing }}", None),
        ("{{ look.Payload }}", {"ok": True, "n": [1, 2]}),
        # inside a longer text it is rendered
        ("n={{ Count }}", "n=3"),
        ("{{ Force }}/{{ Name }}", "false/web"),
        ("{{ Name }}{{ Name }}", "webweb"),
        ("x {{ Tags }} y", 'x {"k":"v"} y'),
        ("x {{ Ids }}", 'x ["i-1","i-2"]'),
        ("x {{ One }}", "x i-9"),
        ("x {{ None }}", "x []"),
        ('{"a": {{ look.Payload }}}', '{"a": {"ok":true,"n":[1,2]}}'),
        ("x {{ Nothing }}.", "x ."),
        ("x {{ later.Id }}.", "x ."),
        # other braces stay
        ("{{ Nobody }}", "{{ Nobody }}"),
        ("f'{{name}} {{ Name }}'", "f'{{name}} web'"),
        ("{{ nobody.Id }}", "{{ nobody.Id }}"),
        ("{ Name }", "{ Name }"),
        ("{{ Name", "{{ Name"),
        ("{{{ Name }}}", "{web}"),
        ("{{ {{ Name }} }}", "{{ web }}"),
        # lists are spliced where a whole reference gives one
        (["{{ Ids }}"], ["i-1", "i-2"]),
        (["a", "{{ Ids }}", "b"], ["a", "i-1", "i-2", "b"]),
        (["x {{ One }}"], ["x i-9"]),
        (["{{ None }}"], []),
        ([["{{ Ids }}"]], [["i-1", "i-2"]]),
        ([{"V": "{{ Ids }}"}], [{"V": ["i-1", "i-2"]}]),
        # what is wholly missing is left out
        ({"a": "{{ later.Id }}", "b": 1}, {"b": 1}),
        (["{{ later.Id }}", "b"], ["b"]),
        ({"a": {"b": "{{ look.Missing }}"}}, {"a": {}}),
        ("{{ later.Id }}", MISSING),
        # keys and other values stay
        ({"{{ Name }}": "{{ Name }}"}, {"{{ Name }}": "web"}),
        (5, 5),
        (None, None),
        (True, True),
    ],
)
def test_resolve(value: Json, resolved: Json | Missing) -> None:
    """The table of the specification's resolution algorithm."""
    found = resolve(value, SCOPE)

    assert found == resolved
    assert type(found) is type(resolved)


def test_what_has_no_value_can_stay_as_it_is_written() -> None:
    """A script's input keeps the reference, as AWS's scripts expect; elsewhere it is left out."""
    value: Json = {"a": "{{ later.Id }}", "b": "{{ Name }}/{{ later.Id }}", "c": ["{{ look.Missing }}"]}

    assert resolve(value, SCOPE) == {"b": "web/", "c": []}
    assert resolve(value, replace(SCOPE, keeps_absent=True)) == {
        "a": "{{ later.Id }}", "b": "web/{{ later.Id }}", "c": ["{{ look.Missing }}"],
    }  # fmt: skip


def test_a_declared_variable_without_a_value_is_absent() -> None:
    """It is no unknown name: a comparison with it is false, it does not compare its own spelling."""
    scope = replace(SCOPE, declared=frozenset({"Seen", "Later"}))

    assert scope.lookup("variable:Later") is MISSING
    assert scope.lookup("variable:Seen") == ["x"]
    assert scope.lookup("variable:Nobody") is UNKNOWN


def test_what_was_inserted_is_never_read_again() -> None:
    """A parameter's value that looks like a reference is text; nothing a user supplies is evaluated."""
    assert resolve("{{ Sly }}", SCOPE) == "{{ Name }}"
    assert resolve("x {{ Sly }}", SCOPE) == "x {{ Name }}"
    assert resolve(["{{ Sly }}"], SCOPE) == ["{{ Name }}"]


def test_references_are_found_anywhere() -> None:
    """In maps, lists and texts, in order, with repetitions."""
    value: Json = {"a": ["{{ X }} {{ y.Z }}"], "b": {"c": "{{variable:V}}"}, "{{ K }}": "{{ X }}"}

    assert list(references(value)) == ["X", "y.Z", "variable:V", "X"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("x", "x"),
        (None, ""),
        (True, "true"),
        (False, "false"),
        (12, "12"),
        (1.5, "1.5"),
        (["one"], "one"),
        ([True], "true"),
        (["a", 1], '["a",1]'),
        ([{"a": 1}], '[{"a":1}]'),
        ([["a"]], '[["a"]]'),
        ({"ä": None}, '{"ä":null}'),
        ([], "[]"),
    ],
)
def test_render(value: Json, text: str) -> None:
    """How a value looks inside a longer text."""
    assert render(value) == text


@pytest.mark.parametrize(
    ("value", "type_", "coerced"),
    [
        # the table of declared outputs (4.4)
        ("x", "String", "x"),
        (5, "String", "5"),
        (True, "String", "true"),
        (["only"], "String", "only"),
        ([{"a": 1}], "String", '{"a":1}'),
        (["a", "b"], "String", '["a","b"]'),
        ({"a": 1}, "String", '{"a":1}'),
        ([], "String", None),
        (7, "Integer", 7),
        ("7", "Integer", 7),
        (" -7 ", "Integer", -7),
        (7.0, "Integer", 7),
        ("7.0", "Integer", 7),
        (["7"], "Integer", 7),
        ([], "Integer", None),
        (True, "Boolean", True),
        ("True", "Boolean", True),
        ("false", "Boolean", False),
        ([False], "Boolean", False),
        (["a", 1], "StringList", ["a", "1"]),
        ("a", "StringList", ["a"]),
        (5, "StringList", ["5"]),
        ('["a", "b"]', "StringList", ["a", "b"]),
        ("[a", "StringList", ["[a"]),
        ([], "StringList", []),
        ([["a"], ["b", "c"]], "StringList", ["a", "b", "c"]),
        ([{"a": 1}], "StringList", ['{"a":1}']),
        ({"a": 1}, "StringMap", {"a": 1}),
        ('{"a": 1}', "StringMap", {"a": 1}),
        ([{"a": 1}], "StringMap", {"a": 1}),
        ([{"a": 1}], "MapList", [{"a": 1}]),
        ({"a": 1}, "MapList", [{"a": 1}]),
        ('[{"a": 1}]', "MapList", [{"a": 1}]),
        (['{"a": 1}'], "MapList", [{"a": 1}]),
        ([[{"a": 1}], [{"b": 2}]], "MapList", [{"a": 1}, {"b": 2}]),
        ([], "MapList", []),
        ({"x": [1]}, "", {"x": [1]}),
        (None, "String", None),
        (None, "Integer", None),
        (None, "MapList", None),
    ],
)
def test_coerce(value: Json, type_: str, coerced: Json) -> None:
    """A value as a declared type; null stays null."""
    found = coerce(value, type_)

    assert found == coerced
    assert type(found) is type(coerced)


@pytest.mark.parametrize(
    ("value", "type_", "sentence"),
    [
        ("x", "Integer", '"x" is not an Integer'),
        ("1_000", "Integer", '"1_000" is not an Integer'),
        (1.5, "Integer", '"1.5" is not an Integer'),
        ("1e999", "Integer", '"1e999" is not an Integer'),
        (True, "Integer", '"true" is not an Integer'),
        ([1, 2], "Integer", '"[1,2]" is not an Integer'),
        ("yes", "Boolean", '"yes" is not a Boolean; it should be true or false'),
        (1, "Boolean", '"1" is not a Boolean; it should be true or false'),
        ("x", "StringMap", '"x" is not a StringMap; it should be a map, or JSON of one'),
        ('{"a": NaN}', "StringMap", '"{"a": NaN}" is not a StringMap; it should be a map, or JSON of one'),
        ("[1]", "MapList", '"[1]" is not a MapList; it should be a list of maps, or JSON of one'),
        ([1], "MapList", '"1" is not a MapList; it should be a list of maps, or JSON of one'),
        ("9" * 500, "Integer", '"' + "9" * 100 + '…" is not an Integer'),
    ],
)
def test_what_makes_no_sense_is_refused_with_a_sentence(value: Json, type_: str, sentence: str) -> None:
    """A CoercionError quotes the value, shortened."""
    with pytest.raises(CoercionError) as caught:
        coerce(value, type_)

    assert str(caught.value) == sentence


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
    | st.sampled_from(["{{ Name }}", "{{ Ids }}", "a {{ look.Payload }}", "{{ later.X }}", '{"a":', "[1, 2]", "{{{{"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=10,
)  # fmt: skip
TYPES = ["String", "Integer", "Boolean", "StringList", "StringMap", "MapList", ""]


@given(JSON)
def test_resolving_never_fails(value: Json) -> None:
    """Whatever a document holds, resolving gives a value, and resolving plain values changes nothing."""
    resolve(value, SCOPE)

    assert list(references(value)) != [] or repr(resolve(value, SCOPE)) == repr(value)


@given(JSON, st.sampled_from(TYPES))
def test_coercing_gives_the_type_or_its_own_error(value: Json, type_: str) -> None:
    """Every value is null, of the declared type, or a CoercionError."""
    kinds: dict[str, Any] = {"String": str, "Integer": int, "Boolean": bool, "StringList": list, "StringMap": dict}
    kinds["MapList"] = list
    try:
        found = coerce(value, type_)
    except CoercionError:
        return

    assert found is None or not type_ or isinstance(found, kinds[type_])


@given(st.text("{}.: aA1\n", max_size=60))
def test_any_text_is_resolved_to_text(text: str) -> None:
    """Braces in any order do no harm."""
    assert isinstance(resolve(text, Scope(parameters={"a": "x", "A": "y"})), str)


def test_a_value_beyond_all_depth_is_still_text() -> None:
    """A script may return lists in lists; rendering one is not an error of ours."""
    deep: Json = "x"
    for _ in range(5000):
        deep = [deep]

    assert render({"a": deep}) == "(a value that is nested too deeply to be written)"
