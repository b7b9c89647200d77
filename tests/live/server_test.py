import asyncio
import json
import pathlib
import socket
import time

import aiohttp
import numpy as np
import pytest
import tiny
from live_server import Viewer, serving

from duralava import themes
from duralava.live import feature_maps, player, server
from duralava.live.show import Show

STATIC = pathlib.Path(server.__file__).parent / "static"


def run(test):
    asyncio.run(test)


def test_a_viewer_gets_moving_frames_and_the_status(lamp):
    async def test():
        async with serving(lamp) as session, session.ws_connect("/lamp") as ws:
            viewer = Viewer(ws)
            await viewer.receive(lambda v: len(v.frames) >= 40)
            assert viewer.frames[0].shape == (16, 16, 3)
            film = np.stack(viewer.frames).astype(int)
            assert np.abs(np.diff(film, axis=0)).max() > 0
            await viewer.receive(lambda v: v.status["step"] >= 4)
            assert viewer.status["checkpoint"] == "first"
            assert viewer.status["checkpoints"] == ["first", "second"]
            assert (viewer.status["seed"], viewer.status["viewers"]) == (3, 1)
            seconds = viewer.status["step"] / 5
            assert viewer.status["seconds"] == pytest.approx(seconds)

    run(test())


def test_frames_show_the_lamp(lamp, two_checkpoints):
    first = two_checkpoints["first"]
    state = player.begin(first, first.start(3))
    expected = []
    for _ in range(100):
        expected.append(player.render_frame(first, state))
        state = player.advance(first, state, 0.1)

    async def test():
        async with serving(lamp) as session, session.ws_connect("/lamp") as ws:
            viewer = Viewer(ws)
            await viewer.receive(lambda v: len(v.frames) >= 5)
            differences = [
                min(np.abs(np.int16(frame) - other).max() for other in expected)
                for frame in viewer.frames
            ]
            assert max(differences) <= 2

    run(test())


@pytest.fixture
def field_and_convolution(two_checkpoints):
    """A show of a lamp with features; the other weights have none."""
    field = tiny.lamp(of=tiny.FIELD, with_encoder=False, refresh=0.3)
    lamps = {"field": field, "convolution": two_checkpoints["first"]}
    return Show(lamps, fps=50, seed=3)


def test_a_viewer_that_colours_features_gets_maps(field_and_convolution):
    show = field_and_convolution

    async def test():
        async with (
            serving(show) as session,
            session.ws_connect("/lamp?features") as ws,
            session.ws_connect("/lamp") as other_ws,
        ):
            viewer, other = Viewer(ws), Viewer(other_ws)
            await viewer.receive(lambda v: len(v.maps) >= 10)
            await other.receive(lambda v: len(v.frames) >= 10)
            assert not viewer.frames and not other.maps
            assert other.heads == []
            assert viewer.maps[0].shape == (16, 16, 8)  # 6 features in vectors of four
            (head,) = viewer.heads
            assert (head["size"], head["channels"]) == (16, 8)
            seconds = np.diff([moment for _, moment in viewer.moments])
            # 3 ticks are 1 / 15 s at most; a slow viewer misses maps.
            assert (np.round(50 * seconds) % 3 == 0).all()
            assert seconds.min() > 0
            await viewer.request(seed=9)
            start = viewer.moments[-1][0]
            await viewer.receive(lambda v: v.moments[-1][0] == start + 1)

    run(test())


def test_maps_are_closer_while_the_lamp_is_fast(field_and_convolution):
    async def test():
        async with (
            serving(field_and_convolution) as session,
            session.ws_connect("/lamp?features") as ws,
        ):
            viewer = Viewer(ws)
            await viewer.request(speed=10)
            await viewer.receive(lambda v: v.status and v.status["speed"] == 10)
            count = len(viewer.maps)
            await viewer.receive(lambda v: len(v.maps) >= count + 20)
            seconds = np.diff([moment for _, moment in viewer.moments[count:]])
            # 50 steps in a second: every tick has a map.
            assert np.median(seconds) == pytest.approx(1 / 50)

    run(test())


def test_weights_without_features_send_frames_to_all(field_and_convolution):
    async def test():
        async with (
            serving(field_and_convolution) as session,
            session.ws_connect("/lamp?features") as ws,
        ):
            viewer = Viewer(ws)
            await viewer.receive(lambda v: len(v.maps) >= 1)
            await viewer.request(checkpoint="convolution")
            await viewer.receive(lambda v: len(v.frames) >= 5)
            assert viewer.heads[-1] is None
            await viewer.request(checkpoint="field")
            count = len(viewer.maps)
            await viewer.receive(lambda v: len(v.maps) >= count + 2)
            assert viewer.heads[-1] == viewer.heads[0]

    run(test())


def test_a_map_shows_the_lamp(field_and_convolution):
    show = field_and_convolution
    field = feature_maps.fill_vectors(
        tiny.lamp(of=tiny.FIELD, with_encoder=False, refresh=0.3)
    )
    state = player.begin(field, field.start(3))
    expected = []
    for _ in range(40):
        expected.append(player.compute_features(field, state))
        state = player.advance(field, state, 0.1)

    async def test():
        async with (
            serving(show) as session,
            session.ws_connect("/lamp?features") as ws,
        ):
            viewer = Viewer(ws)
            await viewer.receive(lambda v: len(v.maps) >= 3)
            for map_, (_, seconds) in zip(viewer.maps, viewer.moments, strict=True):
                # The first tick takes no time; each other one takes 1 / 50 s.
                found = expected[round(50 * seconds)]
                np.testing.assert_allclose(map_, found, atol=0.02)

    run(test())


def test_requests_apply_for_all_viewers(lamp):
    async def test():
        async with (
            serving(lamp) as session,
            session.ws_connect("/lamp") as ws,
            session.ws_connect("/lamp") as other_ws,
        ):
            viewer, other = Viewer(ws), Viewer(other_ws)
            await viewer.request(speed=4)
            await viewer.request(seed=12)
            await viewer.request(checkpoint="second")
            await other.receive(
                lambda v: (
                    v.status
                    and v.status["checkpoint"] == "second"
                    and (v.status["speed"], v.status["seed"]) == (4, 12)
                )
            )
            assert other.status["viewers"] == 2
            # At this speed the lamp makes 20 steps per second.
            start, since = other.status["step"], time.monotonic()
            await other.receive(lambda v: v.status["step"] >= start + 20)
            assert 0.4 < time.monotonic() - since < 10

    run(test())


def test_a_push_changes_the_frames(two_checkpoints):
    def film(push):
        show = Show(two_checkpoints, fps=50, seed=1)
        if push:
            show.request({"push": [0.5, 0.5]})

        async def test():
            async with serving(show) as session, session.ws_connect("/lamp") as ws:
                viewer = Viewer(ws)
                await viewer.receive(lambda v: len(v.frames) >= 60)
                return viewer.frames[59].astype(int)

        return asyncio.run(test())

    # The first frame that is sent may be one earlier or later.
    calm, again, pushed = film(False), film(False), film(True)
    assert np.abs(pushed - calm).mean() > 2 * np.abs(again - calm).mean() + 0.5


def test_a_viewer_who_asks_for_latents_gets_that_of_each_picture(
    field_and_convolution,
):
    async def test():
        async with (
            serving(field_and_convolution) as session,
            session.ws_connect("/lamp?features&latents") as ws,
            session.ws_connect("/lamp") as other_ws,
        ):
            viewer, other = Viewer(ws), Viewer(other_ws)
            await viewer.receive(lambda v: len(v.maps) >= 5)
            await other.receive(lambda v: len(v.frames) >= 5)
            assert other.latents == []
            field = feature_maps.fill_vectors(
                tiny.lamp(of=tiny.FIELD, with_encoder=False, refresh=0.3)
            )
            assert len(viewer.latents) == len(viewer.maps)
            for latent, map_ in zip(viewer.latents, viewer.maps, strict=True):
                state = player.place(field, player.begin(field, field.start(3)), latent)
                found = player.compute_features(field, state)
                np.testing.assert_allclose(map_, found, atol=0.02)

    run(test())


def test_a_lamp_stands_still_at_a_latent_until_its_viewer_leaves(lamp):
    latent = np.linspace(-2, 2, 8).round(2).tolist()

    async def test():
        async with serving(lamp) as session, session.ws_connect("/lamp?latents") as ws:
            viewer = Viewer(ws)
            async with session.ws_connect("/lamp") as other_ws:
                other = Viewer(other_ws)
                await other.request(latent=latent)
                await viewer.receive(lambda v: v.status and v.status["held"])
                step, count = viewer.status["step"], len(viewer.latents)
                await viewer.receive(lambda v: len(v.latents) >= count + 30)
                assert viewer.latents[count:] == [latent] * 30
                assert viewer.status["step"] == step
            await viewer.receive(lambda v: not v.status["held"])
            await viewer.receive(lambda v: v.status["step"] > step + 1)
            assert viewer.latents[-1] != latent

    run(test())


def test_a_paused_viewer_gets_nothing_and_others_do(lamp):
    async def test():
        async with (
            serving(lamp) as session,
            session.ws_connect("/lamp") as ws,
            session.ws_connect("/lamp") as other_ws,
        ):
            paused, other = Viewer(ws), Viewer(other_ws)
            await paused.receive(lambda v: len(v.frames) >= 1)
            await paused.request(play=False)
            await other.receive(lambda v: len(v.frames) >= 30)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(1):
                    while True:
                        await paused.ws.receive()
            await paused.request(play=True)
            count = len(paused.frames)
            await paused.receive(lambda v: len(v.frames) >= count + 10)

    run(test())


def test_a_slow_viewer_skips_frames_and_delays_nobody(lamp):
    async def test():
        async with serving(lamp) as session:
            # A viewer that connects and then never reads.
            host, port = session._base_url.host, session._base_url.port
            slow = socket.create_connection((host, port))
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            slow.sendall(
                f"GET /lamp HTTP/1.1\r\nHost: {host}:{port}\r\n"
                "Upgrade: websocket\r\nConnection: Upgrade\r\n"
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                "Sec-WebSocket-Version: 13\r\n\r\n".encode()
            )
            async with session.ws_connect("/lamp") as ws:
                viewer = Viewer(ws)
                await viewer.receive(lambda v: v.status and v.status["viewers"] == 2)
                count, since = len(viewer.frames), time.monotonic()
                await viewer.receive(lambda v: len(v.frames) >= count + 100)
                # 100 frames are due in 2 s.
                assert time.monotonic() - since < 20
            slow.close()

    run(test())


@pytest.mark.parametrize(
    "text",
    [
        "rubbish",
        "[]",
        "{}",
        "7",
        "[" * 900,
        '{"speed": 1000}',
        '{"speed": true}',
        '{"speed": NaN}',
        '{"seed": -1}',
        '{"seed": 1.5}',
        '{"seed": Infinity}',
        '{"checkpoint": "../../etc/passwd"}',
        '{"checkpoint": []}',
        '{"push": [0.5]}',
        '{"push": [0.5, 2]}',
        '{"push": ["a", "b"]}',
        '{"latent": []}',
        '{"latent": [0, 0, 0, 0, 0, 0, 0]}',
        '{"latent": [0, 0, 0, 0, 0, 0, 0, 11]}',
        '{"latent": [0, 0, 0, 0, 0, 0, 0, NaN]}',
        '{"latent": [0, 0, 0, 0, 0, 0, 0, true]}',
        '{"play": 1}',
        '{"fly": 1}',
        '{"seed": 5, "fly": 1}',
    ],
)
def test_invalid_requests_close_the_connection_and_the_lamp_runs_on(lamp, text):
    async def test():
        async with serving(lamp) as session, session.ws_connect("/lamp") as good_ws:
            async with session.ws_connect("/lamp") as ws:
                await ws.send_str(text)
                with pytest.raises(ConnectionError):
                    await Viewer(ws).receive(lambda v: False)
                assert ws.close_code == aiohttp.WSCloseCode.POLICY_VIOLATION
            good = Viewer(good_ws)
            await good.receive(lambda v: len(v.frames) >= 10)
            assert good.status["seed"] == 3

    run(test())


@pytest.mark.parametrize(
    ("send", "code"),
    [
        (lambda ws: ws.send_str("x" * 100_000), aiohttp.WSCloseCode.MESSAGE_TOO_BIG),
        (lambda ws: ws.send_bytes(b"\0" * 9), aiohttp.WSCloseCode.UNSUPPORTED_DATA),
    ],
    ids=["huge", "binary"],
)
def test_other_messages_close_the_connection(lamp, send, code):
    async def test():
        async with serving(lamp) as session, session.ws_connect("/lamp") as ws:
            await send(ws)
            with pytest.raises(ConnectionError):
                await Viewer(ws).receive(lambda v: False)
            assert ws.close_code == code

    run(test())


def test_a_page_of_another_site_is_refused(lamp):
    async def test():
        async with serving(lamp) as session:
            with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
                await session.ws_connect(
                    "/lamp", headers={"Origin": "http://elsewhere.example"}
                )
            assert caught.value.status == 403

    run(test())


def test_all_static_files_are_served_and_nothing_else(lamp):
    kinds = {
        ".html": "text/html",
        ".js": "application/javascript",
        ".css": "text/css",
        ".svg": "image/svg+xml",
        ".png": "image/png",
        ".webmanifest": "application/manifest+json",
    }
    pages = {f"/{path.name}": kinds[path.suffix] for path in STATIC.iterdir()}
    assert {"/page.js", "/main.js", "/page.css", "/icon.svg"} < pages.keys()
    pages["/"] = "text/html"

    async def test():
        async with serving(lamp) as session:
            for path, kind in pages.items():
                async with session.get(path) as response:
                    assert response.status == 200, path
                    assert response.content_type == kind
                    policy = response.headers["Content-Security-Policy"]
                    assert "default-src 'self'" in policy
            for path in ("/nothing", "/../server.py", "/%2e%2e/server.py"):
                async with session.get(path) as response:
                    assert response.status == 404, path

    run(test())


def test_the_themes_are_served(lamp):
    async def test():
        async with serving(lamp) as session, session.get("/themes.json") as response:
            assert response.content_type == "application/json"
            assert await response.json() == json.loads(json.dumps(themes.tables()))

    run(test())


def test_an_unwatched_lamp_runs_on(lamp):
    async def test():
        async with serving(lamp) as session:
            await asyncio.sleep(1.5)
            async with session.ws_connect("/lamp") as ws:
                viewer = Viewer(ws)
                await viewer.receive(lambda v: v.status)
                assert viewer.status["step"] >= 3

    run(test())
