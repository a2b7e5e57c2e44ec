"""Whether AWS knows us, lets us take the role, and has the queues, topics and Regions of the settings."""

import difflib
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Final

from infra.aws import Aws
from infra.aws_errors import AwsRefused, AwsUnreachable
from infra.aws_models import known_regions
from infra.check import Check, Found, moment_in
from infra.clock import Clock
from infra.settings import Settings

CREDENTIALS: Final = (
    "give the process credentials: a role of the instance, task or pod, or AWS_PROFILE, or AWS_ACCESS_KEY_ID and "
    "AWS_SECRET_ACCESS_KEY"
)
DOOR: Final = "/sns"
"""Where the bot takes what a topic delivers."""
OUR_CLOCK: Final = frozenset({"RequestExpired", "RequestTimeTooSkewed", "SignatureDoesNotMatch", "InvalidSignature"})
MISSING: Final = frozenset(
    {"AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist", "NotFound", "NotFoundException"}
)


def looks(aws: Aws, settings: Settings, clock: Clock) -> Mapping[str, Callable[[], Found]]:
    """Each question to AWS by name; they may be asked side by side."""
    found: dict[str, Callable[[], Found]] = {"AWS identity": lambda: _identity(aws, clock)}
    if settings.assume_role:
        found["AWS role"] = lambda: _role(aws, settings.assume_role)
    for url in settings.sqs_queue_urls:
        found[f"SQS {url.rpartition('/')[2]}"] = lambda url=url: _queue(aws, url)  # type: ignore[misc]
    for topic in settings.sns_topics:
        found[f"SNS {topic.rpartition(':')[2]}"] = lambda topic=topic: _topic(aws, topic, settings)  # type: ignore[misc]
    return found


def _identity(aws: Aws, clock: Clock) -> Found:
    name = "AWS identity"
    try:
        answer = aws.session().answer("sts", "GetCallerIdentity", {}, read=dict)
    except AwsRefused as error:
        fix = "set this machine's clock (NTP): AWS refuses what is signed more than five minutes off"
        return _failed(name, f"AWS refuses our credentials: {error}", fix if error.code in OUR_CLOCK else CREDENTIALS)
    except AwsUnreachable as error:
        return _failed(name, str(error), _road(error))
    headers = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    detail = f"{answer.get('Arn', '?')} in {aws.region}"
    return Found((Check(name, ok=True, detail=detail),), moment_in(headers, "AWS", clock))


def _role(aws: Aws, role: str) -> Found:
    name = "AWS role"
    try:
        answer = aws.session(role, session_name="playbook-bot-doctor").call("sts", "GetCallerIdentity", {})
    except AwsRefused as error:
        fix = f"let {role} trust the bot's identity, and allow that identity sts:AssumeRole on it"
        return _failed(name, f"{role} cannot be taken: {error}", fix)
    except AwsUnreachable as error:
        return _failed(name, f"{role} cannot be taken: {error}", _road(error))
    return Found((Check(name, ok=True, detail=f"runbooks call AWS as {answer.get('Arn', role)}"),))


def _queue(aws: Aws, url: str) -> Found:
    name = f"SQS {url.rpartition('/')[2]}"
    try:
        attributes = aws.queue_attributes(url)
    except (AwsRefused, AwsUnreachable) as error:
        actions = "sqs:ReceiveMessage, sqs:DeleteMessage and sqs:GetQueueAttributes"
        return _failed(name, f"cannot be read: {error}", _remedy(error, f"its URL in sqs_queue_urls ({url})", actions))
    waiting = attributes.get("ApproximateNumberOfMessages", "?")
    if not attributes.get("RedrivePolicy"):
        detail = "is readable, but has no dead-letter queue: a message that meets a defect would come again for days"
        return _failed(name, detail, "give it a RedrivePolicy (deploy/alarms.yaml has one)")
    return Found((Check(name, ok=True, detail=f"readable, with a dead-letter queue; {waiting} messages wait"),))


def _topic(aws: Aws, arn: str, settings: Settings) -> Found:
    name = f"SNS {arn.rpartition(':')[2]}"
    try:
        subscriptions = aws.subscriptions(arn)
    except (AwsRefused, AwsUnreachable) as error:
        actions = "sns:ListSubscriptionsByTopic and sns:ConfirmSubscription"
        return _failed(name, f"cannot be read: {error}", _remedy(error, f"its ARN in sns_topics ({arn})", actions))
    queues = {url.rpartition("/")[2] for url in settings.sqs_queue_urls}
    ours = [each for each in subscriptions if _leads_here(each.get("Endpoint", ""), queues)]
    if not ours:
        detail = f"has no subscription that leads here, neither to {DOOR} nor to a queue of ours"
        return _failed(name, detail, f"subscribe https://YOUR-BOT{DOOR} to it")
    if not any(each.get("SubscriptionArn", "").startswith("arn:") for each in ours):
        detail = f"{ours[0]['Endpoint']} is subscribed, but not confirmed"
        return _failed(name, detail, "see that SNS reaches that address while the bot runs, and subscribe it once more")
    return Found((Check(name, ok=True, detail=f"{ours[0]['Endpoint']} is subscribed"),))


def _leads_here(endpoint: str, queues: Collection[str]) -> bool:
    return endpoint.endswith(DOOR) or (endpoint.startswith("arn:") and endpoint.rpartition(":")[2] in queues)


def _remedy(error: AwsRefused | AwsUnreachable, correct: str, actions: str) -> str:
    if isinstance(error, AwsUnreachable):
        return _road(error)
    if error.code in MISSING:
        return f"correct {correct}, or create it"
    return f"allow the bot's identity {actions} on it"


def _road(error: AwsUnreachable) -> str:
    """What to do where there was no answer: only botocore's words tell why."""
    said = str(error).lower()
    if "credential" in said or "token" in said:
        return CREDENTIALS
    if "region" in said:
        return "set aws_region (or AWS_REGION)"
    return "see that this machine reaches the endpoint: network, proxy, VPC endpoint, aws_endpoint_url"


def _failed(name: str, detail: str, fix: str) -> Found:
    return Found((Check(name, ok=False, detail=detail, fix=fix),))


def regions(settings: Settings, home: str) -> Check:
    """Whether the Regions of the settings exist, and those of queues and topics are among them."""
    problems = [*_unknown(settings, home), *_left_out(settings)]
    if problems:
        return Check("Regions", ok=False, detail="; ".join(problems), fix="correct regions or aws_region")
    accepted = ", ".join(settings.regions) or "every Region that queues and topics bring"
    return Check("Regions", ok=True, detail=f"at home in {home}; alarms are accepted from {accepted}")


def _unknown(settings: Settings, home: str) -> Iterator[str]:
    if not home:
        yield "no Region is set: neither aws_region nor AWS_REGION"
    known = known_regions()
    for region in dict.fromkeys([*([home] if home else []), *settings.regions]):
        if region not in known:
            near = difflib.get_close_matches(region, known, n=1)
            yield f'there is no Region "{region}"' + (f", perhaps {near[0]}" if near else "")


def _left_out(settings: Settings) -> Iterator[str]:
    """Topics whose messages would be refused for their Region."""
    for topic in settings.sns_topics:
        region = topic.split(":")[3]
        if settings.regions and region not in settings.regions:
            yield f"{topic} is in {region}, from where nothing is accepted"
