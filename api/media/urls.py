"""Takes http and https URLs apart, strictly, into what is connected to and what is asked for there."""

import re
from dataclasses import dataclass
from urllib.parse import quote

from .hosts import host_name

_URL = re.compile(r"(https?)://([^/?#]*)([^#]*)", re.IGNORECASE)
_MAX_LENGTH = 8192
"""More than web servers take."""
_PORTS = {"http": ":80", "https": ":443"}
_RESERVED = "!$%&'()*+,/:;=?@[]"
"""What a path and a query have as it is, besides letters, digits and `_.-~` (RFC 3986). The rest is escaped."""


@dataclass(frozen=True, slots=True)
class Location:
    """A host, as `host_name` writes it, and the path and query to ask it for, in ASCII."""

    scheme: str
    host: str
    target: str

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.host}{self.target}"


def located(url: str) -> Location | None:
    """What a URL names, or None for what is no http or https URL of a host's name.

    The authority may be a name and the scheme's own port, nothing else: no user names, behind which another host can
    hide, no addresses, and no ports behind which something other than a web server may listen.
    """
    match = _URL.match(url)
    if match is None or len(url) > _MAX_LENGTH:
        return None
    scheme = match[1].lower()
    target = match[3] if match[3].startswith("/") else f"/{match[3]}"
    try:
        return Location(scheme, host_name(match[2].removesuffix(_PORTS[scheme])), quote(target, safe=_RESERVED))
    except ValueError:  # no name, or letters that no encoding has
        return None
