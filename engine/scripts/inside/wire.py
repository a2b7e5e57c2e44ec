"""What travels between the bot and a script: frames on a stream, values as tagged JSON with bytes beside it. Pure.

A frame is two lengths, a JSON header and the binary values that the header names by number. A script may write to the
bot's end whatever it likes, so a frame is bounded before it is kept and nothing in it can name code.
"""

import datetime as dt
import io
import json
import struct
from collections.abc import Callable, Mapping
from typing import Any, Final

LENGTHS: Final = struct.Struct("!II")
LARGEST_QUESTION: Final = 2_000_000
"""Bytes of JSON that the bot reads from a script in one frame: parsed, it is some twenty times as large."""
LARGEST_ANSWER: Final = 32_000_000
"""Bytes of JSON that a script reads from the bot in one frame."""
LARGEST_BINARY: Final = 64_000_000
"""Bytes of binary values in one frame: an upload or a download in one piece."""
TAG: Final = "$"


class BrokenFrame(Exception):
    """What arrived is not a frame: too long, or not what it says."""


class Unsendable(TypeError):
    """A value that has no form on the wire."""


def frame(value: object, *, largest: int = LARGEST_ANSWER) -> bytes:
    """A value as one frame, of at most `largest` bytes of JSON. Raises Unsendable."""
    blobs: list[bytes] = []
    body = json.dumps(
        {"body": _packed(value, blobs), "blobs": [len(blob) for blob in blobs]}, separators=(",", ":")
    ).encode()
    size = sum(map(len, blobs))
    if len(body) > largest or size > LARGEST_BINARY:
        raise Unsendable(f"{len(body) + size:,} bytes are too many for one message")
    return LENGTHS.pack(len(body), size) + body + b"".join(blobs)


def _packed(value: object, blobs: list[bytes]) -> object:
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    if isinstance(value, Mapping):
        entries = {_key(key): _packed(item, blobs) for key, item in value.items()}
        return {TAG: "map", "v": entries} if TAG in entries else entries
    if isinstance(value, (list, tuple)):
        return [_packed(item, blobs) for item in value]
    if isinstance(value, dt.datetime):
        return {TAG: "time", "v": value.isoformat()}
    if isinstance(value, dt.date):
        return {TAG: "date", "v": value.isoformat()}
    if isinstance(value, (bytes, bytearray, memoryview)):
        return _binary("bytes", bytes(value), blobs)
    if hasattr(value, "read"):
        found = value.read(LARGEST_BINARY + 1)
        return _binary("stream", found.encode() if isinstance(found, str) else bytes(found), blobs)
    raise Unsendable(f"a {type(value).__name__} cannot be sent to AWS")


def _key(key: object) -> str:
    if not isinstance(key, str):
        raise Unsendable(f"a key must be text, not a {type(key).__name__}")
    return key


def _binary(kind: str, value: bytes, blobs: list[bytes]) -> dict[str, object]:
    if len(value) > LARGEST_BINARY:
        raise Unsendable(f"a value of more than {LARGEST_BINARY:,} bytes is too large for a script")
    blobs.append(value)
    return {TAG: kind, "n": len(blobs) - 1}


def opened(header: bytes, binary: bytes, *, stream: Callable[[bytes], Any] = bytes) -> Any:
    """The value of a frame; `stream` makes a stream of its bytes. Raises BrokenFrame."""
    try:
        found = json.loads(header)
        blobs, reader = [], io.BytesIO(binary)
        for length in found["blobs"]:
            blobs.append(reader.read(length))
            if len(blobs[-1]) != length:
                raise BrokenFrame("a binary value is shorter than announced")
        return _unpacked(found["body"], blobs, stream)
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError) as error:
        raise BrokenFrame(f"not a frame: {type(error).__name__}") from error


def _unpacked(value: Any, blobs: list[bytes], stream: Callable[[bytes], Any]) -> Any:
    if isinstance(value, list):
        return [_unpacked(item, blobs, stream) for item in value]
    if not isinstance(value, dict):
        return value
    match value.get(TAG):
        case None:
            return {key: _unpacked(item, blobs, stream) for key, item in value.items()}
        case "map":
            return {key: _unpacked(item, blobs, stream) for key, item in value["v"].items()}
        case "time":
            return dt.datetime.fromisoformat(value["v"])
        case "date":
            return dt.date.fromisoformat(value["v"])
        case "bytes":
            return blobs[value["n"]]
        case "stream":
            return stream(blobs[value["n"]])
        case tag:
            raise BrokenFrame(f"unknown tag {str(tag)[:20]!r}")


class Frames:
    """Puts frames together from pieces, within the limits."""

    def __init__(self, *, largest: int) -> None:
        self._buffer, self._largest = bytearray(), largest

    def feed(self, piece: bytes) -> list[tuple[bytes, bytes]]:
        """The frames (header, binary) that are complete with this piece. Raises BrokenFrame."""
        self._buffer += piece
        found = []
        while len(self._buffer) >= LENGTHS.size:
            header, binary = LENGTHS.unpack_from(self._buffer)
            if header > self._largest or binary > LARGEST_BINARY:
                raise BrokenFrame(f"a message of {header + binary:,} bytes is too long")
            end = LENGTHS.size + header + binary
            if len(self._buffer) < end:
                break
            middle = LENGTHS.size + header
            found.append((bytes(self._buffer[LENGTHS.size : middle]), bytes(self._buffer[middle:end])))
            del self._buffer[:end]
        return found
