"""Who may open the live page, and who may steer the lamp.

A page of another site can reach a server on this machine through the browser of a
person who visits that site. The server therefore answers only to names that no other
site can have, and only to requests of its own page. (With DNS rebinding, a site gives
its own name the address of this machine. Its requests then name that site as the host.)
"""

import dataclasses
import ipaddress
import re
import secrets
import socket
from typing import NamedTuple

_HOST = re.compile(r"(?:\[([0-9a-f:.]+)\]|([a-z0-9_.-]+))(?::([0-9]{1,5}))?")
_PORTS = {"http": 80, "https": 443}


class Host(NamedTuple):
    """A host and a port, as in the address of a page.

    Attributes:
      name: in lower case, without brackets.
      port: None if the address has none.
    """

    name: str
    port: int | None


@dataclasses.dataclass(frozen=True)
class Access:
    """Who may open the page and steer the lamp.

    Attributes:
      allowed_hosts: names at which the page can be opened, in lower case, besides
        `localhost` and the addresses of this machine.
      token: that viewers need to steer the lamp; None if everybody may.
      embeddable: whether pages of other sites can show the page in a frame.
    """

    allowed_hosts: frozenset[str] = frozenset()
    token: str | None = None
    embeddable: bool = False

    def may_steer(self, token: str) -> bool:
        """Whether a viewer with this token may steer the lamp."""
        if self.token is None:
            return True
        return secrets.compare_digest(
            token.encode(errors="replace"), self.token.encode()
        )

    def refusal(self, host: str) -> str | None:
        """Returns why there is no page at this host, or None if there is.

        Args:
          host: value of the header `Host`.
        """
        parsed = parse_host(host)
        if parsed is None:
            return "The request names no valid host."
        if parsed.name in self.allowed_hosts or is_this_machine(parsed.name):
            return None
        return (
            f"There is no lamp at {parsed.name}. If this name is yours, start the "
            f"server with --allowed_host={parsed.name}."
        )

    def refusal_of_page(self, host: str, origin: str | None) -> str | None:
        """Returns why a page may not show the lamp, or None if it may.

        Args:
          host: value of the header `Host`, which `refusal` accepts.
          origin: value of the header `Origin`, which browsers send with the address
            of the page; None if there is none.
        """
        if origin is None:
            return None
        scheme, _, rest = origin.lower().partition("://")
        page = parse_host(rest)
        if page is None or scheme not in _PORTS:
            return "This lamp is shown on its own page only."
        port = _PORTS[scheme]
        same = page.name, page.port or port
        own = parse_host(host)
        if own is not None and same == (own.name, own.port or port):
            return None
        if page.name in self.allowed_hosts:
            return None
        return (
            f"This lamp is shown on its own page only, not on one of {page.name}. If "
            "that is its own page, behind a proxy, start the server with "
            f"--allowed_host={page.name}."
        )


def parse_host(text: str) -> Host | None:
    """Returns the host and the port in `name:port`, or None if it is not valid."""
    found = _HOST.fullmatch(text.lower())
    if found is None:
        return None
    bracketed, name, port = found.groups()
    return Host(bracketed or name, int(port) if port else None)


def is_this_machine(name: str) -> bool:
    """Whether a host is `localhost` or an address of this machine."""
    if name == "localhost":
        return True
    try:
        ip = ipaddress.ip_address(name)
    except ValueError:
        return False
    if ip.is_loopback:
        return True
    if ip.is_unspecified or ip.is_multicast:
        return False
    family = socket.AF_INET if ip.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((name, 0))  # sends nothing; fails for addresses of others
    except OSError:
        return False
    return True


def make_token() -> str:
    """Returns a new token, which nobody can guess."""
    return secrets.token_urlsafe(12)
