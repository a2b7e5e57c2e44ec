"""The local workspace is fetched only as the package we know, and its absence is one sentence."""

import base64
import hashlib
import io
import subprocess
import tarfile
from pathlib import Path

import pytest

from bot.demo import local_slack
from bot.demo.local_slack import WorkspaceUnavailable

PROGRAM = b"#!/bin/sh\necho slack\n"


def _package(program: bytes = PROGRAM) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        member = tarfile.TarInfo(local_slack.PROGRAM_IN_PACKAGE)
        member.size = len(program)
        tar.addfile(member, io.BytesIO(program))
    return packed.getvalue()


class Npm:
    """An npm that packs what a test gives it, and counts."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.package = _package()
        self.calls = 0
        self.exit_code = 0
        self.complaint = b""
        monkeypatch.setattr("shutil.which", lambda _: "/usr/bin/npm")
        monkeypatch.setattr("platform.machine", lambda: "x86_64")
        monkeypatch.setattr("sys.platform", "linux")
        monkeypatch.setattr(subprocess, "run", self._run)
        self.know(self.package)
        monkeypatch.setattr(local_slack, "PROGRAM_SHA256", hashlib.sha256(PROGRAM).hexdigest())
        monkeypatch.setattr(local_slack, "INTEGRITY", self._integrity)

    def know(self, package: bytes) -> None:
        """Take this package for the pinned one."""
        self._integrity = "sha512-" + base64.b64encode(hashlib.sha512(package).digest()).decode()

    def _run(self, command: list[str], *, cwd: Path, **_: object) -> subprocess.CompletedProcess[bytes]:
        self.calls += 1
        if self.exit_code == 0:
            (Path(cwd) / "package.tgz").write_bytes(self.package)
        return subprocess.CompletedProcess(command, self.exit_code, b"", self.complaint)


@pytest.fixture
def npm(monkeypatch: pytest.MonkeyPatch) -> Npm:
    """The npm as this test wants it."""
    return Npm(monkeypatch)


def test_it_is_fetched_once(npm: Npm, tmp_path: Path) -> None:
    """The program is kept, can be run, and npm is not asked again; nothing else stays."""
    first = local_slack.program(tmp_path)

    second = local_slack.program(tmp_path)

    assert (first, npm.calls) == (second, 1)
    assert first.read_bytes() == PROGRAM
    assert first.stat().st_mode & 0o100
    assert list(tmp_path.iterdir()) == [first]


def test_a_changed_program_is_fetched_again(npm: Npm, tmp_path: Path) -> None:
    """What somebody changed in the cache is not run."""
    kept = local_slack.program(tmp_path)
    kept.write_bytes(b"something else")

    again = local_slack.program(tmp_path)

    assert (again.read_bytes(), npm.calls) == (PROGRAM, 2)


def test_another_package_is_refused(npm: Npm, tmp_path: Path) -> None:
    """A registry that gives something else under the same name and version gets nowhere."""
    npm.package = _package(b"evil")

    with pytest.raises(WorkspaceUnavailable, match="is not the pinned package"):
        local_slack.program(tmp_path)

    assert list(tmp_path.iterdir()) == []


def test_npm_says_why_not(npm: Npm, tmp_path: Path) -> None:
    """The first line of npm's complaint is the reason."""
    npm.exit_code, npm.complaint = 1, b"npm error code ENOTFOUND\nnpm error and so on\n"

    with pytest.raises(WorkspaceUnavailable, match=r"could not fetch .*: npm error code ENOTFOUND"):
        local_slack.program(tmp_path)


def test_without_npm_it_is_one_sentence(npm: Npm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without npm is told what is missing."""
    monkeypatch.setattr("shutil.which", lambda _: None)

    with pytest.raises(WorkspaceUnavailable, match="needs npm, which is not"):
        local_slack.program(tmp_path)


@pytest.mark.parametrize(("system", "machine"), [("darwin", "arm64"), ("linux", "aarch64")])
def test_other_machines_are_told(
    npm: Npm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, system: str, machine: str
) -> None:
    """There is a program for one kind of machine only."""
    monkeypatch.setattr("sys.platform", system)
    monkeypatch.setattr("platform.machine", lambda: machine)

    with pytest.raises(WorkspaceUnavailable, match=f"not for {system} on {machine}"):
        local_slack.program(tmp_path)

    assert npm.calls == 0


def test_the_pin_is_the_published_one() -> None:
    """The package is pinned by name, version and integrity."""
    assert local_slack.PACKAGE == "local-slack-linux-x64@0.1.8"
    assert local_slack.INTEGRITY.startswith("sha512-2BCTKxKajjZNWCSCj66Jq5VDScUDNpGZ1lA3281I8RvpDE4/")
