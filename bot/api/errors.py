"""Errors in AWS's spelling: a code, a sentence, an HTTP status."""

from typing import Final

INTERNAL: Final = "InternalServerError"


class ApiError(Exception):
    """What the caller is answered. Almost every code of SSM comes with status 400."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code, self.status = code, status


def invalid(message: str) -> ApiError:
    """A request that breaks a rule of the model."""
    return ApiError("ValidationException", message)


def unreadable(message: str) -> ApiError:
    """A body that is not what the model says."""
    return ApiError("SerializationException", message)
