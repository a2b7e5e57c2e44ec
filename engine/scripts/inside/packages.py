"""What scripts do to get a newer boto3 (they have no network): pip is answered, and boto3 stays the one that is here.

Some of AWS's own runbooks delete boto3's modules, run `pip install boto3 -t /tmp/` and import it again.
"""

import importlib.machinery
import importlib.metadata
import io
import os
import re
import shlex
import subprocess
import sys
import types
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from typing import Any, Final

OF_BOTO3: Final = re.compile(r"(boto3|botocore|s3transfer)(\..*)?")
WITH_VALUE: Final = frozenset(
    {"-t", "--target", "-r", "--requirement", "-i", "--index-url", "--prefix", "-c", "--root"}
)
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


class _Kept(MetaPathFinder, Loader):
    """Finds the modules that were there before the script began, whatever it deletes."""

    def __init__(self) -> None:
        self._modules = {name: module for name, module in sys.modules.items() if OF_BOTO3.fullmatch(name)}

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Ourselves as the loader of a module that is kept."""
        return importlib.machinery.ModuleSpec(fullname, self) if fullname in self._modules else None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        """The module as it was."""
        return self._modules[spec.name]

    def exec_module(self, module: types.ModuleType) -> None:
        """It has run already."""


def keep_boto3() -> None:
    """Importing boto3 gives the one that asks the bot, however often it is imported."""
    sys.meta_path.insert(0, _Kept())


def answer_pip() -> None:
    """Let `pip install` of what is installed succeed, as it would; every other program is refused by the system."""
    run = os.system

    def system(command: str) -> int:
        wanted = wanted_of(command)
        if wanted is None:
            return run(command)
        code, text = said_of(wanted)
        print(text)  # noqa: T201 - the script's own output
        return code << 8

    os.system = system  # type: ignore[assignment]  # the same signature
    subprocess.Popen = _Popen  # type: ignore[misc]  # its own subclass


class _Popen(subprocess.Popen):  # type: ignore[type-arg]  # text or bytes, as the caller chooses
    """A program that has ended before it began, where it is pip."""

    def __init__(self, args: Any, *rest: Any, **options: Any) -> None:
        wanted = wanted_of(args)
        self._answer: Any = None
        if wanted is None:
            super().__init__(args, *rest, **options)
            return
        self.args, self.stdin, self.stdout, self.stderr, self.pid = args, None, None, None, 0
        self.returncode, text = said_of(wanted)
        is_text = any(options.get(name) for name in ("text", "universal_newlines", "encoding", "errors"))
        self._answer = text if is_text else text.encode()
        if options.get("stdout") == subprocess.PIPE:
            self.stdout = io.StringIO(text) if is_text else io.BytesIO(text.encode())
        elif options.get("stdout") is None:
            print(text)  # noqa: T201 - the script's own output

    def communicate(self, input: Any = None, timeout: float | None = None) -> Any:  # noqa: A002 - the name is given
        """What it said."""
        if self._answer is None:
            return super().communicate(input, timeout)
        return (self._answer if self.stdout else None), None

    def wait(self, timeout: float | None = None) -> int:
        """It has ended."""
        return self.returncode if self._answer is not None else super().wait(timeout)

    def poll(self) -> int | None:
        """It has ended."""
        return self.returncode if self._answer is not None else super().poll()


def wanted_of(command: object) -> list[str] | None:
    """The packages that a command would install; None where it is not pip."""
    try:
        words = shlex.split(command) if isinstance(command, str) else [os.fspath(word) for word in command]  # type: ignore[attr-defined]  # anything else raises
    except (TypeError, ValueError):
        return None
    if len(words) > 2 and words[1:3] == ["-m", "pip"]:
        words = words[2:]
    if not words or not re.fullmatch(r"(.*/)?pip3?(\.\d+)?", words[0]) or words[1:2] != ["install"]:
        return None
    wanted, rest = [], iter(words[2:])
    for word in rest:
        if word in WITH_VALUE:
            next(rest, None)
        elif not word.startswith("-"):
            wanted.append(word)
    return wanted


def said_of(wanted: Sequence[str]) -> tuple[int, str]:
    """The exit code and the text of installing these packages."""
    lines, code = [], 0
    for requirement in wanted:
        name = NAME.match(requirement)
        try:
            version = importlib.metadata.version(name.group() if name else requirement)
            lines.append(f"Requirement already satisfied: {requirement} ({version})")
        except importlib.metadata.PackageNotFoundError:
            lines.append(f"ERROR: {requirement} is not installed beside the bot, and scripts have no network")
            code = 1
    return code, "\n".join(lines)
