"""A preview against the run itself: whatever the conductor does with random runbooks was in the preview."""

import json
from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from engine.actions import BY_NAME
from engine.document import Document
from engine.preview import Surroundings, preview
from engine.preview_aws import LookingAws
from engine.preview_result import Reach
from engine.rehearsal import play
from engine.rehearsal_file import read_rehearsals
from engine.validation import parse
from tests.engine.test_preview import RecordingAws

NOW = datetime(2026, 1, 5, 3, 0, tzinfo=UTC)
MOST = 9


@st.composite
def flows(draw: st.DrawFn) -> tuple[Document, dict[str, Any]]:
    """A runbook whose ways all lead forward, and how each of its scripts ends."""
    count = draw(st.integers(2, MOST))
    names = [f"s{number}" for number in range(count)]
    steps: list[dict[str, Any]] = []
    ends: dict[str, Any] = {}
    for number, name in enumerate(names):
        later = names[number + 1 :]
        scripts = [each["name"] for each in steps if each["action"] == "aws:executeScript"]
        values = ["{{ P }}", "{{ variable:V }}", *(f"{{{{ {script}.Id }}}}" for script in scripts)]
        kind = draw(st.sampled_from(["script", "nap", "branch", "update"] if later else ["script", "nap"]))
        step = _step(draw, kind, name, later, values)
        if kind == "script":
            gives = {"gives": {"Payload": {"id": draw(st.sampled_from(["a", "b", None]))}}}
            ends[name] = draw(st.sampled_from([gives, gives, {"fails": "it broke"}]))
        steps.append(step)
    tree = {
        "schemaVersion": "0.3",
        "parameters": {"P": {"type": "String"}},
        "variables": {"V": {"type": "String", "default": "a"}},
        "mainSteps": steps,
    }
    return parse(json.dumps(tree), name="flow"), ends


def _step(draw: st.DrawFn, kind: str, name: str, later: list[str], values: list[str]) -> dict[str, Any]:
    step: dict[str, Any] = {"name": name}
    if kind == "branch":
        condition: dict[str, Any] = {"Variable": draw(st.sampled_from(values)), "StringEquals": "a"}
        if draw(st.booleans()):
            condition = {"Not": condition}
        inputs: dict[str, Any] = {"Choices": [{"NextStep": draw(st.sampled_from(later)), **condition}]}
        if draw(st.booleans()):
            inputs["Default"] = draw(st.sampled_from(later))
        return {**step, "action": "aws:branch", "inputs": inputs, "isEnd": draw(st.booleans())}
    if kind == "update":
        step |= {
            "action": "aws:updateVariable",
            "inputs": {"Name": "variable:V", "Value": draw(st.sampled_from(values))},
        }
    elif kind == "script":
        step |= {
            "action": "aws:executeScript",
            "inputs": {"Runtime": "python3.11", "Handler": "h", "Script": "def h(e, c):\n    return {}\n"},
            "outputs": [{"Name": "Id", "Selector": "$.Payload.id", "Type": "String"}],
        }
    else:
        step |= {"action": "aws:sleep", "inputs": {"Duration": "PT1S"}}
    jumps, ends = draw(st.tuples(st.booleans(), st.booleans()))
    if later and jumps:
        step["nextStep"] = draw(st.sampled_from(later))
    elif ends:
        step["isEnd"] = True
    failing = ["Abort", "Continue", *(f"step:{name}" for name in later)]
    return {**step, "onFailure": draw(st.sampled_from(failing))}


@given(flows(), st.sampled_from(["a", "b"]))
def test_a_run_does_nothing_that_its_preview_did_not_show(flow: tuple[Document, dict[str, Any]], value: str) -> None:
    """Every step that ran was shown; every step that was sure ran, unless one failed before."""
    document, ends = flow
    around = Surroundings(LookingAws(RecordingAws()), BY_NAME, NOW)
    shown = preview(document, {"P": value}, around)
    said = {"name": "x", "parameters": {"P": value}, "steps": ends, "expect": {"status": "Success"}}
    (rehearsal,) = read_rehearsals(json.dumps({"rehearsals": [said]}), document)
    state = play(document, rehearsal, actions=BY_NAME).state
    assert state is not None

    ran = [step.name for step in state.steps]
    reached = {step.name: step.reach for step in shown.steps}
    assert set(ran) <= reached.keys()
    assert reached.keys().isdisjoint(shown.not_reached)
    if all(str(step.status) == "Success" for step in state.steps):
        assert {name for name, reach in reached.items() if reach is Reach.SURE} <= set(ran)
        assert all(reached[name] is not Reach.ON_FAILURE for name in ran)
