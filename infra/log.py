"""The log: constant messages with data as fields, one line each, secrets masked wherever they come from."""

import logging
import re
import sys
import warnings
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from typing import Any, Literal, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from infra.masking import MASK, masking

SECRET_NAMES = re.compile(r"(?i)token|secret|password|authorization|signature|credential|(?:^|_)key$")
NOISY = ("botocore", "boto3", "urllib3", "s3transfer", "slack_sdk", "slack_bolt", "apscheduler", "alembic", "werkzeug")
"""Libraries that tell at `info` what belongs into `debug`, some with whole requests."""


def configure(
    level: str = "info",
    style: Literal["auto", "json", "console"] = "auto",
    *,
    secrets: Iterable[str] = (),
    stream: TextIO | None = None,
) -> None:
    """Set up structlog and the standard library's logging, once per process. Python's warnings are silent.

    `secrets` are masked in every field and traceback, and so is whatever looks like a token of Slack or AWS.
    """
    stream = stream or sys.stderr
    is_json = style == "json" or (style == "auto" and not stream.isatty())
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        structlog.processors.UnicodeDecoder(),
        masker(secrets),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    renderer: Processor = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if is_json
        else structlog.dev.ConsoleRenderer(colors=stream.isatty())
    )
    _route_standard_library(level, stream, shared, renderer)
    warnings.simplefilter("ignore")
    logging.captureWarnings(capture=False)


def _route_standard_library(level: str, stream: TextIO, shared: list[Processor], renderer: Processor) -> None:
    """Libraries log through the same fields, mask and renderer as we do."""
    handler = logging.StreamHandler(stream)
    finish: list[Processor] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer]
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=finish))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in NOISY:
        logging.getLogger(name).setLevel(logging.DEBUG if level == "debug" else logging.WARNING)


def masker(secrets: Iterable[str] = ()) -> Callable[[WrappedLogger, str, EventDict], EventDict]:
    """A processor that masks known secrets, tokens by their shape, and fields by their name."""
    mask = mask_of(secrets)

    def process(_logger: WrappedLogger, _method: str, fields: EventDict) -> EventDict:
        masked: MutableMapping[str, Any] = {name: _masked(name, value, mask) for name, value in fields.items()}
        return masked

    return process


def mask_of(secrets: Iterable[str] = ()) -> Callable[[str], str]:
    """A function that masks text: these secrets, and whatever looks like one."""
    return masking(secret for secret in secrets if len(secret) > 3).text


def _masked(name: str, value: Any, mask: Callable[[str], str]) -> Any:
    if SECRET_NAMES.search(name) and isinstance(value, (str, bytes)) and value:
        return MASK
    if isinstance(value, str):
        return mask(value)
    if isinstance(value, Mapping):
        return {key: _masked(str(key), item, mask) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_masked("", item, mask) for item in value]
    if value is None or isinstance(value, (bool, int, float)) or name.startswith("_"):
        return value
    return mask(str(value))
