"""Bringing a database to the schema of this program, and refusing to start on another one."""

from pathlib import Path

import structlog
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from infra.db import Database, Transaction

log = structlog.get_logger(__name__)
ONE_AT_A_TIME = 0x706C6179
"""PostgreSQL advisory lock: two processes that upgrade at once do it one after the other."""


class SchemaOutdated(Exception):
    """The database has another schema than this program needs; the message says what to run."""


def head() -> str:
    """The revision this program needs."""
    return ScriptDirectory.from_config(config_for(None)).get_current_head() or ""


def current(database: Database) -> str:
    """The revision the database has, or "" when it was never upgraded.

    Raises SchemaOutdated for a file or a server that cannot be a database of this program.
    """
    try:
        with database.reading() as connection:
            return _revision(connection)
    except DBAPIError as error:
        raise SchemaOutdated(f"The database cannot be read: {_first_line(error)}. Correct database_url.") from error


def upgrade(database: Database) -> tuple[str, str]:
    """Bring the database to `head` in one transaction; returns (revision before, revision after).

    Raises SchemaOutdated when the database belongs to a newer program, or does not let us.
    """
    try:
        with database.transaction() as tx:
            _alone(tx)
            before = _revision(tx.connection)
            _refuse_unknown(before)
            command.upgrade(config_for(tx.connection), "head")
            after = _revision(tx.connection)
    except DBAPIError as error:
        text = f"The schema cannot be upgraded, and nothing was changed: {_first_line(error)}."
        raise SchemaOutdated(f"{text} Correct database_url, or what its user may do.") from error
    if before != after:
        log.info("database upgraded", before=before or "nothing", after=after)
    return before, after


def check(database: Database) -> None:
    """Raises SchemaOutdated unless the database can be used as it is.

    A revision that only expands the schema may be newer than this program: old and new code share the database for
    the length of a deploy.
    """
    found, needed = current(database), head()
    if found == needed:
        return
    _refuse_unknown(found)
    if not _is_known(found):
        log.warning("the database is newer than this program", database=found, program=needed)
        return
    state = f"is at revision {found}" if found else "has no tables yet"
    raise SchemaOutdated(f"The database {state}; this program needs {needed}. Run: playbook-bot db upgrade")


def _first_line(error: DBAPIError) -> str:
    """What the database itself said; statements and parameters may quote anybody's data."""
    return str(error.orig).strip().splitlines()[0].rstrip(".")


def _refuse_unknown(revision: str) -> None:
    if not _is_known(revision) and "_expand_" not in revision:
        raise SchemaOutdated(
            f"The database is at revision {revision}, which this program does not know: a newer one has upgraded it. "
            "Start that newer version of playbook-bot, or restore the database from before the upgrade."
        )


def _is_known(revision: str) -> bool:
    scripts = ScriptDirectory.from_config(config_for(None))
    return not revision or revision in {script.revision for script in scripts.walk_revisions()}


def _revision(connection: Connection) -> str:
    return MigrationContext.configure(connection).get_current_revision() or ""


def _alone(tx: Transaction) -> None:
    if not tx.is_sqlite:
        tx.connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({ONE_AT_A_TIME})")


def config_for(connection: Connection | None) -> Config:
    """Alembic's configuration, without a file; `connection` is where env.py works."""
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.set_main_option("file_template", "%%(rev)s")
    config.set_main_option("path_separator", "os")
    return config
