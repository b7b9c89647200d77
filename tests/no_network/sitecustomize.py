"""Tests, and all programs that they start, reach this machine and no other.

`conftest.py` puts this folder on PYTHONPATH: Python imports a module of this name when
it starts.
"""

import ipaddress
import socket
import sys


class NetworkUsed(BaseException):
    """Not an `Exception`: no library takes it for a machine that does not answer."""


def refuse(event, arguments):
    """An audit hook: raises an exception for what would leave this machine."""
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        sender, address = arguments
        # To connect a UDP socket sends nothing.
        sends = event != "socket.connect" or sender.type != socket.SOCK_DGRAM
        by_internet = sender.family in (socket.AF_INET, socket.AF_INET6)
        if sends and by_internet and address is not None and not is_here(address[0]):
            raise NetworkUsed(f"{event} {address}")
    elif event in ("socket.getaddrinfo", "socket.gethostbyname") and (
        not is_address(arguments[0]) and not is_here(arguments[0])
    ):
        raise socket.gaierror(socket.EAI_NONAME, "tests have no network")


def is_address(host):
    """Returns whether a host is an address, which needs no look-up."""
    try:
        ipaddress.ip_address(text(host).partition("%")[0])
    except ValueError:
        return False
    return True


def is_here(host):
    """Returns whether a name or an address is that of this machine."""
    host = text(host)
    if not is_address(host):
        return host in ("", "localhost", socket.gethostname())
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((host, 0))
    except OSError:
        return False
    return True


def text(host):
    return host.decode() if isinstance(host, bytes) else host or ""


sys.addaudithook(refuse)
