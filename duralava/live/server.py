"""The web server of a show: a page, and a websocket for each viewer."""

import asyncio
import contextlib
import dataclasses
import importlib.resources
import json
from urllib.parse import urlsplit

from aiohttp import WSCloseCode, WSMsgType, web

from duralava.live.show import Show

_LONGEST_WISH = 1_024  # bytes
_HEARTBEAT_SECONDS = 20.0  # after which a viewer that is gone is forgotten
_HEADERS = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": "default-src 'self'; img-src 'self' blob: data:",
    "X-Content-Type-Options": "nosniff",
}
_PAGES = importlib.resources.files("duralava.live") / "static"
_SHOW = web.AppKey("show", Show)


def make_app(show: Show) -> web.Application:
    """Returns the application that shows a lamp: `/`, its files, and `/lamp`.

    The show is to be run beside it.
    """
    app = web.Application(middlewares=[_add_headers])
    app[_SHOW] = show
    app.router.add_get("/lamp", _watch)
    app.router.add_get("/", _page)
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


async def _page(_: web.Request) -> web.FileResponse:
    return web.FileResponse(str(_PAGES / "index.html"))


async def _watch(request: web.Request) -> web.WebSocketResponse:
    """Sends frames as they come, and takes wishes."""
    origin = request.headers.get("Origin")
    if origin and urlsplit(origin).netloc != request.host:
        # Else any page that this person visits could watch and steer the lamp.
        raise web.HTTPForbidden(text="this lamp is shown on its own page only")
    socket = web.WebSocketResponse(
        heartbeat=_HEARTBEAT_SECONDS, max_msg_size=_LONGEST_WISH, compress=False
    )
    await socket.prepare(request)
    playing = asyncio.Event()
    playing.set()
    sender = asyncio.create_task(_send(socket, request.app[_SHOW], playing))
    try:
        async for message in socket:
            if message.type is not WSMsgType.TEXT:
                await socket.close(
                    code=WSCloseCode.UNSUPPORTED_DATA, message=b"wishes are text"
                )
                break
            try:
                _take(message.data, request.app[_SHOW], playing)
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


def _take(text: str, show: Show, playing: asyncio.Event) -> None:
    """Takes wishes: those for the lamp go to the show, a rest is this viewer's own.

    Raises:
      ValueError: it is not the JSON of an object with wishes that can be granted.
    """
    try:
        wishes = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise ValueError("not JSON") from error
    if not (isinstance(wishes, dict) and wishes):
        raise ValueError("not an object with a wish")
    plays = wishes.pop("play", playing.is_set())
    if not isinstance(plays, bool):
        raise ValueError("no such wish: play")
    show.wish(wishes)
    if plays:
        playing.set()
    else:
        playing.clear()


async def _send(
    socket: web.WebSocketResponse, show: Show, playing: asyncio.Event
) -> None:
    told = None
    try:
        async for moment in show.watch():
            await playing.wait()
            if moment.status is not told:
                told = moment.status
                await socket.send_str(json.dumps(dataclasses.asdict(told)))
            # Waits while the network is slow; what comes next is the latest by then.
            await socket.send_bytes(moment.frame)
    finally:
        await socket.close()
