"""Attacks on a live server, which must stay up for its viewers.

Each attack takes a `Target` and how much of it, checks what the server must do, and
returns counts for a report. `server_test.py` is the quick form; `python -m
tests.torture` runs the long one, against `duralava live`.
"""

import asyncio
import collections
import contextlib
import dataclasses
import json
import os
import pathlib
import random
import re
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Iterator

import aiohttp

ROOT = pathlib.Path(__file__).parents[2]
HOST = "127.0.0.1"
# On Linux, all of 127.0.0.0/8 is this machine: clients of other addresses.
OTHERS = [f"127.0.0.{number}" for number in range(2, 250)]


@dataclasses.dataclass(frozen=True)
class Target:
    """A live server.

    Attributes:
      port: at which it listens, on this machine.
      seconds: after which it closes connections that ask for nothing.
      per_address: connections of one address that it allows.
      process: its number, if it is a process of its own.
    """

    port: int
    seconds: float
    per_address: int
    process: int | None = None

    @property
    def head(self):
        """The lines with which each request starts, but the first."""
        return f"HTTP/1.1\r\nHost: {HOST}:{self.port}\r\n"

    @property
    def viewer(self):
        """The request of a viewer."""
        return (
            f"GET /lamp {self.head}Upgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            "Sec-WebSocket-Version: 13\r\n\r\n"
        ).encode()

    async def connect(self, address=HOST):
        return await asyncio.open_connection(
            HOST, self.port, local_addr=(address, 0), limit=2**12
        )


async def connects(target, count):
    """Opens connections of one address and keeps them; others still get in."""
    streams, refused = [], 0
    async with watching(target) as film:
        for _ in range(count):
            with contextlib.suppress(OSError):
                streams.append(await target.connect(OTHERS[0]))
        await film.goes_on()
        # Those that are refused have an answer, or are closed.
        for reader, _ in streams:
            with contextlib.suppress(TimeoutError, ConnectionError):
                async with asyncio.timeout(0.01):
                    await reader.read(1)
                    refused += 1
        assert refused >= count - target.per_address
        async with watching(target, address=OTHERS[1]) as newcomer:
            await newcomer.goes_on()
        close(streams)
        await film.goes_on()
    return {"connections": count, "refused": refused, "gap": film.gap}


async def silent(target, count):
    """Opens connections that send nothing, or never a whole request."""
    started = [b"", b"GET /", f"GET / {target.head}".encode(), target.viewer[:-1]]
    async with watching(target) as film:
        streams = [await target.connect() for _ in range(count)]
        for number, (_, writer) in enumerate(streams):
            writer.write(started[number % len(started)])
        since = time.monotonic()
        async with asyncio.timeout(2 * target.seconds + 30):
            for reader, _ in streams:
                with contextlib.suppress(ConnectionError):
                    assert await reader.read() == b""
        took = time.monotonic() - since
        await film.goes_on()
        close(streams)
    return {"connections": count, "closed after": took, "gap": film.gap}


async def slow(target, count, *, seconds):
    """Runs clients that send a byte at a time, and viewers that never read."""
    async with watching(target) as film:
        senders = [await target.connect() for _ in range(count // 2)]
        viewers = [unread_viewer(target) for _ in range(count - count // 2)]
        request = iter(f"GET / {target.head}X: {'y' * 8_000}".encode())
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            byte = bytes([next(request)])
            for _, writer in senders:
                if not writer.transport.is_closing():
                    writer.write(byte)
            await asyncio.sleep(min(1.0, target.seconds / 10))
        # What is written after the server has closed a connection raises an error.
        closed = sum(writer.transport.is_closing() for _, writer in senders)
        assert closed == len(senders)
        await film.goes_on()
        close(senders)
        for viewer in viewers:
            viewer.close()
    return {"clients": count, "closed": closed, "gap": film.gap}


async def floods(target, count):
    """Sends many messages, requests, resets and bytes at once."""
    async with watching(target) as film:
        for name, frames in websocket_floods(count).items():
            closed = await flood(target, target.viewer + frames)
            assert closed, name
            await film.goes_on()
        request = f"GET /icon.svg {target.head}\r\n".encode()
        await asyncio.gather(*(flood(target, request * count) for _ in range(5)))
        await film.goes_on()
        for _ in range(count // 10):
            await reset(target, target.viewer)
        await film.goes_on()
        upload = f"POST / {target.head}Content-Length: {2**40}\r\n\r\n".encode()
        assert await flood(target, upload + bytes(100 * count))
        await film.goes_on()
    return {"of each kind": count, "gap": film.gap}


async def malformed(target, count, *, seed=0):
    """Sends requests with random faults; the server answers or closes each."""
    rng = random.Random(seed)
    statuses = collections.Counter()
    async with watching(target) as film:
        at_once = target.per_address // 3
        for start in range(0, count, at_once):
            requests = [
                damaged_request(target, rng) for _ in range(start, start + at_once)
            ]
            statuses.update(
                await asyncio.gather(*(answer(target, r) for r in requests))
            )
        await film.goes_on()
    assert all(status is None or status < 500 for status in statuses), statuses
    return {"requests": count, "gap": film.gap} | {
        f"status {status}": number for status, number in statuses.items()
    }


async def soak(target, viewers, *, seconds):
    """Runs viewers who touch, come and go; memory and threads must not grow."""
    samples = []
    end = time.monotonic() + seconds
    async with contextlib.AsyncExitStack() as stack:
        films = [
            await stack.enter_async_context(watching(target, features=number % 2 == 0))
            for number in range(viewers)
        ]
        while time.monotonic() < end or len(samples) < 6:
            await asyncio.sleep(min(5.0, seconds / 20))
            for film in films:
                await film.goes_on()
                await film.touch()
            async with watching(target) as visitor:
                await visitor.goes_on()
            samples.append(usage(target.process))
    early, late = (median(part) for part in thirds(samples))
    assert late["threads"] <= early["threads"], (early, late)
    assert late["files"] <= early["files"] + 2, (early, late)
    assert late["MB"] <= early["MB"] + 10, (early, late)
    gap = max(film.gap for film in films)
    return {"viewers": viewers, "seconds": seconds, "gap": gap} | {
        f"{name} {when}": part[name]
        for name in early
        for when, part in (("early", early), ("late", late))
    }


class Film:
    """The pictures that a viewer gets.

    Attributes:
      count: number of pictures.
      gap: longest time between two of them, in seconds.
    """

    def __init__(self, ws):
        self.ws = ws
        self.count = 0
        self.gap = 0.0

    async def receive(self):
        last = time.monotonic()
        async for message in self.ws:
            if message.type is aiohttp.WSMsgType.BINARY:
                now = time.monotonic()
                self.gap = max(self.gap, now - last) if self.count else 0.0
                self.count, last = self.count + 1, now

    async def goes_on(self):
        """Waits for five more pictures."""
        wanted = self.count + 5
        async with asyncio.timeout(30):
            while self.count < wanted:
                assert not self.ws.closed, self.ws.close_code
                await asyncio.sleep(0.01)

    async def touch(self):
        place = [random.random(), random.random()]
        await self.ws.send_str(json.dumps({"push": place}))


@contextlib.asynccontextmanager
async def watching(target, *, address=HOST, features=True) -> AsyncGenerator[Film]:
    """Watches the lamp beside what the block does."""
    connector = aiohttp.TCPConnector(local_addr=(address, 0))
    where = f"http://{HOST}:{target.port}/lamp" + ("?features" if features else "")
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.ws_connect(where, max_msg_size=0) as ws,
    ):
        film = Film(ws)
        receiver = asyncio.create_task(film.receive())
        await film.goes_on()
        yield film
        receiver.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await receiver


def unread_viewer(target):
    viewer = socket.socket()
    viewer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**12)
    viewer.connect((HOST, target.port))
    viewer.sendall(target.viewer)
    return viewer


def websocket_floods(count):
    """Returns messages of each kind, as bytes."""

    def frame(opcode, payload=b"", *, last=True):
        mask = bytes(4)  # of zeros, which changes nothing
        return bytes([last << 7 | opcode, 0x80 | len(payload)]) + mask + payload

    return {
        "texts": frame(1, b'{"speed": 1}') * count,
        "bytes": frame(2, b"x") * count,
        "pings": frame(9, b"x") * count,
        "pongs": frame(10) * count,
        "parts": frame(1, last=False) + frame(0, last=False) * count + b"\xff\xff",
        "other bytes": random.Random(0).randbytes(count),
    }


async def flood(target, sent):
    """Sends bytes and reads the answer; returns whether the server closes in time."""
    reader, writer = await target.connect()

    async def send():
        with contextlib.suppress(ConnectionError):
            for start in range(0, len(sent), 2**16):
                writer.write(sent[start : start + 2**16])
                await writer.drain()

    sender = asyncio.create_task(send())
    try:
        async with asyncio.timeout(target.seconds + 10):
            while await reader.read(2**16):
                pass
        return True
    except ConnectionError:
        return True
    except TimeoutError:
        return False
    finally:
        sender.cancel()
        writer.close()


async def reset(target, sent):
    """Sends bytes and resets the connection before an answer comes."""
    _, writer = await target.connect()
    writer.write(sent)
    linger = struct.pack("ii", 1, 0)
    writer.get_extra_info("socket").setsockopt(
        socket.SOL_SOCKET, socket.SO_LINGER, linger
    )
    writer.transport.abort()


async def answer(target, sent):
    """Returns the status of the answer, or None if there is none soon."""
    reader, writer = await target.connect()
    writer.write(sent)
    line = b""
    with contextlib.suppress(ConnectionError, TimeoutError, ValueError):
        async with asyncio.timeout(min(target.seconds, 2.0)):
            line = await reader.readline()
    writer.close()
    found = re.match(rb"HTTP/1\.[01] (\d{3}) ", line)
    return int(found[1]) if found else None


def good_requests(target):
    own = f"Origin: http://{HOST}:{target.port}\r\nX-Forwarded-For: 192.0.2.1\r\n"
    for path in ("/", "/main.js", "/themes.json", "/lamp?features&steer=token"):
        yield f"GET {path} {target.head}{own}\r\n".encode()
    yield f"POST /lamp {target.head}{own}Content-Length: 2\r\n\r\n{{}}".encode()


def damaged_request(target, rng):
    request = bytearray(rng.choice([target.viewer, *good_requests(target)]))
    for _ in range(rng.randint(1, 3)):
        mutate(request, rng)
    return bytes(request) + b"\r\n\r\n"


def mutate(request, rng):
    place = rng.randrange(len(request))
    match rng.randrange(5):
        case 0:
            request[place] = rng.randrange(256)
        case 1:
            del request[place : place + rng.randint(1, 9)]
        case 2:
            request[place:place] = rng.randbytes(rng.randint(1, 9))
        case 3:
            part = request[place : place + rng.randint(1, 40)]
            request[place:place] = bytes(part) * rng.choice([1, 2, 300])
        case 4:
            nasty = [b"\r\n", b"\0", b"%00", b"[::1", b"..%2f", b"\xed\xa0\x80", b"://"]
            request[place:place] = rng.choice(nasty)
    if not request:
        request[:] = b"\r\n"  # so that there is something to change


def usage(process):
    """Returns memory in MB, threads and open files of a process (Linux)."""
    status = pathlib.Path(f"/proc/{process}/status").read_text()
    read = dict(re.findall(r"^(VmRSS|Threads):\s+(\d+)", status, re.MULTILINE))
    files = len(list(pathlib.Path(f"/proc/{process}/fd").iterdir()))
    return {
        "MB": int(read["VmRSS"]) / 1024,
        "threads": int(read["Threads"]),
        "files": files,
    }


def thirds(samples):
    """Returns the second and the last third; the first is to warm up."""
    third = len(samples) // 3
    return samples[third : 2 * third], samples[2 * third :]


def median(samples):
    return {
        name: sorted(sample[name] for sample in samples)[len(samples) // 2]
        for name in samples[0]
    }


def close(streams):
    for _, writer in streams:
        writer.close()


@contextlib.contextmanager
def started() -> Iterator[tuple[Target, pathlib.Path]]:
    """Starts `duralava live`; yields the target and the file of its log."""
    with tempfile.TemporaryDirectory() as folder:
        log = pathlib.Path(folder) / "log"
        with log.open("w") as errors:
            process = subprocess.Popen(
                [sys.executable, ROOT / "tools/live.py", "--noopen", "--port=0"],
                env=os.environ | {"JAX_PLATFORMS": "cpu"},
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        port = int(re.search(r":(\d+) ", process.stdout.readline())[1])
        try:
            yield Target(port, 30.0, 300, process.pid), log
        finally:
            process.kill()
            process.wait()
            process.stdout.close()


def run(*, soak_minutes):
    """Runs the long form; yields the name and the counts of each attack."""
    with started() as (target, log):
        before = usage(target.process)
        for name, attack in (
            ("connects", connects(target, 1_000)),
            ("silent", silent(target, 50)),
            ("slow", slow(target, 50, seconds=90)),
            ("floods", floods(target, 20_000)),
            ("malformed", malformed(target, 3_000)),
            ("soak", soak(target, 10, seconds=60 * soak_minutes)),
        ):
            yield name, asyncio.run(attack)
        yield (
            "usage",
            {
                f"{name} {when}": part[name]
                for when, part in (("before", before), ("after", usage(target.process)))
                for name in before
            },
        )
        yield "log", read_log(log.read_text())
        os.kill(target.process, signal.SIGTERM)


def read_log(text):
    """Checks that a log is brief; returns the number of its lines."""
    assert "Traceback" not in text, text[-5_000:]
    lines = text.splitlines()
    assert len(lines) < 500, lines[-50:]
    return {"lines": len(lines)}
