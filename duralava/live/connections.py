"""The connections of the live server: how many there are, and how long they last."""

import asyncio
import collections
import contextlib
import dataclasses
import ipaddress
import logging
from collections.abc import Callable

from aiohttp import web

from duralava.live.limits import Limits

try:
    import resource
except ImportError:  # on Windows, which has no such limit
    resource = None

_LOGGER = logging.getLogger("duralava.live")
_OTHER_FILES = 100  # that the process has open at most, besides connections
_BUSY = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain\r\n"
    b"Content-Length: 27\r\nConnection: close\r\n\r\nToo many connections. Wait."
)


class Connections:
    """Makes protocols for `loop.create_server`, and counts their connections."""

    def __init__(
        self, make_handler: Callable[[], web.RequestHandler], limits: Limits
    ) -> None:
        """Takes a function that returns the handler of a new connection."""
        self.make_handler = make_handler
        self.limits = dataclasses.replace(
            limits, connections=min(limits.connections, _allow_files(limits))
        )
        self._open: dict[Connection, str] = {}
        self._counts: collections.Counter[str] = collections.Counter()

    def __call__(self) -> "Connection":
        """Returns the protocol of a new connection."""
        return Connection(self)

    def __len__(self) -> int:
        """Returns the number of connections that are open."""
        return len(self._open)

    def add(self, connection: "Connection", address: str) -> bool:
        """Counts a connection for an address; returns False if there are too many.

        A connection that is already counted is moved to the address.
        """
        if self._open.get(connection) == address:
            return True
        if connection not in self._open and len(self) >= self.limits.connections:
            _LOGGER.warning(
                "Refused a connection: %d are open, the limit (--max_connections).",
                len(self),
            )
            return False
        if self._counts[address] >= self.limits.per_address:
            _LOGGER.warning(
                "Refused a connection of %s: it has %d, the limit "
                "(--max_connections_per_address).",
                address,
                self._counts[address],
            )
            return False
        self.remove(connection)
        self._open[connection] = address
        self._counts[address] += 1
        return True

    def remove(self, connection: "Connection") -> None:
        """Forgets a connection, if it is counted."""
        address = self._open.pop(connection, None)
        if address is None:
            return
        self._counts[address] -= 1
        if not self._counts[address]:
            del self._counts[address]

    def abort(self) -> None:
        """Closes all connections at once, without waiting for their clients."""
        for connection in list(self._open):
            connection.abort()


class Connection(asyncio.Protocol):
    """A connection, which is closed if it asks for nothing in time.

    It passes all to a handler of aiohttp, once it is counted.
    """

    def __init__(self, connections: Connections) -> None:
        """Takes what counts this connection."""
        self._connections = connections
        self._handler: web.RequestHandler | None = None
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._address = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Passes on a connection, or closes it if there are too many."""
        self._transport = transport
        peer = transport.get_extra_info("peername")
        self._address = group(peer[0]) if peer else ""
        if not self._connections.add(self, self._address):
            transport.write(_BUSY)
            transport.close()
            return
        self._handler = self._connections.make_handler()
        self.expect_request()
        self._handler.connection_made(transport)

    def expect_request(self) -> None:
        """Gives the client time for a request from now on."""
        self.keep_open()
        if self._transport is None:
            return
        self._timer = asyncio.get_running_loop().call_later(
            self._connections.limits.seconds, self.abort
        )

    def keep_open(self) -> None:
        """Lets the connection stay open without requests."""
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def forwarded_for(self, addresses: str) -> bool:
        """Counts the connection for the client of a proxy on this machine.

        Args:
          addresses: value of the header `X-Forwarded-For`. The last address is the one
            that the proxy has seen; a client can have made up those before it.

        Returns:
          False if that client has too many connections.
        """
        client = addresses.rpartition(",")[2].strip()
        with contextlib.suppress(ValueError):
            if ipaddress.ip_address(self._address).is_loopback:
                ipaddress.ip_address(client)
                return self._connections.add(self, group(client))
        return True

    def abort(self) -> None:
        """Closes the connection at once, without waiting for the client."""
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Passes on what the client has sent."""
        if self._handler is not None:
            self._handler.data_received(data)

    def eof_received(self) -> None:
        """Passes on that the client sends nothing more."""
        if self._handler is not None:
            self._handler.eof_received()

    def pause_writing(self) -> None:
        """Passes on that the client reads too slowly."""
        if self._handler is not None:
            self._handler.pause_writing()

    def resume_writing(self) -> None:
        """Passes on that the client reads again."""
        if self._handler is not None:
            self._handler.resume_writing()

    def connection_lost(self, error: Exception | None) -> None:
        """Forgets the connection, which is closed."""
        self._transport = None
        self.keep_open()
        self._connections.remove(self)
        if self._handler is not None:
            self._handler.connection_lost(error)


def group(address: str) -> str:
    """Returns by what name connections of an address are counted.

    One client can have as many IPv6 addresses as it likes, with the same first half.
    """
    ip = ipaddress.ip_address(address.partition("%")[0])
    if ip.version == 4:
        return str(ip)
    if ip.ipv4_mapped:
        return str(ip.ipv4_mapped)
    if ip.is_loopback:
        return str(ip)
    return str(ipaddress.ip_network((ip, 64), strict=False))


def _allow_files(limits: Limits) -> int:
    """Raises the limit of open files if it must; returns how many are for clients."""
    if resource is None:
        return limits.connections
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = limits.connections + _OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft == resource.RLIM_INFINITY:
        return limits.connections
    return max(1, soft - _OTHER_FILES)
