"""The doctor where AWS Systems Manager, or workers behind a broker, run the runbooks."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import boto3
import pytest

from bot.doctor import _broker
from infra.aws import Aws, AwsSession
from infra.aws_errors import AwsRefused, AwsUnreachable
from infra.check import Check
from infra.settings import load
from infra.ssm_checkup import looks
from playbooks.ssm_approvers import problems, roles
from tests.bot.test_doctor import REGION, World, upgraded, world, wrong
from tests.playbooks.worlds import playbook

__all__ = ["upgraded", "world"]
BOT = "arn:aws:iam::123456789012:role/playbook-bot"
SESSION = "arn:aws:sts::123456789012:assumed-role/playbook-bot/i-0b7d1c44e9f2a6d35"
ROLE = "arn:aws:iam::123456789012:role/runbooks"
GATED = """\
schemaVersion: "0.3"
assumeRole: "{{ Role }}"
parameters:
  Role: {type: String, default: "arn:aws:iam::123456789012:role/runbooks"}
  Approvers: {type: StringList}
mainSteps:
  - {name: ask, action: "aws:approve", inputs: {Approvers: "{{ Approvers }}"}}
"""


class Account:
    """What IAM, Systems Manager and EventBridge answer; `denied` are actions, `closed` services that refuse us."""

    def __init__(self) -> None:
        self.denied: set[str] = set()
        self.refused: dict[str, Exception] = {}
        self.asked: list[tuple[str, Mapping[str, Any]]] = []
        self.pattern = '{"source": ["aws.ssm"]}'

    def call(self, _service: str, operation: str, params: Mapping[str, Any], **_: Any) -> dict[str, Any]:
        """In place of infra.aws's."""
        self.asked.append((operation, params))
        if operation in self.refused:
            raise self.refused[operation]
        names = params.get("ActionNames", ())
        answers: dict[str, dict[str, Any]] = {
            "GetCallerIdentity": {"Arn": SESSION, "Account": "123456789012"},
            "SimulatePrincipalPolicy": {
                "EvaluationResults": [
                    {"EvalActionName": name, "EvalDecision": "implicitDeny" if name in self.denied else "allowed"}
                    for name in names
                ]
            },
            "ListRuleNamesByTarget": {"RuleNames": ["automation"]},
            "DescribeRule": {"EventPattern": self.pattern},
        }
        return answers.get(operation, {})


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Account:
    """An account in which all is well."""
    found = Account()
    monkeypatch.setattr(AwsSession, "call", found.call)
    return found


def look(name: str = "Systems Manager", **settings: Any) -> Check:
    """What one look finds."""
    environ = {f"PLAYBOOK_BOT_{key}": str(value) for key, value in {"AWS_REGION": REGION, **settings}.items()}
    (check,) = looks(Aws(region=REGION), load(environ), [ROLE])[name]().checks
    return check


def test_iam_allows_everything(account: Account) -> None:
    """The role behind the session is asked for, with the service that runbooks' roles are handed to."""
    check = look(SSM_PRINCIPALS=BOT)
    asked = [params for operation, params in account.asked if operation == "SimulatePrincipalPolicy"]

    assert check.ok
    assert check.detail == f"{BOT} may start, follow, signal and stop executions, and hands over {ROLE}"
    assert {params["PolicySourceArn"] for params in asked} == {BOT}
    assert asked[-1]["ContextEntries"][0]["ContextKeyValues"] == ["ssm.amazonaws.com"]


def test_what_iam_denies_is_named(account: Account) -> None:
    """With the resource where it is a role's, and the template that has the policy."""
    account.denied = {"ssm:SendAutomationSignal", "iam:PassRole"}

    assert wrong(look()) == (
        f"IAM does not allow ssm:SendAutomationSignal, iam:PassRole on {ROLE} → allow {BOT} these; "
        "deploy/bot-role.yaml with UseSsm=true has the policy"
    )


def test_a_bot_that_is_none_of_its_principals(account: Account) -> None:
    """Its signals would be refused by AWS however many people agreed."""
    assert f"the bot is {BOT}, which ssm_principals do not name" in wrong(look(SSM_PRINCIPALS=ROLE))


def test_iam_may_not_be_asked(account: Account) -> None:
    """Then calls that change nothing tell what they can; a document that is not there is no finding."""
    account.refused = {
        "SimulatePrincipalPolicy": AwsRefused("AccessDenied", "No."),
        "GetDocument": AwsRefused("InvalidDocument", "Not there."),
    }
    check = look()
    assert check.ok
    assert "iam:SimulatePrincipalPolicy: AccessDenied" in check.detail

    account.refused["DescribeAutomationExecutions"] = AwsRefused("AccessDeniedException", "Not you.")
    assert "ssm:DescribeAutomationExecutions is refused: Not you." in wrong(look())


def test_systems_manager_cannot_be_reached(account: Account) -> None:
    """A network that leads nowhere is not a missing right."""
    account.refused = {
        "SimulatePrincipalPolicy": AwsRefused("AccessDenied", "No."),
        "DescribeAutomationExecutions": AwsUnreachable("no route"),
    }

    assert "no route → see that this machine reaches Systems Manager" in wrong(look())


def test_a_signing_role_that_cannot_be_taken(account: Account) -> None:
    """Its person's approvals would not count at AWS."""
    people = f'[{{"id": "lee", "signs_as": "{ROLE}"}}]'
    assert look("signature of lee", PEOPLE=people).ok

    account.refused = {"GetCallerIdentity": AwsRefused("AccessDenied", "No trust.")}
    assert f"{ROLE} cannot be taken: No trust." in wrong(look("signature of lee", PEOPLE=people))


def test_without_events_it_is_only_slower(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hint, never a fault: with a rule, without one, without the right to look, and without a queue."""
    queue = f"https://sqs.{REGION}.amazonaws.com/123456789012/alarms"
    monkeypatch.setattr(Aws, "queue_attributes", lambda *_: {"QueueArn": f"arn:aws:sqs:{REGION}:123456789012:alarms"})
    name = "Systems Manager events"
    assert look(name, SQS_QUEUE_URLS=queue).detail == "a rule brings them to alarms"

    account.pattern = '{"source": ["aws.cloudwatch"]}'
    assert look(name, SQS_QUEUE_URLS=queue).detail.startswith("no rule brings them to a queue")

    account.refused = {"ListRuleNamesByTarget": AwsRefused("AccessDenied", "No.")}
    found = [look(name, SQS_QUEUE_URLS=queue), look(name)]
    assert [check.ok for check in found] == [True, True]
    assert all("UseAutomationRule=true" in check.detail for check in found)


def test_approvers_that_do_not_name_the_bot() -> None:
    """Slack ids and groups mean nothing to AWS; a principal of ours among them is enough."""
    theirs = playbook(name="gated", runbook=GATED, parameters={"Approvers": ["group:responders"]}, engine="ssm")
    ours = playbook(name="gated", runbook=GATED, parameters={"Approvers": [BOT]}, engine="ssm")

    assert [*problems(theirs, [BOT])] == [
        'step "ask" of gated has Approvers group:responders: none of ssm_principals is among them'
    ]
    assert [*problems(ours, [BOT])] == []
    assert roles([ours, theirs]) == [ROLE]


def test_the_doctor_looks_there_when_a_playbook_runs_there(world: World, tmp_path: Path) -> None:
    """Both findings are in the list: as whom the bot signs, and what it may do."""
    home = tmp_path / "mine" / "gated"
    home.mkdir(parents=True)
    (home / "playbook.yaml").write_text(
        'title: x\nengine: ssm\napprovers: ["group:responders"]\nmay_run: ["group:responders"]\n'
        'parameters: {Approvers: ["{{ playbook.approvers }}"]}\n'
    )
    (home / "runbook.yaml").write_text(GATED)
    boto3.client("iam", REGION)  # moto answers for IAM, too
    found = world.found(PLAYBOOKS=str(tmp_path / "mine"))

    assert "ssm_principals is empty" in wrong(found["approvers on AWS"])
    assert {"Systems Manager", "Systems Manager events"} <= found.keys()
    assert "Systems Manager" not in world.found()


def test_a_broker_that_is_not_there() -> None:
    """Where it was looked for, without its password."""
    (check,) = _broker("amqp://bot:secret-word@127.0.0.1:1/prod").checks

    assert "127.0.0.1:1/prod cannot be reached" in wrong(check)
    assert "secret-word" not in check.detail


def test_a_broker_that_answers() -> None:
    """Nothing to do."""
    (check,) = _broker("memory://here/").checks

    assert check.ok


TOPIC = f"arn:aws:sns:{REGION}:123456789012:AutomationApprovals"


def test_the_topic_of_an_approval(account: Account) -> None:
    """It has to be there, under a name that Systems Manager takes; one that may not be read is no finding."""
    aws, settings = Aws(region=REGION), load({"PLAYBOOK_BOT_AWS_REGION": REGION})

    def found(topic: str) -> Check:
        (check,) = looks(aws, settings, [], topics=[topic])[f"topic {topic.rpartition(':')[2]}"]().checks
        return check

    assert found(TOPIC).ok
    assert "to no topic called alarms" in wrong(found(TOPIC.replace("AutomationApprovals", "alarms")))
    account.refused = {"GetTopicAttributes": AwsRefused("NotFound", "Topic does not exist")}
    assert "Topic does not exist" in wrong(found(TOPIC))
    account.refused = {"GetTopicAttributes": AwsRefused("AuthorizationError", "No.", status=403)}
    assert found(TOPIC).ok


def test_the_documents_that_playbooks_name_are_asked_for(account: Account) -> None:
    """A start is asked for under the name that IAM knows each of them by."""
    named = ["Team-Fix", "Team-Fix:3", f"arn:aws:ssm:{REGION}:210987654321:document/Shared"]
    looks(Aws(region=REGION), load({"PLAYBOOK_BOT_AWS_REGION": REGION}), [], documents=named)["Systems Manager"]()
    asked = [params["ResourceArns"][0] for name, params in account.asked if name == "SimulatePrincipalPolicy"]

    assert [each.partition(":automation-definition/")[2] for each in asked[-3:]] == [
        "Team-Fix:$DEFAULT", "Team-Fix:3", "Shared:$DEFAULT",
    ]  # fmt: skip
    assert asked[-1].startswith(f"arn:aws:ssm:{REGION}:210987654321:")


def test_a_document_of_aws_is_not_judged_by_the_runbook_here() -> None:
    """Its Approvers are there, and may be others."""
    theirs = playbook(name="gated", runbook=GATED, parameters={"Approvers": ["x"]}, engine="ssm", aws_document="Team")

    assert [*problems(theirs, [BOT])] == []
