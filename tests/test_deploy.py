"""What is deployed: templates that AWS would take, no right too few or too many, and a small, unprivileged image."""

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import boto3
import pytest
from cfnlint.api import lint_file
from cfnlint.decode import decode
from moto import mock_aws

from engine.actions import BY_NAME
from engine.permissions import permissions_of
from infra.aws import Aws
from playbooks.catalog import LIBRARY, load

ROOT: Final = Path(__file__).resolve().parent.parent
TEMPLATES: Final = sorted(path for path in (ROOT / "deploy").glob("*.yaml") if path.name != "compose.yaml")
REGION: Final = "eu-west-1"
WITH_SSM: Final = {
    "ssm:CreateDocument", "ssm:UpdateDocument", "ssm:DescribeDocument", "ssm:GetDocument",
    "ssm:StartAutomationExecution", "ssm:GetAutomationExecution", "ssm:DescribeAutomationExecutions",
    "ssm:DescribeAutomationStepExecutions", "ssm:SendAutomationSignal", "ssm:StopAutomationExecution", "iam:PassRole",
}  # fmt: skip
"""What it does besides where AWS Systems Manager runs the runbooks."""
NO_RESOURCE: Final = "ssm:DescribeAutomationExecutions"
"""The one call that IAM can allow for everything only."""
BOTS_OWN_CALLS: Final = {
    "sqs:ReceiveMessage",
    "sqs:DeleteMessage",
    "sqs:GetQueueAttributes",
    "sns:ConfirmSubscription",
    "sns:ListSubscriptionsByTopic",
    "sts:AssumeRole",
}
"""What the process does as itself; all else is done in the runbooks' role."""


def template(name: str) -> Mapping[str, Any]:
    """A template of deploy/, intrinsic functions as maps."""
    found, problems = decode(str(ROOT / "deploy" / name))
    assert problems == []
    return found  # type: ignore[no-any-return]


def statements(node: Any) -> Iterator[Mapping[str, Any]]:
    """Every IAM statement anywhere in a template."""
    if isinstance(node, Mapping):
        if "Effect" in node:
            yield node
        for value in node.values():
            yield from statements(value)
    elif isinstance(node, list):
        for value in node:
            yield from statements(value)


def actions(name: str) -> set[str]:
    """What the policies of roles in a template allow; not who may take the roles on."""
    found: set[str] = set()
    for resource in template(name)["Resources"].values():
        if resource["Type"].startswith("AWS::IAM::"):
            policies = {
                key: value for key, value in resource["Properties"].items() if key != "AssumeRolePolicyDocument"
            }
            for statement in statements(policies):
                allowed = statement["Action"]
                found |= set(allowed if isinstance(allowed, list) else [allowed])
    return found


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_cloudformation_would_take_it(path: Path) -> None:
    """AWS's own linter has nothing to say, warnings included."""
    assert [str(match) for match in lint_file(path)] == []


def test_there_are_templates() -> None:
    """The three that the installation guide names, and the one for many machines."""
    assert [path.name for path in TEMPLATES] == ["alarms.yaml", "bot-role.yaml", "ecs.yaml", "runbook-role.yaml"]


CHANGES = ("Reboot", "Start", "Stop", "Terminate", "Create", "Delete", "Modify", "Put")
SHOWN = {
    "autoscaling:DescribeTags",
    "cloudtrail:LookupEvents",
    "cloudwatch:DescribeAlarms",
    "cloudwatch:GetMetricStatistics",
    "cloudwatch:GetMetricWidgetImage",
    "cloudwatch:ListTagsForResource",
    "ec2:DescribeAddresses",
    "elasticloadbalancing:DescribeTargetGroups",
    "elasticloadbalancing:DescribeTargetHealth",
    "iam:ListRoles",
    "s3:ListAllMyBuckets",
    "tag:GetResources",
}
"""What is looked at for people: the alarm's card, consequences in a preview, pickers in forms; protected tags."""


def test_the_runbooks_role_can_do_what_the_library_does() -> None:
    """Exactly what the shipped runbooks need, as derived from themselves, and what cards and forms look at."""
    needed: set[str] = set()
    for playbook in load([LIBRARY], available_actions=frozenset(BY_NAME)).all:
        needed |= {action for action in permissions_of(playbook.runbook).because if action != "sts:AssumeRole"}

    assert actions("runbook-role.yaml") == needed | SHOWN


def test_whatever_changes_something_wants_the_tag() -> None:
    """A runbook can only touch instances that somebody has marked for it."""
    for statement in statements(template("runbook-role.yaml")["Resources"]["Role"]["Properties"]["Policies"]):
        changing = [action for action in statement["Action"] if action.partition(":")[2].startswith(CHANGES)]
        has_tag = "aws:ResourceTag/playbook-bot" in str(statement.get("Condition", ""))

        assert has_tag == bool(changing)


def test_the_bot_itself_may_touch_nothing() -> None:
    """Only what it does as itself: its queues, its topics' subscriptions, and the runbooks' role."""
    assert actions("bot-role.yaml") == BOTS_OWN_CALLS | WITH_SSM
    for statement in statements(template("bot-role.yaml")["Resources"]):
        assert statement.get("Resource") != "*" or statement["Action"] == NO_RESOURCE


def test_what_it_does_on_systems_manager_is_only_given_when_wanted() -> None:
    """Nothing of it without the parameter, and no role is handed to any other service."""
    for name, resource in template("bot-role.yaml")["Resources"].items():
        text = json.dumps(resource)
        assert '"ssm:' not in text or resource["Condition"] in ("WithSsm", "WithSsmDefinitions"), name
        assert "iam:PassRole" not in text or '"iam:PassedToService": "ssm.amazonaws.com"' in text, name


def test_it_allows_exactly_what_the_engine_calls() -> None:
    """Each operation of SSM that its own files name, and that which pushes documents."""
    files = {*(ROOT / "engine").glob("ssm*.py"), ROOT / "engine" / "publishing.py"}
    code = "".join(path.read_text(encoding="utf-8") for path in sorted(files))
    called = {f"ssm:{name}" for name in re.findall(r'"ssm", "([A-Za-z]+)"', code)}
    named = {f"ssm:{name}" for name in re.findall(r'"((?:Describe|Get)Automation(?:Step)?Executions?)"', code)}

    # A person's push makes a version the default; the engine starts the version that it has pushed.
    assert (called | named) - {"ssm:UpdateDocumentDefaultVersion"} == WITH_SSM - {"iam:PassRole"}


def test_nobody_else_can_fill_the_queue() -> None:
    """Every allowing statement of queue and topic names its source, and nothing comes in the clear."""
    resources = template("alarms.yaml")["Resources"]
    for name in ("QueuePolicy", "TopicPolicy", "DeadLettersPolicy"):
        for statement in statements(resources[name]):
            is_the_bot = "BotRoleArn" in str(statement["Principal"]) and "sqs:SendMessage" not in statement["Action"]
            assert statement["Effect"] == "Deny" or is_the_bot or "aws:SourceArn" in str(statement["Condition"])
    assert "'aws:SecureTransport': 'false'" in str(resources["QueuePolicy"])


def test_no_alarm_is_lost_in_the_queue() -> None:
    """What cannot be dealt with goes to a dead-letter queue that keeps it as long as SQS can."""
    queues = template("alarms.yaml")["Resources"]

    assert queues["Alarms"]["Properties"]["RedrivePolicy"]["maxReceiveCount"] >= 5
    assert queues["DeadLetters"]["Properties"]["MessageRetentionPeriod"] == 14 * 24 * 3600
    assert queues["Rule"]["Properties"]["Targets"][0]["DeadLetterConfig"]


@pytest.mark.filterwarnings("ignore:Tried to parse .* not supported by moto:UserWarning")
@pytest.mark.parametrize(("prefix", "arrives"), [("", ["web-1-cpu", "db-1-cpu"]), ("web-", ["web-1-cpu"])])
def test_an_alarm_reaches_the_queue(prefix: str, arrives: list[str]) -> None:
    """The stack, made in an imitated AWS: a state change that the rule wants is what the bot would read."""
    with mock_aws():
        stacks, text = boto3.client("cloudformation", REGION), (ROOT / "deploy" / "alarms.yaml").read_text()
        parameters = [{"ParameterKey": "AlarmNamePrefix", "ParameterValue": prefix}]
        stacks.create_stack(StackName="alarms", TemplateBody=text, Parameters=parameters)
        outputs = stacks.describe_stacks(StackName="alarms")["Stacks"][0]["Outputs"]
        queue = next(each["OutputValue"] for each in outputs if each["OutputKey"] == "QueueUrl")
        for name in ("web-1-cpu", "db-1-cpu"):
            event = {"Source": "aws.cloudwatch", "DetailType": "CloudWatch Alarm State Change"}
            boto3.client("events", REGION).put_events(Entries=[{**event, "Detail": json.dumps({"alarmName": name})}])
        messages = Aws(region=REGION).receive_messages(queue, wait_seconds=0)

    assert [json.loads(each["Body"])["detail"]["alarmName"] for each in messages] == arrives


@pytest.mark.filterwarnings("ignore:Tried to parse .* not supported by moto:UserWarning")
@pytest.mark.parametrize("kind", ["Execution", "Step"])
def test_a_move_on_systems_manager_reaches_the_queue(kind: str) -> None:
    """The stack with its second rule: what AWS says of executions and steps is what the bot would read."""
    with mock_aws():
        stacks, text = boto3.client("cloudformation", REGION), (ROOT / "deploy" / "alarms.yaml").read_text()
        parameters = [{"ParameterKey": "UseAutomationRule", "ParameterValue": "true"}]
        stacks.create_stack(StackName="alarms", TemplateBody=text, Parameters=parameters)
        outputs = stacks.describe_stacks(StackName="alarms")["Stacks"][0]["Outputs"]
        queue = next(each["OutputValue"] for each in outputs if each["OutputKey"] == "QueueUrl")
        event = {"Source": "aws.ssm", "DetailType": f"EC2 Automation {kind} Status-change Notification"}
        boto3.client("events", REGION).put_events(Entries=[{**event, "Detail": json.dumps({"ExecutionId": "e-1"})}])
        messages = Aws(region=REGION).receive_messages(queue, wait_seconds=0)

    assert [json.loads(each["Body"])["detail"]["ExecutionId"] for each in messages] == ["e-1"]


# -- the image


def dockerfile() -> list[tuple[str, str]]:
    """(instruction, arguments) in order; continued lines joined, comments left out."""
    text = re.sub(r"(?m)^#.*\n", "", (ROOT / "Dockerfile").read_text(encoding="utf-8")).replace("\\\n", " ")
    lines = [line.split(maxsplit=1) for line in text.splitlines() if line.strip()]
    return [(instruction, arguments) for instruction, arguments in lines]


def final_stage() -> list[tuple[str, str]]:
    """The instructions from the last FROM on."""
    lines = dockerfile()
    begin = max(index for index, (instruction, _) in enumerate(lines) if instruction == "FROM")
    return lines[begin:]


def given(instruction: str) -> list[str]:
    """The arguments of an instruction in the final stage."""
    return [arguments for name, arguments in final_stage() if name == instruction]


def test_the_image_runs_as_nobody_in_particular() -> None:
    """A numeric user other than root, so that Kubernetes can see it, and nothing after it becomes root again."""
    (user,) = given("USER")

    assert int(user) > 0
    assert [name for name, _ in final_stage()].index("USER") > max(
        index for index, (name, _) in enumerate(final_stage()) if name == "RUN"
    )


def test_the_image_builds_elsewhere_than_it_runs() -> None:
    """Two stages of one base; the second takes the finished environment and neither builds nor installs."""
    bases = [arguments.split()[0] for name, arguments in dockerfile() if name == "FROM"]

    assert bases == [bases[0]] * 2
    assert given("COPY") == ["--from=build /opt/playbook-bot /opt/playbook-bot"]
    assert not re.search(r"apt-get|pip install|gcc|build-essential", " ".join(given("RUN")))
    assert "pip uninstall" in given("RUN")[0]


def test_the_image_installs_from_hashed_pins_only() -> None:
    """Every install from an index demands hashes; every other one has no index."""
    commands = [each for name, arguments in dockerfile() if name == "RUN" for each in arguments.split("&&")]
    installs = [each for each in commands if re.search(r"pip (--python \S+ )?(install|wheel)\b", each)]

    assert len(installs) == 4
    assert all("--require-hashes" in each or "--no-index" in each for each in installs)


def test_the_image_keeps_its_state_in_a_volume() -> None:
    """The database lies in the volume, and nothing else is written: the root file system may be read-only."""
    (volume,), environment = given("VOLUME"), dict(pair.split("=", 1) for pair in shlex.split(given("ENV")[0]))

    assert environment["PLAYBOOK_BOT_DATABASE_URL"].startswith(f"sqlite:///{volume}/")
    assert given("WORKDIR") == [volume]
    assert environment["PYTHONDONTWRITEBYTECODE"] == "1"


def test_the_image_tells_its_health() -> None:
    """The check asks /healthz where the bot listens, without a shell or a tool that is not there."""
    (check,) = given("HEALTHCHECK")
    program = re.search(r'"-c", "(.*)"\]$', check)

    assert program is not None
    assert "'/healthz'" in program[1]
    compile(program[1], "HEALTHCHECK", "exec")
    assert given("ENTRYPOINT") == ['["playbook-bot"]']


def test_the_builder_gets_what_it_copies_and_no_more() -> None:
    """Everything is left out but what the Dockerfile names, so that no secret or database can slip in."""
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    wanted = {line.removeprefix("!") for line in lines if line.startswith("!")}
    copied = [part for name, arguments in dockerfile() if name == "COPY" for part in arguments.split()[:-1]]
    named = {part.partition("/")[0] for part in copied if not part.startswith(("--", "/"))}

    assert "*" in lines
    assert wanted == named
    assert all((ROOT / name).exists() for name in wanted)
