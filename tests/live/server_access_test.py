"""Who gets in to a live server, and what nobody can do to it."""

import asyncio
import re

import aiohttp
import pytest
from live_server import UPGRADE, Viewer, answer_to, serving

from duralava.live.access import Access
from duralava.live.limits import Limits

STEERED = Access(token="secret")


def run(test):
    asyncio.run(test)


async def upgraded(session, **headers):
    """Returns status and text of the answer to a websocket's request."""
    session.headers.clear()
    async with session.get("/lamp", headers=UPGRADE | headers) as answer:
        return answer.status, "" if answer.status == 101 else await answer.text()


@pytest.mark.parametrize("path", ["/", "/lamp", "/main.js", "/nothing", "/themes.json"])
def test_a_name_that_can_be_rebound_is_refused_with_the_flag(lamp, path, caplog):
    # A page of evil.example, whose name its owner has given this machine's address.
    names = {"Host": "evil.example:8080", "Origin": "http://evil.example:8080"}

    async def test():
        async with (
            serving(lamp) as session,
            session.get(path, headers=UPGRADE | names) as answer,
        ):
            assert answer.status == 421
            assert "--allowed_host=evil.example" in await answer.text()

    run(test())
    assert "--allowed_host=evil.example" in caplog.text


def test_a_request_without_a_host_is_refused_at_once(lamp):
    async def test():
        async with serving(lamp) as session:
            answer = await answer_to(session, b"GET / HTTP/1.0\r\n\r\n")
            assert answer.startswith(b"HTTP/1.0 421 ")

    run(test())


def test_a_page_behind_a_proxy_learns_the_flag(lamp, caplog):
    # The proxy passes on another host than the page's, as nginx does by itself.
    origin = {"Origin": "https://lamp.example"}

    async def test():
        async with serving(lamp) as session:
            status, _ = await upgraded(session, **origin)
            assert status == 403
            async with session.post("/lamp", headers=origin) as answer:
                assert answer.status == 403
                assert answer.content_type == "text/plain"
                assert "--allowed_host=lamp.example" in await answer.text()
        allowed = Access(allowed_hosts=frozenset({"lamp.example"}))
        async with serving(lamp, access=allowed) as session:
            assert await upgraded(session, **origin) == (101, "")
            assert await upgraded(session, Host="lamp.example", **origin) == (101, "")

    run(test())
    assert "--allowed_host=lamp.example" in caplog.text


def test_a_proxy_that_passes_on_no_websocket_is_explained(lamp, caplog):
    async def test():
        async with serving(lamp) as session:
            async with session.get("/lamp") as answer:
                assert answer.status == 426
            async with session.post("/lamp") as answer:
                assert answer.status == 200
                assert "Upgrade and Connection" in await answer.text()

    run(test())
    assert "Upgrade and Connection" in caplog.text


@pytest.mark.parametrize("embeddable", [False, True])
def test_only_with_a_flag_other_sites_show_the_page_in_a_frame(lamp, embeddable):
    async def test():
        access = Access(embeddable=embeddable)
        async with serving(lamp, access=access) as session:
            for path in ("/", "/main.js", "/nothing"):
                async with session.get(path) as answer:
                    policy = answer.headers["Content-Security-Policy"]
                    assert policy.startswith("default-src 'self'; ")
                    assert ("frame-ancestors 'self'" in policy) != embeddable

    run(test())


@pytest.mark.parametrize(
    ("access", "token", "steers"),
    [
        (Access(), "", True),
        (Access(), "&steer=any", True),
        (STEERED, "&steer=secret", True),
        (STEERED, "", False),
        (STEERED, "&steer=", False),
        (STEERED, "&steer=secre", False),
        (STEERED, "&steer=%ff", False),
    ],
)
def test_who_has_the_token_steers(lamp, access, token, steers):
    async def test():
        async with (
            serving(lamp, access=access) as session,
            session.ws_connect(f"/lamp?features{token}") as ws,
            session.ws_connect("/lamp") as other_ws,
        ):
            viewer, other = Viewer(ws), Viewer(other_ws)
            await viewer.receive(lambda v: v.status)
            assert viewer.status["steers"] == steers
            # Each viewer can pause for itself.
            await viewer.request(play=False)
            await viewer.request(play=True)
            count = len(viewer.frames)
            await viewer.receive(lambda v: len(v.frames) > count)
            await viewer.request(seed=12)
            if steers:
                await other.receive(lambda v: v.status and v.status["seed"] == 12)
            else:
                with pytest.raises(ConnectionError):
                    await viewer.receive(lambda v: False)
                assert ws.close_code == aiohttp.WSCloseCode.POLICY_VIOLATION
                count = len(other.frames)
                await other.receive(lambda v: len(v.frames) >= count + 40)
                assert other.status["seed"] == 3

    run(test())


def test_a_file_that_the_browser_has_is_not_sent_again(lamp):
    async def test():
        async with serving(lamp) as session:
            async with session.get("/main.js") as answer:
                tag = answer.headers["ETag"]
                assert await answer.read()
            for known, status in ((tag, 304), ('"other"', 200), ("rubbish", 200)):
                headers = {"If-None-Match": known}
                async with session.get("/main.js", headers=headers) as answer:
                    assert answer.status == status

    run(test())


@pytest.mark.parametrize(
    "text",
    [
        '{"\\ud800": 1}',
        '{"\\ud800\\u0000\\n": 1}',
        '{"checkpoint": "\\ud800"}',
        '{"push": [true, 0.5]}',
        '{"push": [false, false]}',
        '{"push": [1e999, 0]}',
        '{"seed": true}',
        '{"%s": 1}' % ("\U0001f4a9" * 200),
    ],
)
def test_any_text_closes_the_connection_with_a_reason(lamp, text, caplog):
    async def test():
        async with serving(lamp) as session, session.ws_connect("/lamp") as ws:
            await ws.send_str(text)
            with pytest.raises(ConnectionError):
                await Viewer(ws).receive(lambda v: False)
            assert ws.close_code == aiohttp.WSCloseCode.POLICY_VIOLATION

    run(test())
    assert not caplog.records


HEAD = "GET {} HTTP/1.1\r\nHost: localhost\r\n{}\r\n"
LAMP = "".join(f"{name}: {value}\r\n" for name, value in UPGRADE.items())


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (HEAD.format("/lamp", LAMP + "Origin: http://[::1\r\n"), 403),
        (HEAD.format("/lamp", LAMP + "Origin: \r\n"), 403),
        (HEAD.format("/lamp", LAMP + "Sec-WebSocket-Protocol: \x01\r\n"), None),
        (HEAD.format("/lamp", LAMP.replace(": 13", ": 99")), 400),
        (HEAD.format("/lamp", LAMP.replace("dGhl", "\xff")), 400),
        (HEAD.format("/" + 300 * "a", ""), 404),
        (HEAD.format("/" + 9_000 * "a", ""), 400),
        (HEAD.format("/%00", ""), 404),
        (HEAD.format("/%", ""), 404),
        (HEAD.format("/%ff/..//..%2f..%5c", ""), 404),
        (HEAD.format("http://[::1", ""), None),
        (HEAD.format("http://evil.example/", ""), 200),
        (HEAD.format("*", ""), None),
        (HEAD.format("/", "A: " + 9_000 * "b" + "\r\n"), 400),
        (HEAD.format("/", 200 * "A: b\r\n"), None),
        (HEAD.format("/", "If-None-Match: \x80\xff\r\n"), 200),
        (HEAD.format("/", "X-Forwarded-For: \x80, ,\r\n"), 200),
        (HEAD.format("/", "Content-Length: -1\r\n"), 400),
        (HEAD.format("/", "Transfer-Encoding: chunked\r\n") + "zz\r\n", 400),
        (HEAD.format("/", "Expect: magic\r\n"), 417),
        (HEAD.format("/", "").replace("GET", "BREW"), 400),
        (HEAD.format("/", "").replace("GET", "DELETE"), 405),
        (HEAD.format("/", "").replace("localhost", "a b"), 421),
        (HEAD.format("/", "").replace("localhost", "\x80"), 421),
        ("GET / HTTP/9.9\r\n\r\n", 400),
        ("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + 200 * "\xff", 400),
        ("\r\n\r\n\r\nrubbish\r\n\r\n", 400),
    ],
)
def test_no_request_causes_a_traceback(lamp, request_, status, caplog, capfd):
    async def test():
        async with serving(lamp) as session:
            answer = await answer_to(session, request_.encode("latin-1"))
            if status:
                assert int(answer.split()[1]) == status
            async with session.get("/") as good:
                assert good.status == 200

    run(test())
    written = caplog.text + "".join(capfd.readouterr())
    assert "Traceback" not in written
    assert not re.search(r"[^\x20-\x7e\n]", written)
    assert len(written.splitlines()) <= 2


def test_clients_that_leave_early_are_not_worth_a_word(lamp, caplog, capfd):
    request = HEAD.format("/lamp", LAMP).encode()

    async def test():
        async with serving(lamp) as session:
            for size in (1, len(request) - 1, len(request)):
                for _ in range(10):
                    await answer_to(session, request[:size], reset=True)
            async with session.ws_connect("/lamp") as ws:
                await Viewer(ws).receive(lambda v: len(v.frames) >= 5)

    run(test())
    assert caplog.text + "".join(capfd.readouterr()) == ""


@pytest.mark.parametrize("kind", ["text", "ping"])
def test_a_flood_of_messages_closes_the_connection(lamp, kind):
    async def test():
        async with serving(lamp) as session, session.ws_connect("/lamp") as ws:
            with pytest.raises(ConnectionError):
                for _ in range(100_000):
                    await (ws.send_str('{"speed": 2}') if kind == "text" else ws.ping())
                await Viewer(ws).receive(lambda v: False)
            async with session.ws_connect("/lamp") as other_ws:
                await Viewer(other_ws).receive(lambda v: len(v.frames) >= 5)

    run(test())


def test_as_many_messages_as_a_page_sends_are_fine(lamp):
    async def test():
        async with serving(lamp) as session, session.ws_connect("/lamp") as ws:
            viewer = Viewer(ws)
            for number in range(120):  # a slider that is moved for two seconds
                await viewer.request(speed=1 + number / 100)
                await asyncio.sleep(1 / 60)
            await viewer.receive(lambda v: v.status and v.status["speed"] == 2.19)

    run(test())


def test_too_many_connections_are_refused_and_viewers_stay(lamp, caplog):
    async def test():
        limits = Limits(connections=10, per_address=10)
        async with (
            serving(lamp, limits=limits) as session,
            session.ws_connect("/lamp") as ws,
        ):
            viewer = Viewer(ws)
            host, port = session._base_url.host, session._base_url.port
            streams = [await asyncio.open_connection(host, port) for _ in range(50)]
            refused = [await reader.read(12) for reader, _ in streams[9:]]
            assert set(refused) <= {b"HTTP/1.1 503", b""}
            count = len(viewer.frames)
            await viewer.receive(lambda v: len(v.frames) >= count + 10)
            for _, writer in streams:
                writer.close()
            status = None
            while status != 200:  # until the server has seen that they are closed
                async with session.get("/") as answer:
                    status = answer.status

    run(test())
    assert "--max_connections" in caplog.text
    assert len(caplog.records) <= 5


def test_at_the_end_all_connections_are_closed(lamp):
    async def test():
        async with serving(lamp) as session:
            host, port = session._base_url.host, session._base_url.port
            silent, _ = await asyncio.open_connection(host, port)
            ws = await session.ws_connect("/lamp")
            viewer = Viewer(ws)
            await viewer.receive(lambda v: v.status)
            end = asyncio.create_task(viewer.receive(lambda v: False))
            await asyncio.sleep(0)
        with pytest.raises(ConnectionError):
            await end
        assert ws.close_code == aiohttp.WSCloseCode.GOING_AWAY
        assert await silent.read() == b""

    run(test())
