"""The address of the live page, for people and for cameras."""

import io
import ipaddress
import socket

import segno
from yarl import URL

# A place far away, by the version of its address: reserved for documentation (RFC 5737
# and RFC 3849), so that nobody is there.
_FAR_AWAY = {
    4: (socket.AF_INET, "192.0.2.1"),
    6: (socket.AF_INET6, "2001:db8::1"),
}
_LIGHT_ON_DARK = "\x1b[97;40m"


def page_address(host: str, port: int) -> URL:
    """Returns the address at which a browser opens the page.

    Args:
      host: IP address at which the server listens. For 0.0.0.0 and ::, which mean all
        addresses of the machine, it is the one that others in the network can open.
      port: at which the server listens.
    """
    ip = ipaddress.ip_address(host)
    if ip.is_unspecified:
        host = _network_address(ip.version)
    return URL.build(scheme="http", host=host, port=port)


def others_can_open(host: str) -> bool:
    """Whether a server that listens at a host can be reached from other machines."""
    try:
        return not ipaddress.ip_address(host).is_loopback
    except ValueError:  # a name
        return host != "localhost"


def qr_code(address: URL) -> str:
    """Returns lines of half blocks: a QR code of an address, light on dark."""
    blocks = io.StringIO()
    segno.make_qr(str(address)).terminal(blocks, compact=True)
    lines = blocks.getvalue().splitlines()
    return "\n".join(f"{_LIGHT_ON_DARK}{line}\x1b[0m" for line in lines)


def _network_address(version: int) -> str:
    """Returns this machine's address in its network, or the loopback address."""
    family, far_away = _FAR_AWAY[version]
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((far_away, 9))  # sends nothing, but finds the way out
        except OSError:  # there is no network
            return "127.0.0.1" if version == 4 else "::1"
        return probe.getsockname()[0]
