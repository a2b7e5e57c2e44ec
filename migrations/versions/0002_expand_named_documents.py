"""Documents by name and version, tags, previews and events: what SSM's API keeps beside executions."""

import sqlalchemy as sa
from alembic import op

revision = "0002_expand_named_documents"
down_revision = "0001_expand_first_tables"


def upgrade() -> None:
    op.create_table(
        "ssm_document",
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("created_at", sa.Float(53), nullable=False),
        sa.Column("default_version", sa.Integer(), nullable=False),
        sa.Column("latest_version", sa.Integer(), nullable=False),
        sa.Column("facts", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_ssm_document"),
    )
    op.create_table(
        "ssm_document_version",
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("version_name", sa.String(length=128), nullable=True),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.Float(53), nullable=False),
        sa.Column("facts", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", "number", name="pk_ssm_document_version"),
        sa.UniqueConstraint("name", "version_name", name="uq_ssm_document_version_name"),
    )
    op.create_table(
        "resource_tag",
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("resource_id", sa.String(length=128), nullable=False),
        sa.Column("key", sa.String(length=128), nullable=False),
        sa.Column("value", sa.String(length=256), nullable=False),
        sa.PrimaryKeyConstraint("kind", "resource_id", "key", name="pk_resource_tag"),
    )
    op.create_table(
        "execution_preview",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("created_at", sa.Float(53), nullable=False),
        sa.Column("facts", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_execution_preview"),
    )
    op.create_table(
        "event_delivery",
        sa.Column("event_id", sa.String(length=36), nullable=False),
        sa.Column("target", sa.String(length=16), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Float(53), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_at", sa.Float(53), nullable=False),
        sa.PrimaryKeyConstraint("event_id", "target", name="pk_event_delivery"),
    )
    op.create_index("ix_event_delivery_next_at", "event_delivery", ["next_at"], unique=False)
