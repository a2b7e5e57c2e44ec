"""Why somebody may do nothing here, and why somebody is taken for a person of the table. Pure."""

from typing import Final

OUTSIDER: Final = "You belong to another workspace, so you cannot do this here."
NOT_NOW: Final = "Slack does not tell me who you are right now, so nothing was done. Please try again in a moment."
NOBODY: Final = "This request does not say who you are, so nothing was done."
UNKNOWN: Final = "I cannot find out who you are, so nothing was done."
DEACTIVATED: Final = "Your account is deactivated, so nothing was done."
BOT: Final = "Bots may not do this."
GUEST: Final = "Guests may not do this here."


def joined_by_field(field_id: str, value: str) -> str:
    """The identity provider has put a person's id into the profile."""
    return f"the field {field_id} of your Slack profile says {value}"


def joined_by_email(email: str) -> str:
    """The profile has a person's address."""
    return f"the address of your Slack profile, {email}, is that person's"
