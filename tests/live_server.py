"""Helpers for tests of the live server: a server, and clients of it."""

import asyncio
import contextlib
import json
import socket
import struct

import aiohttp
import numpy as np

from duralava.live import server

UPGRADE = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version": "13",
}
"""Headers of a websocket's request."""


@contextlib.asynccontextmanager
async def serving(show, **options):
    """Serves a show on this machine, and yields a session with its address."""
    running = asyncio.create_task(show.run())
    async with (
        contextlib.AsyncExitStack() as clients,
        server.serving(show, "127.0.0.1", 0, **options) as (host, port),
    ):
        yield await clients.enter_async_context(
            aiohttp.ClientSession(f"http://{host}:{port}")
        )
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running


async def answer_to(session, sent, *, reset=False):
    """Returns what the server answers to bytes; b"" if the client resets at once."""
    address = session._base_url
    reader, writer = await asyncio.open_connection(address.host, address.port)
    writer.write(sent)
    await writer.drain()
    if reset:
        linger = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, linger
        )
    answer = b""
    with contextlib.suppress(ConnectionError):
        if not reset:
            async with asyncio.timeout(10):
                answer = await reader.read(2**16)
        writer.close()
        await writer.wait_closed()
    return answer


class Viewer:
    """A viewer, and what it has received."""

    def __init__(self, ws):
        self.ws = ws
        self.frames = []
        self.maps = []
        self.moments = []  # (start, seconds) of each picture
        self.heads = []
        self.latents = []
        self.status = None

    async def receive(self, until):
        """Receives messages until `until(self)` holds."""
        async with asyncio.timeout(30):
            while not until(self):
                message = await self.ws.receive()
                if message.type is aiohttp.WSMsgType.TEXT:
                    received = json.loads(message.data)
                    if "head" in received:
                        self.heads.append(received["head"])
                    elif "latent" in received:
                        self.latents.append(received["latent"])
                    else:
                        self.status = received
                elif message.type is aiohttp.WSMsgType.BINARY:
                    self.receive_picture(message.data)
                else:
                    raise ConnectionError(f"closed: {message}")

    def receive_picture(self, data):
        header = struct.unpack_from("<?xHHHd", data)
        has_features, width, height, start, seconds = header
        dtype = "<f2" if has_features else np.uint8
        values = np.frombuffer(data, dtype, offset=16).reshape(height, width, -1)
        (self.maps if has_features else self.frames).append(values)
        self.moments.append((start, seconds))

    async def request(self, **requests):
        await self.ws.send_str(json.dumps(requests))


async def proxied(port, *, host=None, dropped=()):
    """Starts a proxy on this machine that passes requests on as nginx does by itself.

    Args:
      port: of the server.
      host: header `Host` of all requests; None for the server's address.
      dropped: names of the headers that are not passed on.
    """

    async def pipe(reader, writer):
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(2**16):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def serve(reader, writer):
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
        except asyncio.IncompleteReadError:  # nothing was asked
            writer.close()
            return
        first, *lines = head.removesuffix("\r\n\r\n").split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines)
        headers["Host"] = host or f"127.0.0.1:{port}"
        if "Upgrade" not in headers:
            headers["Connection"] = "close"  # each request comes here
        passed = [f"{n}: {v}" for n, v in headers.items() if n not in dropped]
        back, forth = await asyncio.open_connection("127.0.0.1", port)
        forth.write("\r\n".join([first, *passed, "", ""]).encode())
        await asyncio.gather(pipe(reader, forth), pipe(back, writer))

    return await asyncio.start_server(serve, "127.0.0.1", 0)
