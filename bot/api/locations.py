"""The file of a TargetLocationsURL: where S3 keeps it, and what may stand in it."""

import json
from collections.abc import Callable
from typing import Any, Final

from bot.api import model
from bot.api.errors import ApiError
from infra.s3_objects import ObjectUnread
from playbooks.documents.refusals import SsmRefused

LARGEST: Final = 1_048_576
"""Bytes; a hundred locations with all their excluded accounts fit."""
Read = Callable[[str], bytes]
"""The object at a presigned URL. Raises ObjectUnread."""


def target_locations(url: str, read: Read) -> list[dict[str, Any]]:
    """What the file says, as it is now. Raises SsmRefused."""
    try:
        found = json.loads(read(url))
    except ObjectUnread as error:
        raise _refused(str(error)) from error
    except (ValueError, RecursionError) as error:
        raise _refused(f"the file is not JSON: {error}") from error
    plain = found.get("TargetLocations") if isinstance(found, dict) else found
    try:
        return list(model.member("StartAutomationExecution", "TargetLocations", plain))
    except ApiError as error:
        raise _refused(str(error)) from error


def _refused(why: str) -> SsmRefused:
    return SsmRefused("InvalidTarget", f"TargetLocationsURL cannot be used: {why}.")
