"""What holds starts back, through SSM's API: the pause, rules, and resources that a playbook works on."""

from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from infra.db import Database
from playbooks.operations import Order
from playbooks.people import Identity
from playbooks.refusals import Busy
from tests.bot.api.worlds import LEE, MAX, ApiWorld, ask, hold, runbook
from tests.fakes.clock import ManualClock
from tests.playbooks.worlds import INSTANCE, folder

SAM = Identity("person:sam", "Sam", frozenset({"sam", "person:sam"}))
ON_INSTANCE = {"InstanceId": {"type": "AWS::EC2::Instance::Id"}}
ACCESS = """\
rules:
  - {who: lee, may: run, playbooks: "document:Fix-*", parameters: {InstanceId: i-0b7d*}}
  - {who: lee, may: approve}
  - {who: lee, may: edit, playbooks: "document:*"}
"""


def world(database: Database, clock: ManualClock, root: Path, **settings: Any) -> ApiWorld:
    """A world with the playbook "fix" and a document "Fix-It", both of which hold an instance."""
    text = runbook(hold(), parameters=ON_INSTANCE)
    home = folder(root / "playbooks", "fix", "title: Fix it\nmay_run: [sam]\n", text)
    people = [{"id": "lee", "iam": [LEE]}, {"id": "sam", "slack": "U07"}, {"id": "max", "iam": [MAX]}]
    made = ApiWorld(database, clock, playbooks=(home.parent,), people=people, admins=("sam",), **settings)
    made.client().create_document(Content=text, Name="Fix-It", DocumentType="Automation", DocumentFormat="JSON")
    made.client().create_document(
        Content=runbook(ask(LEE)), Name="Ask-First", DocumentType="Automation", DocumentFormat="JSON"
    )
    return made


def refused(call: Any, **members: Any) -> tuple[str, str]:
    """The code and the sentence of a refusal."""
    with pytest.raises(ClientError) as caught:
        call(**members)
    error = caught.value.response["Error"]
    return str(error["Code"]), str(error["Message"])


def test_nothing_is_started_beside_a_playbooks_execution(
    database: Database, clock: ManualClock, tmp_path: Path
) -> None:
    """It is told who is at the instance; what the API has started is respected by playbooks, and shared as on AWS."""
    both = world(database, clock, tmp_path)
    values = {"InstanceId": [INSTANCE]}
    playbooks = both.service.operations
    first = playbooks.start(Order("fix", {"InstanceId": INSTANCE}), SAM)
    start = both.client().start_automation_execution

    code, sentence = refused(start, DocumentName="Fix-It", Parameters=values)
    assert code == "AutomationExecutionLimitExceededException"
    assert f"{INSTANCE} is already being handled by Fix it ({first[:8]})" in sentence

    playbooks.stop(first, SAM)
    both.work()
    start(DocumentName="Fix-It", Parameters=values)
    start(DocumentName="Fix-It", Parameters=values)
    with pytest.raises(Busy):
        playbooks.start(Order("fix", {"InstanceId": INSTANCE}), SAM)


OTHER = "i-0b7d1c44e9f2a6d36"


def fan_out(world: ApiWorld, **members: Any) -> str:
    """Fix-It on both instances at once."""
    targets = [{"Key": "ParameterValues", "Values": [INSTANCE, OTHER]}]
    return world.start("Fix-It", Targets=targets, TargetParameterName="InstanceId", MaxConcurrency="2", **members)


def steps(world: ApiWorld, execution_id: str) -> dict[str, str]:
    """How each target stands, and why."""
    found = world.client().get_automation_execution(AutomationExecutionId=execution_id)["AutomationExecution"]
    return {
        step["StepName"]: f"{step['StepStatus']} {step.get('FailureMessage', '')}".strip()
        for step in found["StepExecutions"]
    }


def test_a_target_that_a_playbook_has_is_an_error_of_the_fan_out(
    database: Database, clock: ManualClock, tmp_path: Path
) -> None:
    """The others run; MaxErrors says what comes of it. They hold what they work on until they are over."""
    both = world(database, clock, tmp_path)
    playbooks = both.service.operations
    first = playbooks.start(Order("fix", {"InstanceId": INSTANCE}), SAM)
    parent = fan_out(both, MaxErrors="1")

    found = steps(both, parent)
    assert found[INSTANCE].startswith(f"Failed {INSTANCE} is already being handled by Fix it ({first[:8]})")
    assert found[OTHER] == "InProgress"
    with pytest.raises(Busy):
        playbooks.start(Order("fix", {"InstanceId": OTHER}), SAM)

    both.client().stop_automation_execution(AutomationExecutionId=parent)
    both.work()
    both.react()
    assert playbooks.start(Order("fix", {"InstanceId": OTHER}), SAM)


def test_a_resource_is_free_when_the_last_who_share_it_is_over(
    database: Database, clock: ManualClock, tmp_path: Path
) -> None:
    """Programs may share an instance, as on AWS; a playbook waits for all of them."""
    both = world(database, clock, tmp_path)
    stop, playbooks = both.client().stop_automation_execution, both.service.operations
    started = [both.start("Fix-It", Parameters={"InstanceId": [INSTANCE]}) for _ in range(2)]

    for execution_id in started:
        with pytest.raises(Busy):
            playbooks.start(Order("fix", {"InstanceId": INSTANCE}), SAM)
        stop(AutomationExecutionId=execution_id)
        both.work()
        both.react()

    assert playbooks.start(Order("fix", {"InstanceId": INSTANCE}), SAM)


NEVER = """\
rules:
  - {who: lee, may: [run, edit], playbooks: "document:*"}
  - {who: lee, rule: never, parameters: {InstanceId: i-0b7d1c44e9f2a6d36}}
"""


def test_targets_are_no_way_around_the_rules(database: Database, clock: ManualClock, tmp_path: Path) -> None:
    """What may not be started on a value may not be started on it as one of many: audited, and the others run."""
    (tmp_path / "access.yaml").write_text(NEVER, encoding="utf-8")
    both = world(database, clock, tmp_path, access=tmp_path / "access.yaml")
    maps = [{"InstanceId": [OTHER]}, {"InstanceId": [INSTANCE]}]
    parent = both.start("Fix-It", TargetMaps=maps, MaxErrors="1")
    found = steps(both, parent)

    assert found[f"InstanceId={OTHER}"].startswith("Failed You may not run `document:Fix-It`.")
    assert found[f"InstanceId={INSTANCE}"] == "InProgress"
    assert both.events().count("access.refused") == 1

    place = {"Regions": ["eu-west-1"], "Targets": [{"Key": "ParameterValues", "Values": [OTHER]}]}
    both.start("Fix-It", TargetLocations=[place], TargetParameterName="InstanceId")
    assert both.events().count("access.refused") == 2


def test_what_a_playbook_starts_in_turn_holds_its_resource_too(
    database: Database, clock: ManualClock, tmp_path: Path
) -> None:
    """A runbook that calls others works on what it was started for, and keeps strangers off what they work on."""
    call = {
        "name": "call",
        "action": "aws:executeAutomation",
        "inputs": {
            "DocumentName": "Fix-It", "TargetMaps": [{"InstanceId": [OTHER]}, {"InstanceId": [INSTANCE]}],
            "MaxConcurrency": "2", "MaxErrors": "1",
        },
    }  # fmt: skip
    folder(tmp_path / "playbooks", "wide", "title: Wide\nmay_run: [sam]\n", runbook(call, parameters=ON_INSTANCE))
    both = world(database, clock, tmp_path)
    both.start("Fix-It", Parameters={"InstanceId": [OTHER]})
    parent = both.service.operations.start(Order("wide", {"InstanceId": INSTANCE}), SAM)
    both.work()
    filters = [{"Key": "ParentExecutionId", "Values": [parent]}]
    found = both.client().describe_automation_executions(Filters=filters)["AutomationExecutionMetadataList"]

    assert {child["Target"]: child["AutomationExecutionStatus"] for child in found} == {
        f"InstanceId={INSTANCE}": "Waiting",
        f"InstanceId={OTHER}": "Failed",
    }
    code, _ = refused(
        both.client().start_automation_execution, DocumentName="Fix-It", Parameters={"InstanceId": [INSTANCE]}
    )
    assert code == "AutomationExecutionLimitExceededException"


def test_paused_is_paused_for_programs_too(database: Database, clock: ManualClock, tmp_path: Path) -> None:
    """No start, no approval, no resume; stopping works."""
    both = world(database, clock, tmp_path)
    client = both.client()
    execution_id = both.start("Ask-First")
    both.react()
    both.service.operations.guarding.pause(SAM, "DNS is down")

    code, sentence = refused(client.start_automation_execution, DocumentName="Ask-First")
    assert (code, "Everything is paused by Sam" in sentence) == ("AutomationExecutionLimitExceededException", True)
    for kind in ("Approve", "Resume"):
        code, _ = refused(client.send_automation_signal, AutomationExecutionId=execution_id, SignalType=kind)
        assert code == "InvalidAutomationSignalException"
    client.stop_automation_execution(AutomationExecutionId=execution_id)
    both.work()
    assert both.state(execution_id).status == "Cancelled"
    assert both.events().count("start.refused") == 3


def test_rules_of_a_file_count_for_programs_too(database: Database, clock: ManualClock, tmp_path: Path) -> None:
    """Documents are named `document:NAME`; who, which and on what values."""
    (tmp_path / "access.yaml").write_text(ACCESS, encoding="utf-8")
    both = world(database, clock, tmp_path, access=tmp_path / "access.yaml")
    start = both.client().start_automation_execution

    start(DocumentName="Fix-It", Parameters={"InstanceId": [INSTANCE]})
    code, sentence = refused(start, DocumentName="Fix-It", Parameters={"InstanceId": ["i-0aaaaaaaaaaaaaaaa"]})
    assert code == "AccessDeniedException"
    assert sentence.startswith(
        "You may not run `document:Fix-It`. No rule lets you with InstanceId=i-0aaaaaaaaaaaaaaaa."
    )
    assert refused(start, DocumentName="Ask-First")[0] == "AccessDeniedException"
    max_starts = both.client("AKIDMAX").start_automation_execution
    values = {"InstanceId": [INSTANCE]}
    assert refused(max_starts, DocumentName="Fix-It", Parameters=values)[0] == "AccessDeniedException"
    assert both.events().count("access.refused") == 3


def test_rules_of_a_file_say_who_changes_documents(database: Database, clock: ManualClock, tmp_path: Path) -> None:
    """What somebody else may run is not changed, shared, tagged or forgotten by whoever holds some key."""
    (tmp_path / "access.yaml").write_text(ACCESS, encoding="utf-8")
    both = world(database, clock, tmp_path, access=tmp_path / "access.yaml")
    other, text = both.client("AKIDMAX"), runbook(hold())
    tags = {"ResourceType": "Document", "ResourceId": "Fix-It"}
    calls: list[tuple[Any, dict[str, Any]]] = [
        (other.create_document, {"Name": "Mine", "Content": text, "DocumentType": "Automation"}),
        (other.update_document, {"Name": "Fix-It", "Content": text}),
        (other.update_document_default_version, {"Name": "Fix-It", "DocumentVersion": "1"}),
        (other.modify_document_permission, {"Name": "Fix-It", "PermissionType": "Share", "AccountIdsToAdd": ["All"]}),
        (other.add_tags_to_resource, {**tags, "Tags": [{"Key": "a", "Value": "b"}]}),
        (other.remove_tags_from_resource, {**tags, "TagKeys": ["a"]}),
        (other.delete_document, {"Name": "Fix-It"}),
    ]

    for call, members in calls:
        name = members.get("Name", "Fix-It")
        assert refused(call, **members) == ("AccessDeniedException", f"You may not change `document:{name}`.")
    assert both.events().count("access.refused") == len(calls)
    assert both.client().describe_document(Name="Fix-It")["Document"]["LatestVersion"] == "1"


def test_rules_of_a_file_say_who_sees_and_stops(database: Database, clock: ManualClock, tmp_path: Path) -> None:
    """Whoever holds a key but is on no rule neither reads nor lists nor stops what others have started."""
    (tmp_path / "access.yaml").write_text(ACCESS, encoding="utf-8")
    both = world(database, clock, tmp_path, access=tmp_path / "access.yaml")
    lee, other = both.client(), both.client("AKIDMAX")
    mine = lee.start_automation_execution(DocumentName="Fix-It", Parameters={"InstanceId": [INSTANCE]})
    one = {"AutomationExecutionId": mine["AutomationExecutionId"]}
    both.work()

    for call in (other.get_automation_execution, other.describe_automation_step_executions):
        assert refused(call, **one) == ("AccessDeniedException", "You may not see this execution.")
    assert refused(other.stop_automation_execution, **one) == (
        "AccessDeniedException",
        "You may not stop this execution.",
    )
    assert other.describe_automation_executions()["AutomationExecutionMetadataList"] == []
    assert both.events().count("access.refused") == 3
    assert len(lee.describe_automation_executions()["AutomationExecutionMetadataList"]) == 1
    lee.stop_automation_execution(**one)
    both.work()
    assert both.state(one["AutomationExecutionId"]).status == "Cancelled"
