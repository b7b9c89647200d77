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

_MAX_MESSAGE = 1_024  # bytes
_HEARTBEAT = 20.0  # seconds; viewers that do not answer are disconnected
_HEADERS = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": "default-src 'self'; img-src 'self' blob: data:",
    "X-Content-Type-Options": "nosniff",
}
_PAGES = importlib.resources.files("duralava.live") / "static"
_SHOW = web.AppKey("show", Show)


def make_app(show: Show) -> web.Application:
    """Returns the application with the page `/`, its files, and the websocket `/lamp`.

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

    A viewer that can colour features asks for `/lamp?features`.
    """
    origin = request.headers.get("Origin")
    if origin and urlsplit(origin).netloc != request.host:
        # Without this, any other page in the viewer's browser could control the lamp.
        raise web.HTTPForbidden(text="this lamp is shown on its own page only")
    socket = web.WebSocketResponse(
        heartbeat=_HEARTBEAT, max_msg_size=_MAX_MESSAGE, compress=False
    )
    await socket.prepare(request)
    playing = asyncio.Event()
    playing.set()
    updates = request.app[_SHOW].updates(features="features" in request.query)
    sender = asyncio.create_task(_send_updates(socket, updates, playing))
    try:
        async for message in socket:
            if message.type is not WSMsgType.TEXT:
                await socket.close(
                    code=WSCloseCode.UNSUPPORTED_DATA, message=b"requests are text"
                )
                break
            try:
                _handle_message(message.data, request.app[_SHOW], playing)
            except ValueError as error:
                await socket.close(
                    code=WSCloseCode.POLICY_VIOLATION, message=str(error).encode()
                )
                break
    finally:
        sender.cancel()
        with contextlib.suppress(asyncio.CancelledError, ConnectionError):
            await sender
    return socket


def _handle_message(text: str, show: Show, playing: asyncio.Event) -> None:
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
    plays = requests.pop("play", playing.is_set())
    if not isinstance(plays, bool):
        raise ValueError("invalid request: play")
    show.request(requests)
    if plays:
        playing.set()
    else:
        playing.clear()


async def _send_updates(
    socket: web.WebSocketResponse,
    updates: AsyncGenerator[Update],
    playing: asyncio.Event,
) -> None:
    """Sends `Update`s: JSON of `{"head": ...}` and of a status, bytes of a picture."""
    head, status = None, None
    try:
        async with contextlib.aclosing(updates):
            async for update in updates:
                await playing.wait()
                if update.head is not head:
                    head = update.head
                    await socket.send_str(json.dumps({"head": head}))
                if update.status is not status:
                    status = update.status
                    await socket.send_str(json.dumps(dataclasses.asdict(status)))
                # Waits while the network is slow; the next update is the newest one.
                await socket.send_bytes(update.picture)
    finally:
        await socket.close()
