"""What Alembic runs for each command: our connection, inside our transaction, on our tables."""

from typing import Any, Literal

from alembic import context

from infra.db import Instant
from migrations.tables import all_tables


def _as_kept(kind: str, item: Any, _context: object) -> str | Literal[False]:
    """Migrations speak of what the database keeps, not of our types, which may change."""
    return "sa.Float(53)" if kind == "type" and isinstance(item, Instant) else False


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=all_tables(),
    render_as_batch=True,
    compare_type=True,
    render_item=_as_kept,
)
context.run_migrations()
