import json
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from engine.document import RunbookRefused
from engine.exporting import NotExportable, as_json_text, as_yaml_text, checked_name, exported
from engine.source import read
from engine.validation import parse
from tests.engine.corpus import needs_corpus, runbooks

TRAPS = [
    "", "0.3", "yes", "No", "on", "2024-01-01", "12:30:45", "1_000", "0o17", "0x1F", "010", "1e3", ".5", "~", "null",
    "=", "<<", "- x", "a: b", "# x", "'", '"', "{{ x }}", "%d", "@a", "`b`", "x #y", " lead", "trail ", "a\tb", "-",
    "?", "!x", "&x", "*x", "|", ">", "\u2028", "é", "🙂", "a\nb", "a\nb\n", "a \nb", "\ta\nb", "a\n\n", "\n", "a\r\nb",
]  # fmt: skip


@pytest.mark.parametrize("text", TRAPS)
def test_yaml_gives_every_reader_the_same_text(text: str) -> None:
    """Ours (YAML 1.2) and PyYAML's (YAML 1.1, as AWS's), as value and as key."""
    tree: Any = {"k": text, "list": [text], text or "empty": 1}
    written = as_yaml_text(tree)

    assert read(written).tree == tree
    assert yaml.safe_load(written) == tree


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**12), 10**12) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abc09-_ yn:.", min_size=1), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@given(JSON)
def test_any_value_survives(value: Any) -> None:
    """Written and read again, in both formats."""
    tree = {"value": value}

    assert read(as_yaml_text(tree)).tree == tree
    assert yaml.safe_load(as_yaml_text(tree)) == tree
    assert read(as_json_text(tree), file="x.json").tree == tree


def book(duration: str = "PT1S", **more: Any) -> str:
    """A small runbook."""
    step = {"name": "a", "action": "aws:sleep", "inputs": {"Duration": duration}}
    return json.dumps({"schemaVersion": "0.3", "mainSteps": [step], **more})


def test_an_unquoted_version_becomes_text() -> None:
    """AWS wants '0.3', not the number."""
    text = book().replace('"0.3"', "0.3")

    assert json.loads(exported(parse(text, name="x"), "json"))["schemaVersion"] == "0.3"
    assert "schemaVersion: '0.3'\n" in exported(parse(text, name="x"), "yaml")


def test_a_large_runbook_is_exported_without_layout() -> None:
    """Indented it would be more than 64 KB; as YAML it says that JSON has room."""
    steps = [{"name": f"s{i}", "action": "aws:sleep", "inputs": {"Duration": "PT1S"}} for i in range(950)]
    document = parse(json.dumps({"schemaVersion": "0.3", "mainSteps": steps}, separators=(",", ":")), name="big")

    assert len(exported(document, "json")) <= 65_536
    assert json.loads(exported(document, "json"))["mainSteps"] == steps
    with pytest.raises(NotExportable, match="as JSON it has room"):
        exported(document, "yaml")


@pytest.mark.parametrize("name", ["ab", "a b c", "AWS-Mine", "amazonThing", "x" * 129])
def test_names_that_aws_refuses_are_refused_before(name: str) -> None:
    """With what is wrong."""
    with pytest.raises(NotExportable, match=r"begins as only|is no name"):
        checked_name(name)


@needs_corpus
def test_every_runbook_of_the_corpus_survives_export() -> None:
    """Parse, export, parse: the same tree, for our reader and for a reader of YAML 1.1."""
    seen = 0
    for name, text in runbooks("aws-owned", "community"):
        try:
            document = parse(text, name=name)
        except RunbookRefused:
            continue
        tree = {**document.tree, "schemaVersion": "0.3"}
        assert parse(exported(document, "json"), name=name).tree == tree
        written = as_yaml_text(tree)
        assert read(written).tree == tree, name
        assert yaml.load(written, Loader=yaml.CSafeLoader) == tree, name
        seen += 1
    assert seen > 0
