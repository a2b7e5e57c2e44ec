"""Migrations make exactly the tables that the stores declare, and a program refuses a database it cannot use."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect

from infra.db import Database, metadata
from migrations.__main__ import LONGEST_REVISION, main
from migrations.runner import SchemaOutdated, check, config_for, current, head, upgrade
from migrations.tables import all_tables


@pytest.fixture
def blank(blank_database_url: str) -> Iterator[Database]:
    """A database without tables."""
    database = Database(blank_database_url)
    yield database
    database.close()


def pretend(database: Database, revision: str) -> None:
    """Give the database the revision of another program."""
    with database.transaction() as tx:
        tx.connection.exec_driver_sql(f"UPDATE alembic_version SET version_num = '{revision}'")


def test_the_migrations_make_the_declared_tables(blank: Database) -> None:
    """Tables, columns, types, keys and indexes: what the stores declare is what an upgrade makes."""
    upgrade(blank)
    with blank.transaction() as tx:
        context = MigrationContext.configure(tx.connection, opts={"compare_type": True, "compare_server_default": True})

        assert compare_metadata(context, all_tables()) == []


def test_the_constraints_have_the_declared_names(blank: Database) -> None:
    """A later migration speaks of them by name, on both databases."""
    upgrade(blank)
    inspector = inspect(blank.engine)
    for table in all_tables().sorted_tables:
        assert inspector.get_pk_constraint(table.name)["name"] == f"pk_{table.name}"


def test_an_upgrade_brings_an_empty_database_to_the_head(blank: Database) -> None:
    """From nothing to what the program needs; a second time nothing is left to do."""
    assert upgrade(blank) == ("", head())
    assert upgrade(blank) == (head(), head())
    assert current(blank) == head()
    check(blank)


def test_what_is_no_database_of_ours_is_said_in_a_sentence(tmp_path: Path) -> None:
    """A file of something else is neither read nor overwritten."""
    path = tmp_path / "notes.db"
    path.write_text("these are notes, and no database at all\n" * 40)
    database = Database(f"sqlite:///{path}")

    with pytest.raises(SchemaOutdated, match=r"cannot be read: file is not a database\. Correct database_url\.$"):
        check(database)
    with pytest.raises(SchemaOutdated, match=r"nothing was changed: file is not a database\. Correct"):
        upgrade(database)
    database.close()
    assert path.read_text().startswith("these are notes")


def test_a_table_of_somebody_else_is_not_taken_over(blank: Database) -> None:
    """A database that already holds a table of a name we need is left as it is."""
    taken = all_tables().sorted_tables[-1].name
    with blank.transaction() as tx:
        tx.connection.exec_driver_sql(f"CREATE TABLE {taken} (mine INTEGER)")
    with pytest.raises(SchemaOutdated, match=r"nothing was changed: .*already exists"):
        upgrade(blank)

    assert inspect(blank.engine).get_table_names() == [taken]


def test_two_upgrades_at_once_are_one_after_the_other(blank: Database, blank_database_url: str) -> None:
    """Two processes that start together do not trip over each other."""
    other = Database(blank_database_url)
    done: list[tuple[str, str]] = []
    threads = [threading.Thread(target=lambda db=db: done.append(upgrade(db))) for db in (blank, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    other.close()

    assert sorted(done) == [("", head()), (head(), head())]


def test_an_upgrade_that_fails_leaves_nothing_behind(blank: Database) -> None:
    """DDL is part of the transaction on both databases."""
    with pytest.raises(ZeroDivisionError), blank.transaction() as tx:
        command.upgrade(config_for(tx.connection), "head")
        raise ZeroDivisionError

    assert inspect(blank.engine).get_table_names() == []


def test_a_start_on_an_empty_database_says_what_to_run(blank: Database) -> None:
    """The sentence ends with the command."""
    with pytest.raises(SchemaOutdated, match=r"has no tables yet; .* Run: playbook-bot db upgrade$"):
        check(blank)


def test_a_start_on_an_old_schema_says_what_to_run(blank: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence names both revisions and the command."""
    upgrade(blank)
    monkeypatch.setattr("migrations.runner.head", lambda: "9998_expand_something")
    with pytest.raises(SchemaOutdated, match=r"is at revision 000\d_.* needs 9998_.* Run: playbook-bot db upgrade$"):
        check(blank)


def test_a_newer_schema_that_only_grew_is_used(blank: Database) -> None:
    """In the middle of a deploy the old program goes on beside the new one."""
    upgrade(blank)
    pretend(blank, "9999_expand_something_new")

    check(blank)


def test_a_newer_schema_that_lost_something_is_refused(blank: Database) -> None:
    """The old program would miss it; the sentence says what to start instead."""
    upgrade(blank)
    pretend(blank, "9999_contract_something_old")

    with pytest.raises(SchemaOutdated, match="a newer one has upgraded it"):
        check(blank)
    with pytest.raises(SchemaOutdated, match="a newer one has upgraded it"):
        upgrade(blank)


def test_revisions_are_named_by_number_and_kind() -> None:
    """File name, revision and order agree, and Alembic's column can hold them."""
    scripts = list(ScriptDirectory.from_config(config_for(None)).walk_revisions())
    for script in scripts:
        number, kind, _name = script.revision.split("_", 2)

        assert kind in ("expand", "contract")
        assert script.module.__file__ is not None
        assert script.module.__file__.endswith(f"/{script.revision}.py")
        assert len(script.revision) <= LONGEST_REVISION
        assert (script.down_revision or "0000")[:4] == f"{int(number) - 1:04}"
    assert len(scripts) == int(head()[:4])


def test_no_table_can_poison_a_shared_commit() -> None:
    """A constraint that is only checked at the COMMIT would fail the transactions of others, too."""
    all_tables()
    for table in metadata.sorted_tables:
        for constraint in table.constraints:
            assert not constraint.deferrable
            assert not constraint.initially


@pytest.mark.parametrize("arguments", [[], ["add_owner"], ["expand_a", "b"], ["expand_" + "x" * 40]])
def test_a_draft_needs_a_name_that_fits(arguments: list[str]) -> None:
    """Nothing is written for a name that says neither expand nor contract, or is too long."""
    assert main(arguments)
