"""Runbooks in moto: started through a mocked AWS, they do to it what they would do to AWS."""

import gc
import json
import subprocess
import sys
import threading
import time
import uuid
import weakref
from datetime import timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws
from moto.ssm.models import ssm_backends

import playbook_moto
from playbook_moto import Settings, install, uninstall
from playbook_moto.world import KEY
from tests.bot.api.worlds import ask, nap, runbook
from tests.playbook_moto.conftest import REGION, Mocked

ROOT = Path(__file__).resolve().parent.parent.parent
ID = {"InstanceId": {"type": "String"}}
STOP = {
    "name": "stop",
    "action": "aws:changeInstanceState",
    "inputs": {"InstanceIds": ["{{ InstanceId }}"], "DesiredState": "stopped"},
}
LOOK = {
    "name": "look",
    "action": "aws:executeAwsApi",
    "inputs": {"Service": "ec2", "Api": "DescribeInstances", "InstanceIds": ["{{ InstanceId }}"]},
    "outputs": [{"Name": "State", "Selector": "$.Reservations[0].Instances[0].State.Name", "Type": "String"}],
}
HOURLONG = {"name": "hour", "action": "aws:sleep", "inputs": {"Duration": "PT1H"}}


def code(error: Any) -> str:
    """The code of a caught ClientError."""
    return str(error.value.response["Error"]["Code"])


def test_a_runbook_acts_on_the_mocked_aws(aws: Mocked) -> None:
    """An hour's sleep costs nothing; when the call returns the execution is over."""
    instance_id = aws.instance()
    aws.create("Stop-It", runbook(HOURLONG, STOP, LOOK, parameters=ID, outputs=["look.State"]))
    found = aws.execution(aws.start("Stop-It", Parameters={"InstanceId": [instance_id]}))

    assert found["AutomationExecutionStatus"] == "Success"
    assert found["Outputs"] == {"look.State": ["stopped"]}
    assert found["ExecutionEndTime"] - found["ExecutionStartTime"] >= timedelta(hours=1)
    assert aws.state(instance_id) == "stopped"


def test_a_runbook_runs_on_every_tagged_instance(aws: Mocked) -> None:
    """Targets are looked for in moto itself, one child each; at most so many at once."""
    ids = [aws.instance() for _ in range(3)]
    aws.client("ec2").create_tags(Resources=ids[:2], Tags=[{"Key": "App", "Value": "web"}])
    aws.create("Stop-It", runbook(STOP, LOOK, parameters=ID, outputs=["look.State"]))
    targets = {"Targets": [{"Key": "tag:App", "Values": ["web"]}], "TargetParameterName": "InstanceId"}
    found = aws.execution(aws.start("Stop-It", **targets, MaxConcurrency="1"))

    assert found["AutomationExecutionStatus"] == "Success"
    assert sorted(found["ResolvedTargets"]["ParameterValues"]) == sorted(ids[:2])
    assert found["TargetsSummary"]["SuccessfulCount"] == 2
    assert [aws.state(each) for each in ids] == ["stopped", "stopped", "running"]


def test_a_red_alarm_cancels(aws: Mocked) -> None:
    """AlarmConfiguration heeds the mocked CloudWatch, however the alarm came to its state."""
    aws.create("Ask", runbook(ask("arn:aws:iam::123456789012:user/lee"), nap()))
    cloudwatch = aws.client("cloudwatch")
    cloudwatch.put_metric_alarm(
        AlarmName="web", Namespace="AWS/EC2", MetricName="CPUUtilization", Statistic="Average", Period=60,
        EvaluationPeriods=1, Threshold=90, ComparisonOperator="GreaterThanThreshold",
    )  # fmt: skip
    cloudwatch.set_alarm_state(AlarmName="web", StateValue="OK", StateReason="test")
    asking = aws.start("Ask", AlarmConfiguration={"Alarms": [{"Name": "web"}]})
    assert aws.execution(asking)["AutomationExecutionStatus"] == "Waiting"

    cloudwatch.set_alarm_state(AlarmName="web", StateValue="ALARM", StateReason="test")

    assert aws.execution(asking)["AutomationExecutionStatus"] == "Cancelled"
    assert aws.execution(asking)["TriggeredAlarms"] == [{"Name": "web", "State": "ALARM"}]


def test_a_question_waits_for_its_answer(aws: Mocked) -> None:
    """However much time other executions jump over."""
    aws.create("Ask", runbook(ask("arn:aws:iam::123456789012:user/lee"), nap()))
    aws.create("Sleep", runbook({**HOURLONG, "inputs": {"Duration": "PT100H"}}))
    asking = aws.start("Ask")
    for _ in range(5):
        aws.start("Sleep")

    assert aws.execution(asking)["AutomationExecutionStatus"] == "Waiting"

    aws.client("ssm").send_automation_signal(AutomationExecutionId=asking, SignalType="Approve")

    assert aws.execution(asking)["AutomationExecutionStatus"] == "Success"


def test_a_question_expires_when_the_test_says_so(aws: Mocked) -> None:
    """`advance` lets time pass for people, too; also for one that a parent waits for."""
    aws.create("Ask", runbook({**ask("lee"), "timeoutSeconds": 3600}))
    aws.create(
        "Parent", runbook({"name": "call", "action": "aws:executeAutomation", "inputs": {"DocumentName": "Ask"}})
    )
    parent = aws.start("Parent")

    assert aws.execution(parent)["AutomationExecutionStatus"] == "InProgress"

    playbook_moto.advance(timedelta(minutes=59))

    assert aws.execution(parent)["AutomationExecutionStatus"] == "InProgress"

    playbook_moto.advance(timedelta(minutes=2))

    assert aws.execution(parent)["AutomationExecutionStatus"] == "Failed"


def test_moto_refuses_what_aws_refuses(aws: Mocked) -> None:
    """Documents that are no runbooks, and everything about executions; with modelled exceptions."""
    ssm = aws.client("ssm")
    with pytest.raises(ssm.exceptions.InvalidDocumentContent):
        aws.create("Bad", runbook())
    with pytest.raises(ssm.exceptions.InvalidDocumentSchemaVersion):
        aws.create("Bad", runbook(nap()).replace("0.3", "9.9"))
    aws.create("Nap", runbook(nap(), parameters=ID))
    with pytest.raises(ssm.exceptions.InvalidDocumentContent):
        ssm.update_document(Name="Nap", Content=runbook(), DocumentVersion="$LATEST")
    with pytest.raises(ssm.exceptions.AutomationDefinitionNotFoundException):
        aws.start("Nowhere")
    with pytest.raises(ssm.exceptions.AutomationDefinitionVersionNotFoundException):
        aws.start("Nap", DocumentVersion="7", Parameters={"InstanceId": ["i-1"]})
    with pytest.raises(ssm.exceptions.InvalidAutomationExecutionParametersException):
        aws.start("Nap")
    with pytest.raises(ssm.exceptions.AutomationExecutionNotFoundException):
        aws.execution(str(uuid.uuid4()))
    with pytest.raises(ClientError) as caught:
        aws.start("Nap", Mode="Sometimes", Parameters={"InstanceId": ["i-1"]})

    assert code(caught) == "ValidationException"


def test_other_documents_are_left_alone(aws: Mocked) -> None:
    """Command documents are none of ours."""
    content = '{"schemaVersion": "2.2", "mainSteps": []}'
    aws.client("ssm").create_document(Name="Command", Content=content, DocumentType="Command")

    assert aws.client("ssm").get_document(Name="Command")["Content"]


def test_versions_tokens_pages_previews_and_stops_work_as_on_aws(aws: Mocked) -> None:
    """The whole of the Automation API, through moto."""
    ssm, token = aws.client("ssm"), str(uuid.uuid4())
    aws.create("Ask", runbook(ask("lee")))
    ssm.update_document(Name="Ask", Content=runbook(ask("max")), DocumentVersion="$LATEST")
    first = aws.start("Ask", ClientToken=token)
    latest = aws.start("Ask", DocumentVersion="$LATEST")

    assert aws.start("Ask", ClientToken=token) == first
    assert aws.execution(latest)["DocumentVersion"] == "2"
    versions = ssm.list_document_versions(Name="Ask")["DocumentVersions"]
    assert [each["DocumentVersion"] for each in versions] == ["2", "1"]
    assert [each["IsDefaultVersion"] for each in versions] == [False, True]
    pages = ssm.get_paginator("describe_automation_executions").paginate(PaginationConfig={"PageSize": 1})
    assert [each["AutomationExecutionId"] for page in pages for each in page["AutomationExecutionMetadataList"]] == [
        latest, first,
    ]  # fmt: skip
    ssm.stop_automation_execution(AutomationExecutionId=first)
    assert aws.execution(first)["AutomationExecutionStatus"] == "Cancelled"
    steps = ssm.describe_automation_step_executions(AutomationExecutionId=latest)["StepExecutions"]
    assert [step["StepStatus"] for step in steps] == ["Waiting"]
    preview = ssm.start_execution_preview(DocumentName="Ask")["ExecutionPreviewId"]
    assert ssm.get_execution_preview(ExecutionPreviewId=preview)["Status"] == "Success"


def test_parameter_store_is_motos(aws: Mocked) -> None:
    """`{{ssm:…}}` in a default is read from the mocked Parameter Store."""
    aws.client("ssm").put_parameter(Name="/size", Value="PT2H", Type="String")
    size = {"Size": {"type": "String", "default": "{{ssm:/size}}"}}
    aws.create("Sized", runbook({**nap(), "inputs": {"Duration": "{{ Size }}"}}, parameters=size))
    found = aws.execution(aws.start("Sized"))

    assert found["Parameters"] == {"Size": ["PT2H"]}
    assert found["ExecutionEndTime"] - found["ExecutionStartTime"] >= timedelta(hours=2)


def test_a_script_runs(aws: Mocked) -> None:
    """aws:executeScript, too."""
    script = "def main(events, context):\n    return {'twice': events['n'] * 2}\n"
    step = {
        "name": "twice",
        "action": "aws:executeScript",
        "inputs": {"Runtime": "python3.11", "Handler": "main", "Script": script, "InputPayload": {"n": 21}},
        "outputs": [{"Name": "Twice", "Selector": "$.Payload.twice", "Type": "Integer"}],
    }
    aws.create("Twice", runbook(step, outputs=["twice.Twice"]))

    assert aws.execution(aws.start("Twice"))["Outputs"] == {"twice.Twice": ["42"]}


def test_accounts_and_regions_are_apart(aws: Mocked) -> None:
    """What runs in another account acts there, and is seen there only."""
    role = aws.client("sts").assume_role(RoleArn="arn:aws:iam::222222222222:role/r", RoleSessionName="other")
    keys = role["Credentials"]
    there = {
        "aws_access_key_id": keys["AccessKeyId"],
        "aws_secret_access_key": keys["SecretAccessKey"],
        "aws_session_token": keys["SessionToken"],
    }
    other = aws.client("ssm", REGION, **there)
    step = {
        "name": "make",
        "action": "aws:executeAwsApi",
        "inputs": {"Service": "sqs", "Api": "CreateQueue", "QueueName": "q"},
    }
    other.create_document(Name="Make", Content=runbook(step), DocumentType="Automation")
    execution_id = other.start_automation_execution(DocumentName="Make")["AutomationExecutionId"]
    found = other.get_automation_execution(AutomationExecutionId=execution_id)["AutomationExecution"]

    assert found["AutomationExecutionStatus"] == "Success", found
    assert found["ExecutedBy"] == "arn:aws:sts::222222222222:assumed-role/r/other"
    assert "222222222222" in aws.client("sqs", REGION, **there).list_queues()["QueueUrls"][0]
    assert "QueueUrls" not in aws.client("sqs").list_queues()
    with pytest.raises(aws.client("ssm").exceptions.AutomationExecutionNotFoundException):
        aws.execution(execution_id)
    assert aws.client("ssm", "us-east-1").describe_automation_executions()["AutomationExecutionMetadataList"] == []


def test_a_reset_forgets_everything() -> None:
    """The engine goes with the backend it belongs to."""
    install()
    with mock_aws():
        Mocked().create("Nap", runbook(nap()))
        Mocked().start("Nap")
        kept = weakref.ref(vars(ssm_backends["123456789012"][REGION])[KEY])
    with mock_aws():
        gc.collect()

        assert kept() is None
        assert Mocked().client("ssm").describe_automation_executions()["AutomationExecutionMetadataList"] == []
    uninstall()


def test_moto_is_as_it_was_afterwards() -> None:
    """`uninstall` leaves nothing behind."""
    install()
    uninstall()
    with mock_aws():
        ssm = boto3.client("ssm", REGION)
        ssm.create_document(
            Name="Anything", Content='{"schemaVersion": "9.9", "mainSteps": []}', DocumentType="Automation"
        )
        with pytest.raises(NotImplementedError):
            ssm.start_automation_execution(DocumentName="Anything")


def test_places_may_stand_in_a_file_of_the_mocked_s3(aws: Mocked) -> None:
    """TargetLocationsURL is the URL that boto3 presigns, and the alarm of a location ends what runs there."""
    cloudwatch, s3 = aws.client("cloudwatch"), aws.client("s3")
    cloudwatch.put_metric_alarm(
        AlarmName="web", ComparisonOperator="GreaterThanThreshold", EvaluationPeriods=1, MetricName="CPU",
        Namespace="N", Period=60, Statistic="Average", Threshold=1,
    )  # fmt: skip
    cloudwatch.set_alarm_state(AlarmName="web", StateValue="OK", StateReason="fine")
    watched = {"Alarms": [{"Name": "web"}]}
    place = {"Accounts": ["123456789012"], "Regions": [REGION], "TargetLocationAlarmConfiguration": watched}
    s3.create_bucket(Bucket="fleet", CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_object(Bucket="fleet", Key="where to.json", Body=json.dumps([place]))
    url = s3.generate_presigned_url("get_object", Params={"Bucket": "fleet", "Key": "where to.json"})
    aws.create("Ask", runbook(ask()))
    execution_id = aws.start("Ask", TargetLocationsURL=url)

    assert aws.execution(execution_id)["TargetLocations"] == [place]

    cloudwatch.set_alarm_state(AlarmName="web", StateValue="ALARM", StateReason="test")
    (step,) = aws.execution(execution_id)["StepExecutions"]

    assert (step["StepStatus"], step["TriggeredAlarms"]) == ("Cancelled", [{"Name": "web", "State": "ALARM"}])
    with pytest.raises(ClientError, match="cannot be read"):
        aws.start("Ask", TargetLocationsURL=url.replace("where", "nowhere"))


def test_a_script_may_lie_in_the_mocked_s3(aws: Mocked) -> None:
    """Attachments are fetched from moto itself, proved and run; a file that is not there is refused as AWS does."""
    s3 = aws.client("s3")
    s3.create_bucket(Bucket="code", CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_object(Bucket="code", Key="v1/tool.py", Body=b"def handler(events, context):\n    return {'Said': 'hi'}\n")
    step = {
        "name": "say",
        "action": "aws:executeScript",
        "inputs": {"Runtime": "python3.11", "Handler": "tool.handler", "Attachment": "tool.py"},
        "outputs": [{"Name": "Said", "Selector": "$.Payload.Said", "Type": "String"}],
    }
    text = runbook(step, outputs=["say.Said"])
    aws.create("Say", text, Attachments=[{"Key": "SourceUrl", "Values": ["s3://code/v1"]}])
    again = [{"Key": "AttachmentReference", "Values": ["Say/1/tool.py"]}]
    aws.create("Say-Again", text, Attachments=again)

    assert [aws.execution(aws.start(name))["Outputs"] for name in ("Say", "Say-Again")] == [{"say.Said": ["hi"]}] * 2
    with pytest.raises(ClientError) as caught:
        aws.create("Lost", text, Attachments=[{"Key": "S3FileUrl", "Values": ["s3://code/none.py"]}])
    assert code(caught) == "InvalidDocumentContent"


class TestApprovers:
    """With `check_approvers` only those on the list may answer."""

    @pytest.fixture
    def moto_automation_settings(self) -> Settings:
        """As AWS does it."""
        return Settings(check_approvers=True)

    def test_only_those_on_the_list_may_answer(self, aws: Mocked) -> None:
        """A user of the mocked IAM is known by its access key, a session by its role."""
        iam = aws.client("iam")
        iam.create_user(UserName="lee")
        keys = iam.create_access_key(UserName="lee")["AccessKey"]
        lee = aws.client(
            "ssm", REGION, aws_access_key_id=keys["AccessKeyId"], aws_secret_access_key=keys["SecretAccessKey"]
        )
        aws.create("Ask", runbook(ask("arn:aws:iam::123456789012:user/lee")))
        execution_id = aws.start("Ask")
        with pytest.raises(ClientError) as caught:
            aws.client("ssm").send_automation_signal(AutomationExecutionId=execution_id, SignalType="Approve")

        assert code(caught) == "AccessDeniedException"

        lee.send_automation_signal(AutomationExecutionId=execution_id, SignalType="Approve")

        assert aws.execution(execution_id)["AutomationExecutionStatus"] == "Success"


class TestRealTime:
    """With `real_time` steps take as long as they take."""

    @pytest.fixture
    def moto_automation_settings(self) -> Settings:
        """In threads."""
        return Settings(real_time=True)

    def test_an_execution_goes_on_by_itself(self, aws: Mocked) -> None:
        """The start returns at once; the end is seen later; no thread is left when moto forgets it."""
        instance_id = aws.instance()
        aws.create("Stop-It", runbook({**nap(), "inputs": {"Duration": "PT0.2S"}}, STOP, parameters=ID))
        execution_id = aws.start("Stop-It", Parameters={"InstanceId": [instance_id]})

        assert aws.execution(execution_id)["AutomationExecutionStatus"] in ("Pending", "InProgress")

        deadline = time.monotonic() + 20
        while aws.execution(execution_id)["AutomationExecutionStatus"] != "Success":
            assert time.monotonic() < deadline
            threading.Event().wait(0.05)

        assert aws.state(instance_id) == "stopped"


def test_the_page_about_it_says_what_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first example of docs/api.md, as somebody would paste it."""
    page = (ROOT / "docs" / "api.md").read_text(encoding="utf-8").partition("## In tests: moto")[2]
    example = page.partition("```python\n")[2].partition("```")[0]
    (tmp_path / "runbook.yaml").write_text(runbook(nap()), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    try:
        exec(compile(example, "docs/api.md", "exec"), names)
        names["test_my_runbook"]()
    finally:
        uninstall()


def test_the_plug_in_costs_nothing_until_it_is_used() -> None:
    """Pytest loads it at every start: moto must not come along."""
    program = "import sys, playbook_moto.pytest_plugin; sys.exit('moto' in sys.modules or 'sqlalchemy' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", program], check=False, cwd=ROOT).returncode == 0
    with pytest.raises(AttributeError, match="nonsense"):
        playbook_moto.nonsense  # noqa: B018 - looking is the test
