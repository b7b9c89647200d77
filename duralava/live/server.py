"""The web server of a live lamp: its page, and a websocket for each viewer."""

import asyncio
import contextlib
import dataclasses
import importlib.resources
import json
from collections.abc import AsyncGenerator
from urllib.parse import urlsplit

from aiohttp import WSCloseCode, WSMsgType, web

from duralava import themes
from duralava.live.show import Show, Update

_MAX_MESSAGE = 16_384  # bytes; a latent of 1,000 values
_HEARTBEAT = 20.0  # seconds; viewers that do not answer are disconnected
_HEADERS = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": "default-src 'self'; img-src 'self' blob: data:",
    "X-Content-Type-Options": "nosniff",
}
_PAGES = importlib.resources.files("duralava.live") / "static"
_SHOW = web.AppKey("show", Show)


@dataclasses.dataclass
class _Viewer:
    """What one viewer has asked for.

    Attributes:
      playing: set while the viewer wants pictures.
      wants_latents: whether to send the latent of each picture.
      holds: whether the lamp stands still at a latent that this viewer has set.
    """

    playing: asyncio.Event
    wants_latents: bool
    holds: bool = False


def make_app(show: Show) -> web.Application:
    """Returns the application: the pages `/` and `/explain.html`, the numbers, their
    files, and the websocket `/lamp`.

    The caller runs the show beside it.
    """
    app = web.Application(middlewares=[_add_headers])
    app[_SHOW] = show
    app.router.add_get("/lamp", _serve_viewer)
    app.router.add_get("/", _serve_page)
    app.router.add_get("/themes.json", _serve_themes)
    app.router.add_static("/", str(_PAGES))
    return app


@web.middleware
async def _add_headers(
    request: web.Request, handler: web.RequestHandler
) -> web.Response:
    response = await handler(request)
    if not response.prepared:
        response.headers.update(_HEADERS)
    return response


async def _serve_page(_: web.Request) -> web.FileResponse:
    return web.FileResponse(str(_PAGES / "index.html"))


async def _serve_themes(_: web.Request) -> web.Response:
    return web.json_response(themes.tables())


async def _serve_viewer(request: web.Request) -> web.WebSocketResponse:
    """Sends pictures to a viewer as they come, and receives the viewer's requests.

    A viewer that can colour features asks for `/lamp?features`, and one that wants to
    see the latent of each picture for `/lamp?latents` or `/lamp?features&latents`. A
    lamp that stands still at the latent of a viewer runs on when the viewer leaves.
    """
    origin = request.headers.get("Origin")
    if origin and urlsplit(origin).netloc != request.host:
        # Without this, any other page in the viewer's browser could control the lamp.
        raise web.HTTPForbidden(text="this lamp is shown on its own page only")
    socket = web.WebSocketResponse(
        heartbeat=_HEARTBEAT, max_msg_size=_MAX_MESSAGE, compress=False
    )
    await socket.prepare(request)
    show = request.app[_SHOW]
    viewer = _Viewer(asyncio.Event(), "latents" in request.query)
    viewer.playing.set()
    updates = show.updates(features="features" in request.query)
    sender = asyncio.create_task(_send_updates(socket, updates, viewer))
    try:
        async for message in socket:
            if message.type is not WSMsgType.TEXT:
                await socket.close(
                    code=WSCloseCode.UNSUPPORTED_DATA, message=b"requests are text"
                )
                break
            try:
                _handle_message(message.data, show, viewer)
            except ValueError as error:
                await socket.close(
                    code=WSCloseCode.POLICY_VIOLATION, message=str(error).encode()
                )
                break
    finally:
        if viewer.holds:
            show.request({"latent": None})
        sender.cancel()
        with contextlib.suppress(asyncio.CancelledError, ConnectionError):
            await sender
    return socket


def _handle_message(text: str, show: Show, viewer: _Viewer) -> None:
    """Applies a viewer's requests: `play` to this viewer, all others to the lamp.

    Raises:
      ValueError: the text is not the JSON of an object with valid requests.
    """
    try:
        requests = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise ValueError("not JSON") from error
    if not (isinstance(requests, dict) and requests):
        raise ValueError("not an object with a request")
    plays = requests.pop("play", viewer.playing.is_set())
    if not isinstance(plays, bool):
        raise ValueError("invalid request: play")
    show.request(requests)
    if "latent" in requests:
        viewer.holds = requests["latent"] is not None
    if plays:
        viewer.playing.set()
    else:
        viewer.playing.clear()


async def _send_updates(
    socket: web.WebSocketResponse,
    updates: AsyncGenerator[Update],
    viewer: _Viewer,
) -> None:
    """Sends `Update`s.

    JSON of `{"head": ...}` and of a status whenever they change, JSON of
    `{"latent": ...}` before each picture if the viewer wants it, bytes of a picture.
    """
    head, status = None, None
    try:
        async with contextlib.aclosing(updates):
            async for update in updates:
                await viewer.playing.wait()
                if update.head is not head:
                    head = update.head
                    await socket.send_str(json.dumps({"head": head}))
                if update.status is not status:
                    status = update.status
                    await socket.send_str(json.dumps(dataclasses.asdict(status)))
                if viewer.wants_latents:
                    latent = [round(value, 4) for value in update.latent]
                    await socket.send_str(json.dumps({"latent": latent}))
                # Waits while the network is slow; the next update is the newest one.
                await socket.send_bytes(update.picture)
    finally:
        await socket.close()
