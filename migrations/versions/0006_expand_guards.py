"""What holds starts back: locks and who waits for them, automatic starts, wishes that were held, the big switch."""

import sqlalchemy as sa
from alembic import op

revision = "0006_expand_guards"
down_revision = "0005_expand_approvals"


def upgrade() -> None:
    op.create_table(
        "resource_lock",
        sa.Column("key", sa.String(length=400), nullable=False),
        sa.Column("resource", sa.String(length=400), nullable=False),
        sa.Column("execution_id", sa.String(length=64), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("since", sa.Float(53), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_resource_lock"),
    )
    op.create_index("ix_resource_lock_resource", "resource_lock", ["resource"], unique=False)
    op.create_index("ix_resource_lock_execution_id", "resource_lock", ["execution_id"], unique=False)
    op.create_table(
        "lock_watch",
        sa.Column("execution_id", sa.String(length=64), nullable=False),
        sa.Column("person", sa.String(length=512), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("mention", sa.String(length=64), nullable=False),
        sa.Column("at", sa.Float(53), nullable=False),
        sa.PrimaryKeyConstraint("execution_id", "person", name="pk_lock_watch"),
    )
    op.create_table(
        "automatic_start",
        sa.Column("execution_id", sa.String(length=64), nullable=False),
        sa.Column("target", sa.String(length=400), nullable=False),
        sa.Column("playbook", sa.String(length=64), nullable=False),
        sa.Column("at", sa.Float(53), nullable=False),
        sa.PrimaryKeyConstraint("execution_id", "target", name="pk_automatic_start"),
    )
    op.create_index("ix_automatic_start_playbook", "automatic_start", ["playbook", "target", "at"], unique=False)
    op.create_table(
        "held_wish",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("holder", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("at", sa.Float(53), nullable=False),
        sa.Column("wish", sa.Text(), nullable=False),
        sa.Column("person", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_held_wish"),
    )
    op.create_index("ix_held_wish_holder", "held_wish", ["holder", "state"], unique=False)
    op.create_table(
        "switch",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("since", sa.Float(53), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_switch"),
    )
