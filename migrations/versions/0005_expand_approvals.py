"""Questions that are asked anew when their plan has changed, and what has to be done about one by itself."""

import json
from datetime import datetime

import sqlalchemy as sa
from alembic import op

revision = "0005_expand_approvals"
down_revision = "0004_expand_leadership"


def upgrade() -> None:
    with op.batch_alter_table("approval") as table:
        table.add_column(sa.Column("revision", sa.Integer(), nullable=False, server_default="1"))
        table.add_column(sa.Column("due_at", sa.Float(53), nullable=True))
        table.drop_constraint("uq_approval_step_execution_id", type_="unique")
        table.create_unique_constraint("uq_approval_step_execution_id_revision", ["step_execution_id", "revision"])
    op.create_index("ix_approval_due_at", "approval", ["due_at"], unique=False)
    _know_when_they_end()


def _know_when_they_end() -> None:
    """Questions that wait now end when they were to end."""
    table = sa.table("approval", sa.column("id"), sa.column("status"), sa.column("due_at"), sa.column("state"))
    connection = op.get_bind()
    waiting = sa.select(table.c.id, table.c.state).where(table.c.status == "Waiting")
    for request_id, state in connection.execute(waiting).all():
        expires_at = json.loads(state).get("expires_at")
        if expires_at:
            due_at = datetime.fromisoformat(expires_at).timestamp()
            connection.execute(sa.update(table).where(table.c.id == request_id).values(due_at=due_at))
