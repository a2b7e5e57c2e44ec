"""How a document is asked for: a name, `arn:…:document/NAME` or `arn:…:automation-definition/NAME:VERSION`. Pure."""

import re
from dataclasses import dataclass
from typing import Final

from playbooks.documents.refusals import SsmRefused

ARN: Final = re.compile(
    r"arn:aws[a-z-]*:ssm:[a-z0-9-]*:(?P<account>\d{12}|):(?:document|automation-definition)/"
    r"(?P<name>[a-zA-Z0-9_\-.]{3,128})(?::(?P<version>\$LATEST|\$DEFAULT|[1-9][0-9]*))?"
)
RESERVED: Final = ("aws", "amazon", "amzn")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A document that somebody asks for; empty = not said. `number` is $DEFAULT, $LATEST or digits."""

    name: str
    number: str = ""
    version_name: str = ""


def wanted(name: str, number: str = "", version_name: str = "", *, account: str) -> Wanted:
    """What is asked for. Raises SsmRefused for a document of another account, which nobody here can know."""
    if not name.startswith("arn:"):
        return Wanted(name, number, version_name)
    match = ARN.fullmatch(name)
    if match is None or match["account"] != account:
        raise SsmRefused("InvalidDocument", f"The document {name} does not exist in account {account}.")
    return Wanted(match["name"], number or match["version"] or "", version_name)


def check_new_name(name: str) -> None:
    """Raises SsmRefused for a name that AWS keeps for itself."""
    prefix = next((each for each in RESERVED if name.lower().startswith(each)), None)
    if prefix is not None:
        text = f'The name {name} begins with "{prefix}", which AWS keeps for its own documents. Choose another one.'
        raise SsmRefused("ValidationException", text)
