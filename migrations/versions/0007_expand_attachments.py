"""Files that come with documents, by content."""

import sqlalchemy as sa
from alembic import op

revision = "0007_expand_attachments"
down_revision = "0006_expand_guards"


def upgrade() -> None:
    op.create_table(
        "ssm_attachment",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_ssm_attachment"),
    )


def downgrade() -> None:
    op.drop_table("ssm_attachment")
