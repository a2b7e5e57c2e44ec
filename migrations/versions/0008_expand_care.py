"""What people did about an alarm, in a column of its own: the code of before reads and writes the rest of the row."""

import sqlalchemy as sa
from alembic import op

revision = "0008_expand_care"
down_revision = "0007_expand_attachments"


def upgrade() -> None:
    op.add_column("alarm", sa.Column("care", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("alarm", "care")
