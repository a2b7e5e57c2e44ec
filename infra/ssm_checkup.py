"""Whether AWS Systems Manager can be the engine: what IAM allows the bot there, and which roles it may hand over."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from infra.aws import Aws, AwsSession
from infra.aws_errors import AwsRefused, AwsUnreachable
from infra.check import Check, Found
from infra.settings import Settings

NAME: Final = "Systems Manager"
TEMPLATE: Final = "deploy/bot-role.yaml with UseSsm=true has the policy"
DENIED: Final = ("AccessDenied", "AccessDeniedException")
NOBODY: Final = "00000000-0000-0000-0000-000000000000"
OURS: Final = "playbook-bot-doctor"
"""A document that nobody has; its name is one of those that the bot would push."""


def looks(
    aws: Aws, settings: Settings, roles: Sequence[str], *, documents: Sequence[str] = (), topics: Sequence[str] = ()
) -> Mapping[str, Callable[[], Found]]:
    """Each question by name; `roles` are those that runbooks on AWS name in assumeRole.

    `documents` are those of AWS's that playbooks name, `topics` those that their approvals are told to.
    """
    found: dict[str, Callable[[], Found]] = {
        NAME: lambda: _permissions(aws.session(), settings, roles, documents),
        f"{NAME} events": lambda: _events(aws, settings),
    }
    for topic in topics:
        found[f"topic {topic.rpartition(':')[2]}"] = lambda topic=topic: _topic(aws, topic)  # type: ignore[misc]
    for person in settings.people:
        if person.signs_as:
            name = f"signature of {person.id}"
            found[name] = lambda role=person.signs_as, name=name: _signature(aws, role, name)  # type: ignore[misc]
    return found


def _topic(aws: Aws, topic: str) -> Found:
    """Whether a topic that AWS shall tell of an approval is there; only names that begin with Automation are taken."""
    short = topic.rpartition(":")[2]
    name = f"topic {short}"
    if not short.startswith("Automation"):
        fix = "give NotificationArn a topic whose name begins with Automation"
        return _failed(name, f"Systems Manager publishes approvals to no topic called {short}", fix)
    try:
        aws.session(region=topic.split(":")[3]).call("sns", "GetTopicAttributes", {"TopicArn": topic})
    except (AwsRefused, AwsUnreachable) as error:
        if isinstance(error, AwsRefused) and error.is_denied:
            return Found((Check(name, ok=True, detail=f"may not be looked at by the bot: {error}"),))
        return _failed(name, f"{topic} cannot be read: {error}", "make the topic, or mend NotificationArn")
    return Found((Check(name, ok=True, detail="is there; approvals on AWS are published to it"),))


def _definition(home: str, document: str) -> str:
    """The automation-definition that a start of the document names to IAM."""
    owner, _, name = document.rpartition(":document/")
    name, _, version = name.rpartition("/")[2].partition(":")
    return f"{owner or home}:automation-definition/{name}:{version or '$DEFAULT'}"


def _permissions(aws: AwsSession, settings: Settings, roles: Sequence[str], documents: Sequence[str]) -> Found:
    try:
        who = _principal(str(aws.call("sts", "GetCallerIdentity", {})["Arn"]))
    except (AwsRefused, AwsUnreachable) as error:
        return _failed(NAME, f"who calls is not known: {error}", "see to the finding about AWS identity first")
    if settings.ssm_principals and who not in settings.ssm_principals:
        detail = f"the bot is {who}, which ssm_principals do not name: AWS would refuse its answers to approvals"
        return _failed(NAME, detail, f"add {who} to ssm_principals, and to Approvers of the runbooks")
    try:
        denied = [*_denied(aws, who, roles, documents)]
    except AwsUnreachable as error:
        return _failed(NAME, str(error), "see that this machine reaches IAM: network, proxy, VPC endpoint")
    except AwsRefused as error:
        return _dry_look(aws, str(error.code), roles)
    if denied:
        fix = f"allow {who} these; {TEMPLATE}"
        return _failed(NAME, f"IAM does not allow {', '.join(denied)}", fix)
    handed = f", and hands over {', '.join(roles)}" if roles else ""
    return Found((Check(NAME, ok=True, detail=f"{who} may start, follow, signal and stop executions{handed}"),))


def _principal(arn: str) -> str:
    """The ARN that policies name: of a session's role, else as it is."""
    head, _, rest = arn.partition(":assumed-role/")
    return f"{head.replace(':sts:', ':iam:')}:role/{rest.rpartition('/')[0]}" if rest else arn


def _denied(aws: AwsSession, who: str, roles: Sequence[str], documents: Sequence[str]) -> Iterator[str]:
    home = f"arn:{aws.partition}:ssm:{aws.region}:{aws.account}"
    asked = {
        f"{home}:document/{OURS}": ("CreateDocument", "UpdateDocument", "DescribeDocument", "GetDocument"),
        f"{home}:automation-definition/{OURS}:1": ("StartAutomationExecution",),
        f"{home}:automation-execution/{NOBODY}": (
            "GetAutomationExecution", "DescribeAutomationStepExecutions", "SendAutomationSignal",
            "StopAutomationExecution",
        ),
        "*": ("DescribeAutomationExecutions",),
    }  # fmt: skip
    for resource, operations in asked.items():
        yield from _simulated(aws, who, [f"ssm:{name}" for name in operations], resource)
    for document in documents:
        for action in _simulated(aws, who, ["ssm:StartAutomationExecution"], _definition(home, document)):
            yield f"{action} on {document}"
    context = {"ContextKeyName": "iam:PassedToService", "ContextKeyValues": ["ssm.amazonaws.com"]}
    for role in roles:
        entries = [{**context, "ContextKeyType": "string"}]
        for action in _simulated(aws, who, ["iam:PassRole"], role, ContextEntries=entries):
            yield f"{action} on {role}"


def _simulated(aws: AwsSession, who: str, actions: Sequence[str], resource: str, **more: Any) -> list[str]:
    """The actions that would be denied. Raises AwsRefused, AwsUnreachable."""
    asked = {"PolicySourceArn": who, "ActionNames": [*actions], "ResourceArns": [resource], **more}
    answer = aws.call("iam", "SimulatePrincipalPolicy", asked)
    return [each["EvalActionName"] for each in answer["EvaluationResults"] if each["EvalDecision"] != "allowed"]


def _dry_look(aws: AwsSession, code: str, roles: Sequence[str]) -> Found:
    """What can be found out by calls that change nothing, where IAM may not be asked."""
    tried: dict[str, dict[str, Any]] = {
        "DescribeAutomationExecutions": {"MaxResults": 1},
        "GetDocument": {"Name": OURS},
        "GetAutomationExecution": {"AutomationExecutionId": NOBODY},
    }
    for operation, members in tried.items():
        try:
            aws.call("ssm", operation, members)
        except AwsRefused as error:
            if error.code in DENIED:
                return _failed(
                    NAME, f"ssm:{operation} is refused: {error}", f"allow the bot's identity that; {TEMPLATE}"
                )
        except AwsUnreachable as error:
            return _failed(NAME, str(error), "see that this machine reaches Systems Manager: network, VPC endpoint")
    passed = f"; iam:PassRole on {', '.join(roles)} shows at the first start" if roles else ""
    why = f"IAM cannot be asked about starts and signals (iam:SimulatePrincipalPolicy: {code})"
    return Found((Check(NAME, ok=True, detail=f"executions and documents can be read; {why}{passed}"),))


def _signature(aws: Aws, role: str, name: str) -> Found:
    try:
        answer = aws.session(role, session_name="playbook-bot-doctor").call("sts", "GetCallerIdentity", {})
    except (AwsRefused, AwsUnreachable) as error:
        fix = f"let {role} trust the bot's identity, and allow that sts:AssumeRole on it (SigningRoleArns)"
        return _failed(name, f"{role} cannot be taken: {error}", fix)
    return Found((Check(name, ok=True, detail=f"approvals are signed as {answer.get('Arn', role)}"),))


def _events(aws: Aws, settings: Settings) -> Found:
    """Whether AWS says by itself when an execution has moved; without that it is only seen later."""
    name, later = f"{NAME} events", "what happens there is seen at the next look, after at most 30 s"
    hint = "UseAutomationRule=true of deploy/alarms.yaml makes it at once"
    if not settings.sqs_queue_urls:
        return Found((Check(name, ok=True, detail=f"no queue is read, so {later}; {hint}"),))
    for url in settings.sqs_queue_urls:
        try:
            arn = aws.queue_attributes(url)["QueueArn"]
            session = aws.session(region=arn.split(":")[3])
            names = session.call("events", "ListRuleNamesByTarget", {"TargetArn": arn}).get("RuleNames", [])
            patterns = [
                session.call("events", "DescribeRule", {"Name": each}).get("EventPattern", "") for each in names
            ]
        except (AwsRefused, AwsUnreachable, KeyError):
            return Found((Check(name, ok=True, detail=f"which rules feed the queue is not known here; {hint}"),))
        if any("aws.ssm" in pattern for pattern in patterns):
            return Found((Check(name, ok=True, detail=f"a rule brings them to {arn.rpartition(':')[2]}"),))
    return Found((Check(name, ok=True, detail=f"no rule brings them to a queue, so {later}; {hint}"),))


def _failed(name: str, detail: str, fix: str) -> Found:
    return Found((Check(name, ok=False, detail=detail, fix=fix),))
