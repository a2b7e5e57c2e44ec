"""`python -m playbook_moto -p 5000`: moto's server, whose Automation operations work and whose alarms act."""

import argparse
import os
import sys

from moto.server import main as moto_main

from playbook_moto.installation import install
from playbook_moto.world import Settings


def main(arguments: list[str]) -> None:
    """Take moto's own options, and --virtual-time."""
    parser = argparse.ArgumentParser(prog="playbook_moto", add_help=False)
    parser.add_argument("-p", "--port", type=int, default=int(os.environ.get("MOTO_PORT", "5000")))
    parser.add_argument("-H", "--host", default="127.0.0.1")
    parser.add_argument("--virtual-time", action="store_true")
    parser.add_argument("--check-approvers", action="store_true")
    ours, rest = parser.parse_known_args(arguments)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        os.environ.setdefault(name, "moto")
    host = "127.0.0.1" if ours.host in ("0.0.0.0", "::") else ours.host  # noqa: S104 - where to call what listens everywhere
    install(
        Settings(
            real_time=not ours.virtual_time,
            check_approvers=ours.check_approvers,
            endpoint=f"http://{host}:{ours.port}",
        )
    )
    moto_main(["-p", str(ours.port), "-H", ours.host, *rest])


if __name__ == "__main__":
    main(sys.argv[1:])
