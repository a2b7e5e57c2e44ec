"""Executions that AWS runs: when to look at them, and what AWS is still to be told."""

import sqlalchemy as sa
from alembic import op

revision = "0003_expand_ssm_executions"
down_revision = "0002_expand_named_documents"


def upgrade() -> None:
    op.create_table(
        "ssm_execution",
        sa.Column("execution_id", sa.String(length=64), nullable=False),
        sa.Column("aws_id", sa.String(length=64), nullable=True),
        sa.Column("region", sa.String(length=32), nullable=False),
        sa.Column("account", sa.String(length=32), nullable=False),
        sa.Column("look_at", sa.Float(53), nullable=True),
        sa.Column("pause", sa.Float(), nullable=False),
        sa.Column("failing_since", sa.Float(53), nullable=True),
        sa.Column("claimed_until", sa.Float(53), nullable=True),
        sa.PrimaryKeyConstraint("execution_id", name="pk_ssm_execution"),
        sa.UniqueConstraint("aws_id", name="uq_ssm_execution_aws_id"),
    )
    op.create_index("ix_ssm_execution_look_at", "ssm_execution", ["look_at"], unique=False)
    op.create_table(
        "ssm_command",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("execution_id", sa.String(length=64), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("sent_at", sa.Float(53), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_ssm_command"),
    )
    op.create_index("ix_ssm_command_execution_id", "ssm_command", ["execution_id"], unique=False)
