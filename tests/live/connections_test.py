import asyncio
import contextlib

import pytest
from aiohttp import web

from duralava.live.connections import Connections, group
from duralava.live.limits import Limits

QUESTION = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


async def answer(request):
    connection = request.transport.get_protocol()
    connection.expect_request()
    if not connection.forwarded_for(request.headers.get("X-Forwarded-For", "")):
        response = web.Response(status=503)
        response.force_close()
        return response
    if request.path == "/open":
        connection.keep_open()
    if request.path == "/huge":
        return web.Response(body=bytes(2**24))
    return web.Response(text="answer")


@contextlib.asynccontextmanager
async def listening(**limits):
    """Serves `answer`; yields the connections and a function that opens one."""
    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    connections = Connections(runner.server, Limits(**limits))
    served = await asyncio.get_running_loop().create_server(connections, "127.0.0.1", 0)
    port = served.sockets[0].getsockname()[1]

    async def connect(address="127.0.0.1"):
        return await asyncio.open_connection(
            "127.0.0.1", port, local_addr=(address, 0), limit=2**12
        )

    async with asyncio.timeout(30):
        yield connections, connect
    served.close()
    connections.abort()
    await runner.cleanup()


async def ask(reader, writer, question=QUESTION):
    """Returns the status of the answer, or None if the connection was closed."""
    writer.write(question)
    with contextlib.suppress(ConnectionError):
        line = await reader.readline()
        while line and await reader.readline() != b"\r\n":
            pass
        if line.startswith(b"HTTP/1.1 200"):
            await reader.readexactly(len("answer"))
        return int(line.split()[1]) if line else None


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"\r\n",
        b"GET / HT",
        b"GET / HTTP/1.1\r\nHost: x\r\n",
        b"GET /huge HTTP/1.1",
    ],
    ids=["nothing", "a new line", "part of a line", "part of a head", "another part"],
)
def test_a_connection_without_a_whole_request_is_closed(sent):
    async def test():
        async with listening(seconds=0.2) as (connections, connect):
            reader, writer = await connect()
            writer.write(sent)
            assert await reader.read() == b""
            assert len(connections) == 0
            writer.close()

    asyncio.run(test())


def test_a_request_that_comes_byte_by_byte_does_not_keep_a_connection_open():
    async def test():
        async with listening(seconds=0.3) as (connections, connect):
            _, writer = await connect()
            with pytest.raises(ConnectionError):
                for byte in QUESTION * 100:
                    writer.write(bytes([byte]))
                    await writer.drain()
                    await asyncio.sleep(0.05)
            assert len(connections) == 0

    asyncio.run(test())


def test_an_answer_that_nobody_reads_does_not_keep_a_connection_open():
    async def test():
        async with listening(seconds=0.3) as (connections, connect):
            _, writer = await connect()
            writer.write(b"GET /huge HTTP/1.1\r\nHost: localhost\r\n\r\n")
            await writer.drain()
            while len(connections):
                await asyncio.sleep(0.05)
            writer.close()

    asyncio.run(test())


def test_each_request_gives_time_for_another():
    async def test():
        async with listening(seconds=0.5) as (_, connect):
            stream = await connect()
            for _ in range(4):
                assert await ask(*stream) == 200
                await asyncio.sleep(0.3)
            await asyncio.sleep(0.5)
            assert await ask(*stream) is None

    asyncio.run(test())


def test_a_connection_that_is_kept_open_stays():
    async def test():
        async with listening(seconds=0.2) as (connections, connect):
            stream = await connect()
            question = QUESTION.replace(b"/ ", b"/open ", 1)
            assert await ask(*stream, question) == 200
            await asyncio.sleep(0.5)
            assert len(connections) == 1
            assert await ask(*stream) == 200

    asyncio.run(test())


def test_one_address_leaves_room_for_others():
    async def test():
        async with listening(connections=5, per_address=3) as (connections, connect):
            first = [await connect() for _ in range(4)]
            assert [await ask(*stream) for stream in first] == [200, 200, 200, 503]
            second = [await connect("127.0.0.2") for _ in range(3)]
            assert [await ask(*stream) for stream in second] == [200, 200, 503]
            assert len(connections) == 5
            first[0][1].close()
            while len(connections) == 5:
                await asyncio.sleep(0.01)
            assert await ask(*await connect("127.0.0.2")) == 200

    asyncio.run(test())


def test_behind_a_proxy_the_limit_is_that_of_each_client():
    def asked_for(*addresses):
        header = f"X-Forwarded-For: {', '.join(addresses)}\r\n\r\n".encode()
        return QUESTION.removesuffix(b"\r\n") + header

    async def test():
        streams = []
        async with listening(connections=9, per_address=2) as (connections, connect):
            for client in ("192.0.2.1", "192.0.2.2", "192.0.2.3"):
                for expected in (200, 200, 503):
                    streams.append(await connect())
                    # A client can name any address, but the proxy adds its own.
                    question = asked_for("192.0.2.9", client)
                    assert await ask(*streams[-1], question) == expected
            assert len(connections) == 6

    asyncio.run(test())


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("::1", "::1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
    ],
)
def test_addresses_of_one_client_count_together(address, expected):
    assert group(address) == expected
