"""Who leads what, where several processes share one database."""

import sqlalchemy as sa
from alembic import op

revision = "0004_expand_leadership"
down_revision = "0003_expand_ssm_executions"


def upgrade() -> None:
    op.create_table(
        "leadership",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("holder", sa.String(length=64), nullable=False),
        sa.Column("until", sa.Float(53), nullable=False),
        sa.Column("term", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_leadership"),
    )
