"""AWS itself: clients, roles and calls. The only place that makes requests to it.

Clients are shared by all identities, one per Region and service: what a call is signed with is decided per request,
so an execution costs credentials and no client. Roles are assumed when first needed and renewed by themselves.
"""

import functools
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, Literal, TypeVar

import botocore.config
import botocore.session
from botocore import xform_name
from botocore.credentials import Credentials, DeferredRefreshableCredentials
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    HTTPClientError,
    NoRegionError,
    ParamValidationError,
)
from botocore.exceptions import (
    ConnectionError as AwsConnectionError,
)

from infra.aws_calls import AwsCall, as_json, resource_of
from infra.aws_errors import NOT_IMPLEMENTED, AwsRefused, AwsUnreachable, refusal
from infra.aws_identity import OURSELVES, Identity, Keys, role_session_name, sign_as_caller, signing_with
from infra.aws_models import loader, operation_model, operation_name, partition_of, service_name
from infra.aws_operations import is_repeatable
from infra.canonical import Json

ONCE: Final = botocore.config.Config(retries={"mode": "standard", "total_max_attempts": 1})
"""For calls that must not be repeated because an answer was lost."""
PATIENT: Final = botocore.config.Config(
    retries={"mode": "standard", "total_max_attempts": 1}, read_timeout=310, tcp_keepalive=True
)
"""For Lambda's Invoke, whose answer may take the function's five minutes."""
ROLE_SECONDS: Final = 3600
"""The longest that AWS allows where one role assumes another."""
MOST_IDENTITIES: Final = 1000
Manner = Literal["repeating", "once", "patient"]
T = TypeVar("T")
NO_ACCOUNT: Final = "000000000000"


def _config(user_agent: str) -> Any:
    """How calls are made that may be repeated: four attempts (AWS's "standard" mode), each of at most 25 s."""
    return botocore.config.Config(
        retries={"mode": "standard", "total_max_attempts": 4},
        connect_timeout=5,
        read_timeout=25,
        max_pool_connections=32,
        user_agent_extra=user_agent,
        account_id_endpoint_mode="disabled",  # the account belongs to the request's identity, not to the client's
    )


class Aws:
    """The process's way to AWS. Nothing is looked up before the first call."""

    def __init__(self, *, endpoint_url: str | None = None, region: str = "", user_agent: str = "playbook-bot") -> None:
        self._endpoint_url, self._region = endpoint_url, region
        self._config = _config(user_agent)
        self._lock = threading.RLock()
        self._credentials: OrderedDict[Identity, Any] = OrderedDict()
        self._accounts: dict[Identity, str] = {}
        self._clients: dict[tuple[str, str, str], Any] = {}

    @cached_property
    def _home(self) -> Any:
        session = botocore.session.Session()
        session.register_component("data_loader", loader())
        return session

    @cached_property
    def region(self) -> str:
        """The Region of the settings, else the one every AWS tool would find; "" when there is none."""
        return self._region or str(self._home.get_config_variable("region") or "")

    def session(
        self,
        role_arn: str = "",
        *,
        session_name: str = "playbook-bot",
        external_id: str = "",
        region: str = "",
        account: str = "",
    ) -> "AwsSession":
        """AWS as a role (or as ourselves) in one Region. Opens nothing yet; `session_name` is what CloudTrail shows."""
        identity = Identity(role_arn, role_session_name(session_name), external_id) if role_arn else OURSELVES
        return AwsSession(self, identity, region or self.region, account)

    def client(self, service: str, region: str = "", *, manner: Manner = "repeating") -> Any:
        """The botocore client of a service; shared by all threads and identities. Raises AwsUnreachable."""
        key = (region or self.region, service, manner)
        with self._lock:
            client = self._clients.get(key)
            if client is None:
                client = self._clients[key] = self._new_client(service, key[0], manner)
            return client

    def _new_client(self, service: str, region: str, manner: Manner) -> Any:
        config = (
            self._config if manner == "repeating" else self._config.merge({"once": ONCE, "patient": PATIENT}[manner])
        )
        try:
            client = self._home.create_client(
                service, region_name=region or None, endpoint_url=self._endpoint_url, config=config
            )
        except NoRegionError as error:
            raise AwsUnreachable("No AWS Region is set; set AWS_REGION or aws_region.") from error
        except BotoCoreError as error:
            raise AwsUnreachable(f"{service} cannot be called in {region}: {error}") from error
        client.meta.events.register_first("before-parameter-build", sign_as_caller)
        return client

    @contextmanager
    def signing_as(self, identity: Identity) -> Iterator[None]:
        """Sign what this thread calls inside the block as `identity`."""
        with signing_with(self._credentials_of(identity) if identity.role_arn else None):
            yield

    def _credentials_of(self, identity: Identity) -> Any:
        with self._lock:
            known = self._credentials.get(identity)
            if known is None:
                known = self._credentials[identity] = DeferredRefreshableCredentials(
                    refresh_using=lambda: self._assume(identity), method="assume-role"
                )
            self._credentials.move_to_end(identity)
            if len(self._credentials) > MOST_IDENTITIES:
                self._credentials.popitem(last=False)
            return known

    def _assume(self, identity: Identity) -> dict[str, str]:
        params = {"RoleArn": identity.role_arn, "RoleSessionName": identity.session_name}
        if identity.external_id:
            params["ExternalId"] = identity.external_id
        with signing_with(None):
            answer = self.client("sts").assume_role(**params, DurationSeconds=ROLE_SECONDS)["Credentials"]
        return {
            "access_key": answer["AccessKeyId"],
            "secret_key": answer["SecretAccessKey"],
            "token": answer["SessionToken"],
            "expiry_time": answer["Expiration"].isoformat(),
        }

    def account_of(self, identity: Identity) -> str:
        """The account an identity calls from; asked for once. Raises AwsRefused, AwsUnreachable."""
        if identity not in self._accounts:
            answer = AwsSession(self, identity, self.region).call("sts", "GetCallerIdentity", {})
            if len(self._accounts) > MOST_IDENTITIES:
                self._accounts.clear()
            self._accounts[identity] = str(answer["Account"])
        return self._accounts[identity]

    # -- what doors need, as plain callables

    def caller_identity(self) -> dict[str, str]:
        """Account, Arn and UserId of the process itself. Raises AwsRefused, AwsUnreachable."""
        answer = self.session().call("sts", "GetCallerIdentity", {})
        return {name: str(answer.get(name, "")) for name in ("Account", "Arn", "UserId")}

    def receive_messages(self, queue_url: str, *, wait_seconds: int) -> list[dict[str, Any]]:
        """At most ten messages of a queue. Raises AwsRefused, AwsUnreachable."""
        session = self.session(region=_region_of_queue(queue_url))
        params = {"QueueUrl": queue_url, "MaxNumberOfMessages": 10, "WaitTimeSeconds": wait_seconds}
        answer = session.call("sqs", "ReceiveMessage", {**params, "AttributeNames": ["ApproximateReceiveCount"]})
        return list(answer.get("Messages") or [])

    def delete_message(self, queue_url: str, receipt_handle: str) -> None:
        """Delete a message that has been dealt with."""
        session = self.session(region=_region_of_queue(queue_url))
        session.call("sqs", "DeleteMessage", {"QueueUrl": queue_url, "ReceiptHandle": receipt_handle})

    def queue_attributes(self, queue_url: str) -> dict[str, str]:
        """What a queue tells of itself, without taking a message. Raises AwsRefused, AwsUnreachable."""
        session = self.session(region=_region_of_queue(queue_url))
        answer = session.call("sqs", "GetQueueAttributes", {"QueueUrl": queue_url, "AttributeNames": ["All"]})
        return {name: str(value) for name, value in (answer.get("Attributes") or {}).items()}

    def subscriptions(self, topic_arn: str) -> list[dict[str, str]]:
        """The first hundred subscriptions of a topic. Raises AwsRefused, AwsUnreachable."""
        session = self.session(region=topic_arn.split(":")[3])
        answer = session.call("sns", "ListSubscriptionsByTopic", {"TopicArn": topic_arn})
        return list(answer.get("Subscriptions") or [])

    def send_message(self, queue_url: str, body: str, *, group: str, message_id: str) -> None:
        """Put a message into a queue; a FIFO queue takes a message id once. Raises AwsRefused, AwsUnreachable."""
        params = {"QueueUrl": queue_url, "MessageBody": body}
        if queue_url.endswith(".fifo"):
            params |= {"MessageGroupId": group, "MessageDeduplicationId": message_id}
        self.session(region=_region_of_queue(queue_url)).call("sqs", "SendMessage", params)

    def put_event(self, bus: str, entry: Mapping[str, Any]) -> None:
        """Put an event on an EventBridge bus (name or ARN). Raises AwsRefused, AwsUnreachable."""
        region = bus.split(":")[3] if bus.startswith("arn:") else ""
        params = {"Entries": [{**entry, "EventBusName": bus}]}
        answer = self.session(region=region).call("events", "PutEvents", params)
        if answer.get("FailedEntryCount"):
            failed = answer["Entries"][0]
            raise AwsRefused(str(failed.get("ErrorCode")), str(failed.get("ErrorMessage")), operation="PutEvents")

    def confirm_subscription(self, topic_arn: str, token: str) -> None:
        """Confirm an SNS subscription through the API."""
        session = self.session(region=topic_arn.split(":")[3])
        session.call("sns", "ConfirmSubscription", {"TopicArn": topic_arn, "Token": token})

    def publish(self, topic_arn: str, *, subject: str, message: str) -> None:
        """Tell an SNS topic (the NotificationArn of aws:approve)."""
        session = self.session(region=topic_arn.split(":")[3])
        session.call("sns", "Publish", {"TopicArn": topic_arn, "Subject": subject[:100], "Message": message})


def _region_of_queue(queue_url: str) -> str:
    parts = queue_url.split("/")[2].split(".")
    return parts[1] if len(parts) > 3 and parts[0] == "sqs" else ""


@dataclass
class AwsSession:
    """AWS for one execution: one identity, one home Region, and a memory of what was called."""

    _aws: Aws
    identity: Identity
    region: str
    _account: str = ""
    _calls: list[AwsCall] = field(default_factory=list)

    @property
    def account(self) -> str:
        """The account id, given or asked for once; twelve zeros where AWS does not say."""
        if not self._account:
            try:
                self._account = self._aws.account_of(self.identity)
            except (AwsRefused, AwsUnreachable):
                self._account = NO_ACCOUNT
        return self._account

    @property
    def partition(self) -> str:
        """aws, aws-cn, aws-us-gov …, by the Region."""
        return partition_of(self.region)

    def drain(self) -> list[AwsCall]:
        """The calls since the last time, in order."""
        calls, self._calls = self._calls, []
        return calls

    def input_members(self, service: str, operation: str) -> Any:
        """Botocore's model of the operation. Raises AwsRefused when there is none."""
        return operation_model(service, operation)

    def record(self, call: AwsCall) -> None:
        """Remember a call that was not made here: one that a script was refused."""
        self._calls.append(call)

    def call(self, service: str, operation: str, params: Mapping[str, Any], *, region: str = "") -> dict[str, Any]:
        """One call; datetimes in the answer are ISO 8601, blobs text. Raises AwsRefused, AwsUnreachable."""
        return self.answer(service, operation, params, read=as_json, region=region)

    def answer(
        self, service: str, operation: str, params: Mapping[str, Any], *, read: Callable[[dict[str, Any]], T],
        region: str = "", keys: Keys | None = None,
    ) -> T:  # fmt: skip
        """What `read` makes of botocore's own answer; `keys` sign instead of the role. Raises as `call`."""
        name, action = service_name(service), operation_name(service, operation)
        manner = _manner(name, action)
        began = time.monotonic()

        def note(request_id: str, error: str, retries: int = 0) -> None:
            spent, where = (time.monotonic() - began) * 1000, region or self.region
            self._calls.append(AwsCall(name, action, where, resource_of(params), request_id, error, spent, retries))

        try:
            client = self._aws.client(name, region or self.region, manner=manner)
            with signing_with(Credentials(*keys)) if keys else self._aws.signing_as(self.identity):
                answer = getattr(client, xform_name(action))(**params)
            found = read(answer)
        except ClientError as error:
            refused = refusal(error.response, str(error), error.operation_name)
            note(refused.request_id, refused.code, _retries(error.response))
            raise refused from error
        except ParamValidationError as error:
            raise AwsRefused("ParamValidation", str(error).replace("\n", " "), operation=action) from error
        except (AwsConnectionError, HTTPClientError) as error:
            note("", type(error).__name__)
            unsure = "" if manner == "repeating" else " It may or may not have happened."
            raise AwsUnreachable(f"{name}:{action} got no answer: {error}{unsure}") from error
        except BotoCoreError as error:
            raise AwsUnreachable(f"{name}:{action} could not be called: {error}") from error
        except NotImplementedError as error:  # how an AWS that is only imitated (moto) says so
            note("", NOT_IMPLEMENTED)
            raise AwsRefused(NOT_IMPLEMENTED, str(error), operation=action, status=501) from error
        note(str(answer.get("ResponseMetadata", {}).get("RequestId", "")), "", _retries(answer))
        return found

    def parameter(self, name: str) -> Json:
        """A plain String or StringList of Parameter Store; never a SecureString. Raises AwsRefused."""
        found = self.call("ssm", "GetParameter", {"Name": name})["Parameter"]
        if found["Type"] == "SecureString":
            raise AwsRefused("SecureString", f'The parameter "{name}" is a SecureString, which runbooks may not read.')
        value = str(found["Value"])
        return [*value.split(",")] if found["Type"] == "StringList" else value


@functools.lru_cache(maxsize=4096)
def _manner(service: str, operation: str) -> Manner:
    if is_repeatable(operation_model(service, operation)):
        return "repeating"
    return "patient" if (service, operation) == ("lambda", "Invoke") else "once"


def _retries(answer: Mapping[str, Any]) -> int:
    return int(answer.get("ResponseMetadata", {}).get("RetryAttempts", 0))
