"""Every table of the program, gathered from the stores that own them."""

from importlib import import_module
from importlib.util import find_spec

from sqlalchemy import MetaData

from infra.db import metadata

STORES = (
    "infra.leadership",
    "audit.store",
    "engine.store",
    "engine.ssm_store",
    "approvals.store",
    "playbooks.store",
    "playbooks.guard_store",
    "playbooks.documents.store",
    "bot.slack.store",
    "bot.slack.request_store",
    "bot.slack.installation_store",
    "bot.api.event_store",
)


def all_tables() -> MetaData:
    """The metadata with the tables of every store in it."""
    for name in STORES:
        if find_spec(name) is not None:
            import_module(name)
    return metadata
