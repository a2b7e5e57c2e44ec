"""Long texts as files in a thread: uploaded first, shown only by the last of three calls, found again by their name.

Slack: "Working with files", uploads since 2025: getUploadURLExternal, the bytes, completeUploadExternal.
"""

import hashlib
import re
import urllib.request
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from slack_sdk import WebClient

LARGEST: Final = 900_000
"""Characters; Slack shows texts of up to 1 MB."""
NAME: Final = 60
TITLE: Final = 120
WITHOUT_FILES: Final = frozenset({"missing_scope", "no_permission", "not_allowed_token_type", "access_denied"})
"""Codes after which no further file is tried: the workspace does not let this bot upload."""
TIMEOUT_SECONDS: Final = 10


@dataclass(frozen=True, slots=True)
class TextFile:
    """A text to be shown as a file; `name` tells it from every other one."""

    name: str
    title: str
    content: str


class UploadFailed(OSError):
    """The place that Slack named for the bytes did not take them; nothing is shown anywhere."""


def named(what: str, key: str, ending: str = "txt") -> str:
    """A file's name: what it holds, and whose it is by the message's key, so that it is found again."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", what).strip("-.")[:NAME] or "text"
    return f"{plain}{tail(key)}.{ending}"


def tail(key: str) -> str:
    """What the name of the file of a message ends in, before its ending."""
    return f"-{hashlib.sha256(key.encode()).hexdigest()[:12]}"


def share(client: WebClient, file: TextFile, place: tuple[str, str], comment: str) -> Any:
    """Show a file in a channel or below a message; the answer of the last call. Raises as the SDK does, and OSError."""
    channel, thread_ts = place
    content = file.content[:LARGEST].encode()
    answer = client.files_getUploadURLExternal(filename=file.name, length=len(content))
    _send(str(answer["upload_url"]), content)
    return client.files_completeUploadExternal(
        files=[{"id": str(answer["file_id"]), "title": file.title[:TITLE]}],
        channel_id=channel,
        thread_ts=thread_ts or None,
        initial_comment=comment,
    )


def _send(url: str, content: bytes) -> None:
    """Raises UploadFailed, OSError."""
    if urlsplit(url).scheme not in ("https", "http"):
        raise UploadFailed(f"Slack named a place for the file that is no web address: {url[:40]}")
    headers = {"Content-Type": "application/octet-stream"}
    request = urllib.request.Request(url, data=content, headers=headers, method="POST")  # noqa: S310 - looked at above
    with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310 - looked at above
        if answer.status != 200:
            raise UploadFailed(f"the file was not taken: HTTP {answer.status}")
