"""Where something is in Slack: `C0456` in the home workspace, `T0123/C0456` in another one. Pure."""


def split(address: str) -> tuple[str, str]:
    """(workspace or organisation, id there); "" is home."""
    place, slash, thing = address.rpartition("/")
    return (place, thing) if slash else ("", address)


def joined(place: str, thing: str) -> str:
    """The address of something; without a place, or without a thing, it is as it stands."""
    return f"{place}/{thing}" if place and thing else thing
