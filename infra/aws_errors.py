"""What AWS may answer instead of a result: facts as attributes, AWS's own sentence as the message."""

from collections.abc import Mapping
from typing import Any

NOT_IMPLEMENTED = "NotImplemented"
THROTTLING_CODES = frozenset(
    {
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "RequestThrottled",
        "RequestThrottledException",
        "RequestLimitExceeded",
        "BandwidthLimitExceeded",
        "LimitExceededException",
        "ProvisionedThroughputExceededException",
        "TooManyRequestsException",
        "PriorRequestNotComplete",
        "TransactionInProgressException",
        "EC2ThrottledException",
        "SlowDown",
    }
)
EXPIRED_CODES = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired"})
DENIED_CODES = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "UnauthorizedOperation",
        "UnauthorizedAccess",
        "AuthFailure",
        "AuthorizationError",
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidClientTokenId",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
        "OptInRequired",
        "403",
    }
)


class AwsRefused(Exception):
    """AWS answered with an error, or the call does not fit AWS's own model of the operation."""

    def __init__(self, code: str, message: str, *, operation: str = "", request_id: str = "", status: int = 0) -> None:
        super().__init__(message)
        self.code, self.operation, self.request_id, self.status = code, operation, request_id, status

    @property
    def is_throttling(self) -> bool:
        """Whether it is worth trying again later."""
        return self.code in THROTTLING_CODES

    @property
    def is_expired(self) -> bool:
        """Whether the credentials, or the request's signature, were too old."""
        return self.code in EXPIRED_CODES

    @property
    def is_trouble_of_aws(self) -> bool:
        """Whether AWS itself is in trouble: what was asked may or may not have been done."""
        return self.status >= 500 and self.code not in (NOT_IMPLEMENTED, "UnknownOperationException")

    @property
    def is_passing(self) -> bool:
        """Whether the same call may be taken later: this is no answer to what was asked."""
        return self.is_throttling or self.is_expired or self.is_trouble_of_aws

    @property
    def is_denied(self) -> bool:
        """Whether a permission or a credential is missing."""
        return self.code in DENIED_CODES or self.status == 403

    @property
    def is_not_implemented(self) -> bool:
        """Whether this AWS does not have the operation: an imitation, or a Region that lags behind."""
        return self.code in (NOT_IMPLEMENTED, "UnknownOperationException") or self.status in (500, 501)

    @property
    def is_invalid_input(self) -> bool:
        """Whether the call never left: its inputs do not fit the model."""
        return self.code == "ParamValidation"


def refusal(response: Mapping[str, Any], message: str, operation: str) -> AwsRefused:
    """The facts of an error answer, as botocore's ClientError has it; a page in its place tells nobody anything."""
    meta, code = response.get("ResponseMetadata", {}), str(response.get("Error", {}).get("Code", "Unknown"))
    is_page = code.isdigit() and "<" in message
    return AwsRefused(
        code,
        f"AWS answered {operation} with HTTP {code}, and no reason." if is_page else message,
        operation=operation,
        request_id=str(meta.get("RequestId", "")),
        status=int(meta.get("HTTPStatusCode", 0)),
    )


class AwsUnreachable(Exception):
    """There was no answer: no network, no credentials, or it took too long."""
