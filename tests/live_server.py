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
