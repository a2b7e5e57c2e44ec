import builtins
import io
import re
import struct
from itertools import combinations
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.document import Document, RunbookRefused
from engine.edges import EdgeKind
from engine.graph import END, Graph, Kind, Node, Way, condition_words, graph_of, mermaid
from engine.graph_colours import STATUS, STEP
from engine.graph_layers import Link, Size, place
from engine.graph_layout import Box, Picture, laid_out
from engine.graph_png import PictureMissing, dashes, png
from engine.graph_svg import svg
from engine.validation import parse
from tests.engine.corpus import needs_corpus, runbooks

BOOK = """\
schemaVersion: "0.3"
parameters:
  InstanceId: {type: String}
  Names: {type: StringList}
mainSteps:
  - name: look
    action: aws:executeAwsApi
    inputs: {Service: EC2, Api: describe_instances, InstanceIds: ["{{ InstanceId }}"]}
    outputs: [{Name: State, Selector: "$.Reservations[0].Instances[0].State.Name", Type: String}]
  - name: decide
    action: aws:branch
    inputs:
      Choices:
        - NextStep: ask
          And:
            - {Variable: "{{ look.State }}", StringEquals: running}
            - Not: {Variable: "{{ InstanceId }}", StartsWith: "mi-"}
      Default: each
  - {name: ask, action: "aws:approve", inputs: {Approvers: [a], Message: "<stop> & go?"}}
  - name: stop
    action: aws:changeInstanceState
    onFailure: step:tell
    onCancel: step:tell
    isCritical: false
    maxAttempts: 3
    isEnd: true
    inputs: {InstanceIds: ["{{ InstanceId }}"], DesiredState: stopped}
  - name: each
    action: aws:loop
    inputs:
      Iterators: "{{ Names }}"
      Steps:
        - {name: nap, action: "aws:sleep", inputs: {Duration: PT1S}}
        - name: poke
          action: aws:executeAwsApi
          onFailure: step:tell
          inputs: {Service: ec2, Api: RebootInstances, InstanceIds: [x]}
  - {name: tell, action: "aws:executeScript", inputs: {Runtime: python3.11, Handler: h, Script: "def h(e, c): pass"}}
"""


@pytest.fixture(scope="module")
def document() -> Document:
    """A runbook with everything that a picture can show."""
    return parse(BOOK, name="book")


@pytest.fixture(scope="module")
def graph(document: Document) -> Graph:
    """Its graph."""
    return graph_of(document)


def test_steps_say_what_they_do(graph: Graph) -> None:
    """The operation in AWS's spelling, what is special, and which loop a step stands in."""
    nodes = {node.name: node for node in graph.nodes}

    assert nodes["look"] == Node("look", Kind.READS, "ec2:DescribeInstances")
    assert nodes["stop"] == Node(
        "stop", Kind.CHANGES, "bring instances stopped", ("up to 3 attempts", "its failure does not count")
    )
    assert nodes["poke"] == Node("poke", Kind.CHANGES, "ec2:RebootInstances", loop="each")
    assert (nodes["each"].kind, nodes["each"].detail) == (Kind.LOOPS, "for each of Names")
    assert [nodes[name].kind for name in ("decide", "ask", "nap", "tell")] == [
        Kind.DECIDES, Kind.ASKS, Kind.WAITS, Kind.RUNS,
    ]  # fmt: skip


def test_every_way_is_there_with_its_words(graph: Graph) -> None:
    """Choices in words, failure, cancel, out of a loop, and the ends."""
    assert set(graph.ways) == {
        Way("look", "decide", EdgeKind.NEXT),
        Way("decide", "ask", EdgeKind.CHOICE, "look.State = running and not (InstanceId starts with mi-)"),
        Way("decide", "each", EdgeKind.DEFAULT, "otherwise"),
        Way("ask", "stop", EdgeKind.NEXT),
        Way("stop", END, EdgeKind.NEXT),
        Way("stop", "tell", EdgeKind.FAILURE, "if it fails"),
        Way("stop", "tell", EdgeKind.CANCEL, "if cancelled"),
        Way("each", "tell", EdgeKind.NEXT),
        Way("nap", "poke", EdgeKind.NEXT),
        Way("poke", "each", EdgeKind.AGAIN, "again"),
        Way("poke", "tell", EdgeKind.FAILURE, "if it fails"),
        Way("tell", END, EdgeKind.NEXT),
    }


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        ({"Variable": "{{ a.b }}", "NumericGreaterOrEquals": 3}, "a.b ≥ 3"),
        ({"Variable": "{{ a.b }}", "StringEquals": ""}, 'a.b = ""'),
        ({"Variable": "{{ a }}", "StartsWith": "x-{{ Env }}"}, "a starts with x-{Env}"),
        (
            {"And": [{"Variable": "x", "BooleanEquals": True}, {"Or": [{"Variable": "y", "StringEquals": "1"},
             {"Variable": "z", "Contains": "{{ Q }}"}]}]},
            "x = true and (y = 1 or z contains Q)",
        ),
    ],
)  # fmt: skip
def test_conditions_are_told_in_words(condition: dict[str, Any], words: str) -> None:
    """As a person would say them."""
    assert condition_words(condition) == words


def test_mermaid_is_a_flowchart_with_dashed_failure_ways(graph: Graph) -> None:
    """Each node and way once; the loop is a subgraph."""
    lines = [line.strip() for line in mermaid(graph).splitlines()]

    assert lines[0] == "flowchart TD"
    assert 's0["<b>look</b><br/>ec2:DescribeInstances"]:::reads' in lines
    assert 'subgraph s4 ["<b>each</b><br/>for each of Names"]' in lines
    assert 's3 -.->|"if it fails"| s7' in lines
    assert 's6 -.->|"if it fails"| s7' in lines
    assert "s3 --> finish" in lines
    assert lines.count("end") == 1
    assert sum("-->" in line or "-.->" in line for line in lines) == len(graph.ways) - 1


def test_mermaid_cannot_be_broken_by_a_value() -> None:
    """Quotes, brackets' friends and HTML come as entities."""
    node = Node("a", Kind.CHANGES, 'say "no" <b>|#;`%%{}')
    text = mermaid(Graph("x", (node,), (Way("a", END, EdgeKind.CHOICE, '"quoted" | <i>'),)))

    assert "say #34;no#34; #60;b#62;#124;#35;#59;#96;#37;#37;#123;#125;" in text
    assert '|"#34;quoted#34; #124; #60;i#62;"|' in text


def test_svg_is_well_formed_and_tells_every_step(graph: Graph) -> None:
    """One title for each step, one line for each way that is drawn, dashes for failure and cancel."""
    root = ET.fromstring(svg(laid_out(graph)))
    space = "{http://www.w3.org/2000/svg}"
    texts = {element.text for element in root.iter(f"{space}text")}
    paths = list(root.iter(f"{space}path"))

    assert {node.name for node in graph.nodes} <= texts
    assert {"if it fails", "if cancelled", "otherwise", "poke: if it fails"} <= texts
    assert len(paths) == len(graph.ways) - 1
    assert sum("stroke-dasharray" in path.attrib for path in paths) == 3


def test_a_running_execution_is_shown_by_colours(graph: Graph) -> None:
    """Steps get the colour of their status; what was not reached is pale."""
    text = svg(laid_out(graph), {"look": "Success", "decide": "Success", "ask": "Waiting"})

    assert text.count(f'fill="{STATUS["Success"][0]}"') == 2
    assert text.count(f'fill="{STATUS["Waiting"][0]}"') == 1
    assert STEP[Kind.CHANGES][0] not in text


def test_png_is_a_picture_of_the_same_size(graph: Graph) -> None:
    """Twice as many pixels as the SVG has units."""
    pytest.importorskip("PIL", reason="Pillow is not installed: no PNG")
    picture = laid_out(graph)
    content = png(picture)
    width, height = struct.unpack(">II", content[16:24])

    assert content.startswith(b"\x89PNG\r\n")
    assert abs(width - picture.width * 2) <= 1
    assert abs(height - picture.height * 2) <= 1


def test_a_huge_picture_is_painted_smaller() -> None:
    """No flow makes more than twelve million pixels."""
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed: no PNG")
    content = png(Picture("big", 8_000.0, 8_000.0, (), ()))

    assert image.open(io.BytesIO(content)).width == 3465


def test_without_pillow_the_sentence_says_what_to_do(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    """The extra is named, and SVG as the way out."""
    real = builtins.__import__

    def without(name: str, *arguments: Any, **more: Any) -> Any:
        if name.startswith("PIL"):
            raise ImportError(name)
        return real(name, *arguments, **more)

    monkeypatch.setattr(builtins, "__import__", without)

    with pytest.raises(PictureMissing, match="--format svg"):
        png(laid_out(graph))


def test_many_failures_to_one_step_are_told_in_words() -> None:
    """A clean-up step that twelve steps lead to gets one line; the others say where they go."""
    names = [f"s{number}" for number in range(12)]
    nodes = (*(Node(name, Kind.CHANGES, "x") for name in names), Node("clean", Kind.RUNS, "y"))
    ways = [Way(one, other, EdgeKind.NEXT) for one, other in zip(names, [*names[1:], "clean"], strict=True)]
    failing = [Way(name, "clean", EdgeKind.FAILURE, "if it fails") for name in names]
    picture = laid_out(Graph("x", nodes, (*ways, *failing)))

    assert [line.label for line in picture.lines if line.kind is EdgeKind.FAILURE] == [
        "if it, or one of 11 others, fails"
    ]
    assert sum("if it fails: clean" in box.lines for box in picture.boxes) == 11


def overlapping(boxes: list[Box]) -> list[tuple[Box, Box]]:
    """Pairs of boxes that lie on each other."""
    return [
        (one, other)
        for one, other in combinations(boxes, 2)
        if abs(one.x - other.x) < (one.width + other.width) / 2 - 0.1
        and abs(one.y - other.y) < (one.height + other.height) / 2 - 0.1
    ]


@given(
    st.integers(1, 14).flatmap(
        lambda count: st.tuples(
            st.lists(st.integers(10, 300), min_size=count, max_size=count),
            st.lists(st.tuples(st.integers(0, count - 1), st.integers(0, count - 1), st.booleans()), max_size=30),
        )
    )
)
def test_any_graph_is_placed_without_overlap(drawn: tuple[list[int], list[tuple[int, int, bool]]]) -> None:
    """Circles and self-links included: boxes keep apart, every line begins and ends at its boxes' edges."""
    widths, pairs = drawn
    sizes = {index: Size(float(width), 40.0) for index, width in enumerate(widths)}
    links = [Link(one, other, Size(60.0, 18.0) if worded else None) for one, other, worded in pairs if one != other]
    placed = place(sizes, links)
    boxes = [Box(spot.x, spot.y, sizes[i].width, 40.0, None) for i, spot in placed.spots.items()]

    assert overlapping(boxes) == []
    assert place(sizes, links) == placed
    for link, route, label in zip(links, placed.routes, placed.labels, strict=True):
        assert abs(abs(route[0][1] - placed.spots[link.source].y) - 20.0) < 0.01
        assert abs(abs(route[-1][1] - placed.spots[link.target].y) - 20.0) < 0.01
        assert (label is None) == (link.label is None)


def test_dashes_lie_on_the_line() -> None:
    """Five units drawn, four left out."""
    assert list(dashes([(0.0, 0.0), (20.0, 0.0)])) == [
        [(0.0, 0.0), (5.0, 0.0)],
        [(9.0, 0.0), (14.0, 0.0)],
        [(18.0, 0.0), (20.0, 0.0)],
    ]


@needs_corpus
def test_every_runbook_of_the_corpus_can_be_drawn() -> None:
    """No overlap, well-formed SVG, one Mermaid node for each step."""
    drawn = 0
    for name, text in runbooks("aws-owned", "community"):
        try:
            graph = graph_of(parse(text, name=name))
        except RunbookRefused:
            continue
        picture = laid_out(graph)
        assert overlapping([box for box in picture.boxes if not box.is_frame]) == [], name
        ET.fromstring(svg(picture))
        assert len(re.findall(":::[a-z]+\n", mermaid(graph))) == sum(
            node.kind is not Kind.LOOPS for node in graph.nodes
        ), name
        drawn += 1
    assert drawn > 0
