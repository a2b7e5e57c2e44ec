"""The files that commands read and write: what is wrong with one is one sentence and exit code 2."""

from pathlib import Path
from xml.etree import ElementTree as ET

from bot.terminal.answers import refuse


def read_text(path: Path) -> str:
    """The text of a file."""
    try:
        content = path.read_bytes()
    except OSError as error:
        refuse(f"{path} cannot be read: {error.strerror}")
    return decoded(content, str(path))


def decoded(content: bytes, name: str) -> str:
    """The text of bytes that came from a file of that name, its lines ended as ours are."""
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        refuse(f"{name}:1:1 the file is not UTF-8 text ({error.reason} at byte {error.start})")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def write(path: Path, content: bytes) -> None:
    """Make the file, or put this in the place of what it holds."""
    try:
        path.write_bytes(content)
    except OSError as error:
        refuse(f"{path} cannot be written: {error.strerror}")


def write_xml(path: Path, root: ET.Element) -> None:
    """The same with a tree of XML, as reports for CI systems are."""
    write(path, ET.tostring(root, encoding="utf-8", xml_declaration=True))
