"""Regions by the names that alarm messages show: before 2020 a message had no ARN, only such a name. Pure."""

import re
from collections.abc import Mapping
from typing import Final

_PLACES: Final[Mapping[str, str]] = {
    "bahrain": "me-south-1",
    "beijing": "cn-north-1",
    "calgary": "ca-west-1",
    "cape town": "af-south-1",
    "frankfurt": "eu-central-1",
    "germany": "eusc-de-east-1",
    "hong kong": "ap-east-1",
    "hyderabad": "ap-south-2",
    "ireland": "eu-west-1",
    "jakarta": "ap-southeast-3",
    "london": "eu-west-2",
    "malaysia": "ap-southeast-5",
    "melbourne": "ap-southeast-4",
    "milan": "eu-south-1",
    "mumbai": "ap-south-1",
    "n. california": "us-west-1",
    "n. virginia": "us-east-1",
    "new zealand": "ap-southeast-6",
    "ningxia": "cn-northwest-1",
    "northern california": "us-west-1",
    "northern virginia": "us-east-1",
    "ohio": "us-east-2",
    "oregon": "us-west-2",
    "osaka": "ap-northeast-3",
    "osaka-local": "ap-northeast-3",
    "paris": "eu-west-3",
    "sao paulo": "sa-east-1",
    "seoul": "ap-northeast-2",
    "singapore": "ap-southeast-1",
    "spain": "eu-south-2",
    "stockholm": "eu-north-1",
    "sydney": "ap-southeast-2",
    "taipei": "ap-east-2",
    "tel aviv": "il-central-1",
    "thailand": "ap-southeast-7",
    "tokyo": "ap-northeast-1",
    "uae": "me-central-1",
    "us-east": "us-gov-east-1",
    "us-west": "us-gov-west-1",
    "virginia": "us-east-1",
    "zurich": "eu-central-2",
}
"""The place in a name. What stands around it has changed: EU - Ireland, EU (Ireland), Europe (Ireland)."""
_WHOLE: Final[Mapping[str, str]] = {
    "canada (central)": "ca-central-1",
    "mexico (central)": "mx-central-1",
    "us iso east": "us-iso-east-1",
    "us iso west": "us-iso-west-1",
    "us isob east (ohio)": "us-isob-east-1",
    "us isob west": "us-isob-west-1",
    "eu isoe west": "eu-isoe-west-1",
    "us isof east": "us-isof-east-1",
    "us isof south": "us-isof-south-1",
}
"""Names whose place is no place, or is another Region's, too."""
_PLACE: Final = re.compile(r"[^(]*\((.+)\)|.* - (.+)")


def region_of(shown: str) -> str:
    """The Region that a message means by `US East (N. Virginia)` or `APAC - Tokyo`; "" when nobody knows."""
    name = shown.strip().lower()
    if name in _WHOLE:
        return _WHOLE[name]
    match = _PLACE.fullmatch(name)
    return _PLACES.get((match[1] or match[2]).strip(), "") if match else ""
