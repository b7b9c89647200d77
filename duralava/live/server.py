"""The web server of a live lamp: its page, and a websocket for each viewer."""

import asyncio
import contextlib
import dataclasses
import errno
import hashlib
import importlib.resources
import importlib.resources.abc
import json
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import NamedTuple

from aiohttp import WSCloseCode, WSMsgType, web

from duralava import themes
from duralava.live import logs
from duralava.live.access import Access
from duralava.live.connections import Connection, Connections
from duralava.live.limits import Limits
from duralava.live.show import Show, Update

_LOGGER = logging.getLogger("duralava.live")
_MAX_MESSAGE = 16_384  # bytes; a latent of 1,000 values
_MAX_MESSAGES = 500  # of a viewer in a second; a page sends one for each repaint
_HEARTBEAT = 20.0  # seconds; viewers that do not answer are disconnected
_GOODBYE = 0.5  # seconds that clients have to take the last message
_HEADERS = {
    "Cache-Control": "no-cache",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_POLICY = "default-src 'self'; img-src 'self' blob: data:"
_KINDS = {
    "css": "text/css",
    "html": "text/html",
    "js": "application/javascript",
    "png": "image/png",
    "svg": "image/svg+xml",
    "webmanifest": "application/manifest+json",
}
"""Media types of the page's files, by suffix; those of the system can be wrong."""
_NO_WEBSOCKET = (
    "This lamp comes over a websocket, but none arrives. A proxy in front of the "
    "server must pass on the headers Upgrade and Connection; duralava's README has an "
    "example."
)
_ONLY_WATCHES = "viewers of this link only watch"
_PAGES = importlib.resources.files("duralava.live") / "static"
_SHOW = web.AppKey("show", Show)
_ACCESS = web.AppKey("access", Access)
_SOCKETS = web.AppKey("sockets", set[web.WebSocketResponse])


@dataclasses.dataclass
class _Viewer:
    """What one viewer may do, and what it has asked for.

    Attributes:
      playing: set while the viewer wants pictures.
      steers: whether the viewer may change the lamp.
      wants_latents: whether to send the latent of each picture.
      holds: whether the lamp stands still at a latent that this viewer has set.
    """

    playing: asyncio.Event
    steers: bool
    wants_latents: bool
    holds: bool = False


@contextlib.asynccontextmanager
async def serving(
    show: Show,
    host: str,
    port: int,
    *,
    access: Access | None = None,
    limits: Limits | None = None,
) -> AsyncGenerator[tuple[str, int]]:
    """Serves a show, which the caller runs beside it; yields the address.

    At the end, all connections are closed within a second.

    Args:
      show: what viewers see.
      host: IP address to listen at.
      port: to listen at, 0 for any free port.
      access: who may open the page and steer the lamp; None for everybody, at the
        addresses of this machine.
      limits: of the connections; None for the usual ones.

    Yields:
      IP address and port at which it listens.

    Raises:
      OSError: it cannot listen there.
    """
    app = _make_app(show, access or Access())
    runner = web.AppRunner(
        app, access_log=None, logger=_LOGGER, shutdown_timeout=_GOODBYE
    )
    with logs.kept_brief():
        await runner.setup()
        connections = Connections(runner.server, limits or Limits())
        try:
            listening = await _listen(connections, host, port)
            try:
                yield listening.sockets[0].getsockname()[:2]
            finally:
                listening.close()
                await _say_goodbye(app[_SOCKETS])
                connections.abort()
        finally:
            await runner.cleanup()


async def _listen(
    connections: Connections, host: str, port: int
) -> asyncio.AbstractServer:
    where = f"{host}, port {port}"
    try:
        return await asyncio.get_running_loop().create_server(connections, host, port)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise OSError(f"{where} is in use; --port=0 takes a free one") from error
        raise OSError(f"cannot serve at {where}: {error.strerror}") from error


def _make_app(show: Show, access: Access) -> web.Application:
    """Returns the application: the pages, their files, and the websocket `/lamp`.

    Its connections are those of `Connections`.
    """
    app = web.Application(middlewares=[_guard])
    app[_SHOW], app[_ACCESS], app[_SOCKETS] = show, access, set()
    app.router.add_get("/lamp", _serve_viewer)
    app.router.add_post("/lamp", _explain)
    app.router.add_get("/themes.json", _serve_themes)
    for path in _PAGES.iterdir():
        if _suffix(path) in _KINDS:  # not what an editor has left there
            app.router.add_get(f"/{path.name}", _file_handler(path))
    app.router.add_get("/", _file_handler(_PAGES / "index.html"))
    return app


@web.middleware
async def _guard(request: web.Request, handler: web.RequestHandler) -> web.Response:
    """Answers only requests that `Access` and `Limits` allow; adds `_HEADERS`."""
    access = request.app[_ACCESS]
    headers = _HEADERS | {"Content-Security-Policy": _policy(access)}
    try:
        _check(request, access)
        response = await handler(request)
    except web.HTTPException as answer:
        answer.headers.update(headers)
        raise
    except ConnectionError:  # the client has left; nobody gets this answer
        return web.Response(status=400)
    if not response.prepared:
        response.headers.update(headers)
    return response


def _policy(access: Access) -> str:
    return _POLICY if access.embeddable else f"{_POLICY}; frame-ancestors 'self'"


def _check(request: web.Request, access: Access) -> None:
    """Raises the answer to a request that is refused."""
    connection = _connection(request)
    connection.expect_request()
    if not connection.forwarded_for(request.headers.get("X-Forwarded-For", "")):
        answer = web.HTTPServiceUnavailable(
            text="Your address has too many connections."
        )
        answer.force_close()
        raise answer
    refusal = access.refusal(request.headers.get("Host", ""))
    if refusal:
        _LOGGER.warning("Refused a request. %s", refusal)
        raise web.HTTPMisdirectedRequest(text=f"{refusal}\n")


def _connection(request: web.Request) -> Connection:
    """Returns the connection of a request.

    Raises:
      ConnectionResetError: the client has closed it.
    """
    if request.transport is None:
        raise ConnectionResetError
    return request.transport.get_protocol()


def _check_page(request: web.Request) -> None:
    """Raises the answer to a request of a page that may not show the lamp."""
    # Without this, any other page in the viewer's browser could control the lamp.
    refusal = request.app[_ACCESS].refusal_of_page(
        request.headers.get("Host", ""), request.headers.get("Origin")
    )
    if refusal:
        _LOGGER.warning("Refused a request. %s", refusal)
        raise web.HTTPForbidden(text=refusal)


async def _explain(request: web.Request) -> web.Response:
    """Tells a page whose websocket fails why that is.

    Browsers hide the answer to a websocket's request from the page. They send the same
    header `Origin` with this request.
    """
    _check_page(request)
    return web.Response(text=_NO_WEBSOCKET)


def _file_handler(
    path: importlib.resources.abc.Traversable,
) -> Callable[[web.Request], Awaitable[web.Response]]:
    """Returns what answers with a file, which is read once."""
    content = path.read_bytes()
    kind = _KINDS[_suffix(path)]
    tag = hashlib.sha256(content).hexdigest()[:16]

    async def serve(request: web.Request) -> web.Response:
        known = {known.value for known in request.if_none_match or ()}
        answer = web.Response(status=304)
        if tag not in known:
            answer = web.Response(body=content, content_type=kind)
        answer.etag = tag
        return answer

    return serve


def _suffix(path: importlib.resources.abc.Traversable) -> str:
    return path.name.rpartition(".")[2]


async def _serve_themes(_: web.Request) -> web.Response:
    return web.json_response(themes.tables())


async def _serve_viewer(request: web.Request) -> web.WebSocketResponse:
    """Sends pictures to a viewer as they come, and receives the viewer's requests.

    A viewer that can colour features asks for `/lamp?features`, and one that wants to
    see the latent of each picture for `/lamp?latents`. One that has the token of
    `Access` adds `steer=TOKEN`. A lamp that stands still at the latent of a viewer runs
    on when the viewer leaves.
    """
    _check_page(request)
    if request.headers.get("Upgrade", "").strip().lower() != "websocket":
        _LOGGER.warning("Refused a request. %s", _NO_WEBSOCKET)
        raise web.HTTPUpgradeRequired(text=_NO_WEBSOCKET)
    show, sockets = request.app[_SHOW], request.app[_SOCKETS]
    socket = web.WebSocketResponse(
        autoping=False,  # so that pings count as messages
        compress=False,
        heartbeat=_HEARTBEAT,
        max_msg_size=_MAX_MESSAGE,
        timeout=_GOODBYE,
    )
    connection = _connection(request)
    try:
        await socket.prepare(request)
    except ValueError as error:  # of the key, which aiohttp decodes
        raise web.HTTPBadRequest(text="The handshake is not valid.") from error
    connection.keep_open()
    sockets.add(socket)
    steers = request.app[_ACCESS].may_steer(request.query.get("steer", ""))
    viewer = _Viewer(asyncio.Event(), steers, "latents" in request.query)
    viewer.playing.set()
    updates = show.updates(features="features" in request.query)
    sender = asyncio.create_task(_send_updates(socket, updates, viewer))
    try:
        problem = await _receive_requests(socket, show, viewer)
        connection.expect_request()  # or it is closed, with what was not sent yet
        if problem:
            await socket.close(code=problem.code, message=problem.reason)
    finally:
        if viewer.holds:
            show.request({"latent": None})
        sockets.discard(socket)
        sender.cancel()
        with contextlib.suppress(asyncio.CancelledError, ConnectionError):
            await sender
    return socket


class _Problem(NamedTuple):
    """Why the server closes a websocket."""

    code: WSCloseCode
    reason: bytes


async def _receive_requests(
    socket: web.WebSocketResponse, show: Show, viewer: _Viewer
) -> _Problem | None:
    """Applies a viewer's requests until it leaves, or sends what it must not."""
    loop = asyncio.get_running_loop()
    since, count = loop.time(), 0
    async for message in socket:
        if loop.time() - since > 1:
            since, count = loop.time(), 0
        count += 1
        if count > _MAX_MESSAGES:
            return _Problem(WSCloseCode.POLICY_VIOLATION, b"too many requests")
        if message.type is WSMsgType.PING:
            await socket.pong(message.data)
        elif message.type is WSMsgType.TEXT:
            try:
                _handle_message(message.data, show, viewer)
            except ValueError as error:
                # Any text can be in it, and at most 123 bytes are allowed.
                reason = str(error).encode("ascii", "backslashreplace")[:123]
                return _Problem(WSCloseCode.POLICY_VIOLATION, reason)
        elif message.type is not WSMsgType.PONG:
            return _Problem(WSCloseCode.UNSUPPORTED_DATA, b"requests are text")
    return None


async def _say_goodbye(sockets: set[web.WebSocketResponse]) -> None:
    """Closes websockets, for a short time politely."""
    closing = [
        asyncio.create_task(
            socket.close(code=WSCloseCode.GOING_AWAY, message=b"the lamp has ended")
        )
        for socket in sockets
    ]
    if closing:
        await asyncio.wait(closing, timeout=_GOODBYE)


def _handle_message(text: str, show: Show, viewer: _Viewer) -> None:
    """Applies a viewer's requests: `play` to this viewer, all others to the lamp.

    Raises:
      ValueError: the text is not the JSON of an object with valid requests, or the
        viewer may not steer the lamp.
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
    if requests and not viewer.steers:
        raise ValueError(_ONLY_WATCHES)
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
    The status also says whether this viewer steers the lamp.
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
                    about = dataclasses.asdict(status) | {"steers": viewer.steers}
                    await socket.send_str(json.dumps(about))
                if viewer.wants_latents:
                    latent = [round(value, 4) for value in update.latent]
                    await socket.send_str(json.dumps({"latent": latent}))
                # Waits while the network is slow; the next update is the newest one.
                await socket.send_bytes(update.picture)
    finally:
        await socket.close()
