"""Draft the next migration from what the tables have become: `python -m migrations expand_add_owner`."""

import sys
from pathlib import Path

from alembic import command
from alembic.script import ScriptDirectory

from infra.db import Database
from migrations.runner import config_for, head, upgrade

LONGEST_REVISION = 32
"""Alembic's column holds no more."""


def main(arguments: list[str]) -> str:
    """Write `versions/NNNN_<name>.py` and say where; a person reads and finishes it. Returns an error, or ""."""
    name = arguments[0] if len(arguments) == 1 else ""
    if not name.startswith(("expand_", "contract_")):
        return "usage: python -m migrations expand_… | contract_…"
    revision = f"{int(head()[:4] or 0) + 1:04}_{name}"
    if len(revision) > LONGEST_REVISION:
        return f"{revision} is longer than {LONGEST_REVISION} characters; find a shorter name"
    database = Database("sqlite://")
    upgrade(database)
    with database.transaction() as tx:
        message = name.replace("_", " ").capitalize()
        command.revision(config_for(tx.connection), message, autogenerate=True, rev_id=revision)
    database.close()
    sys.stdout.write(f"{Path(ScriptDirectory.from_config(config_for(None)).versions)}/{revision}.py\n")
    return ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]) or None)
