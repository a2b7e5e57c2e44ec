"""Several workspaces: where the app is installed, installations begun in a browser, and where a message belongs."""

import sqlalchemy as sa
from alembic import op

revision = "0009_expand_workspaces"
down_revision = "0008_expand_care"


def upgrade() -> None:
    op.create_table(
        "slack_installation",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("team_id", sa.String(length=32), nullable=False),
        sa.Column("enterprise_id", sa.String(length=32), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("app_id", sa.String(length=32), nullable=False),
        sa.Column("bot_id", sa.String(length=32), nullable=False),
        sa.Column("bot_user_id", sa.String(length=32), nullable=False),
        sa.Column("scopes", sa.Text(), nullable=False),
        sa.Column("installed_by", sa.String(length=32), nullable=False),
        sa.Column("installed_at", sa.Float(53), nullable=False),
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("refresh_token", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.Float(53), nullable=True),
        sa.Column("removed_at", sa.Float(53), nullable=True),
        sa.Column("removed_why", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("closed", sa.Text(), nullable=False),
        sa.Column("trouble", sa.Text(), nullable=False),
        sa.Column("busy_until", sa.Float(53), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_slack_installation"),
    )
    op.create_table(
        "slack_install_begun",
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("browser", sa.String(length=64), nullable=False),
        sa.Column("until", sa.Float(53), nullable=False),
        sa.Column("used", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_slack_install_begun"),
    )
    op.add_column("slack_message", sa.Column("team", sa.String(length=32), nullable=True))
