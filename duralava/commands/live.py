"""Shows a lamp live, in the browser or in the terminal.

duralava live
duralava live --host=0.0.0.0 --port=8000 --noopen
duralava live --terminal
"""

import asyncio
import errno
import os
import sys
import webbrowser
from collections.abc import Sequence

from absl import flags
from aiohttp import web
from yarl import URL

from duralava import themes, weights
from duralava.live import address, server, show, terminal

FPS = 60.0
"""Frames per second in the browser, by default."""

_HOST = flags.DEFINE_string(
    "host",
    "127.0.0.1",
    "Address to listen at; with 0.0.0.0 or ::, others in your network can watch.",
)
_PORT = flags.DEFINE_integer(
    "port", 8080, "Port to listen at; 0 for any free port.", 0, 65535
)
_FPS = flags.DEFINE_float(
    "fps", None, f"Frames per second; {FPS:g} in the browser, 20 in the terminal."
)
_SEED = flags.DEFINE_integer("seed", 0, "Each seed gives another lamp.", lower_bound=0)
_THEME = flags.DEFINE_enum(
    "theme", themes.DEFAULT, list(themes.THEMES), "Colours of the lamp."
)
_CHECKPOINT = flags.DEFINE_string(
    "checkpoint",
    weights.DEFAULT,
    "Name of shipped weights, a training's workdir, or a .safetensors file.",
)
_TERMINAL = flags.DEFINE_bool("terminal", False, "Draw in the terminal.")
_OPEN = flags.DEFINE_bool("open", True, "Open the page in the browser.")


def main(_: Sequence[str]) -> None:
    """Shows the lamp until Ctrl-C."""
    usual = 20.0 if _TERMINAL.value else FPS
    fps = usual if _FPS.value is None else _FPS.value
    if not 1 <= fps <= 120:
        raise ValueError(f"--fps is from 1 to 120, not {fps:g}")
    if _TERMINAL.value:
        terminal.check_terminal(sys.stdout)
        lamp = weights.load(_CHECKPOINT.value)
        terminal.run(
            lamp,
            seed=_SEED.value,
            theme=_THEME.value,
            fps=fps,
            output=sys.stdout,
        )
        return
    serve(fps=fps)


def serve(*, fps: float, page: str = "") -> None:
    """Serves the pages of a lamp until Ctrl-C, as the flags say.

    Args:
      fps: frames per second.
      page: to open, its name on the server.
    """
    names = dict.fromkeys([_CHECKPOINT.value, *weights.names()])
    lamps = {name: weights.load(name) for name in names}
    asyncio.run(_serve(show.Show(lamps, fps=fps, seed=_SEED.value), page))


async def _serve(lamp: show.Show, page: str) -> None:
    runner = web.AppRunner(server.make_app(lamp), access_log=None)
    await runner.setup()
    try:
        where = (await _listen(runner)) / page
        if _THEME.value != themes.DEFAULT:
            where = where.with_query(theme=_THEME.value)
        print(f"the lamp plays at {where} (Ctrl-C ends it)", flush=True)
        if sys.stdout.isatty() and address.others_can_open(where):
            print(address.qr_code(where), flush=True)
        if _OPEN.value and _has_screen():
            webbrowser.open(str(where))
        await lamp.run()
    finally:
        await runner.cleanup()


async def _listen(runner: web.AppRunner) -> URL:
    """Returns the address of the page, once it can be opened."""
    where = f"{_HOST.value}, port {_PORT.value}"
    try:
        await web.TCPSite(runner, _HOST.value, _PORT.value).start()
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise OSError(f"{where} is in use; --port=0 takes a free one") from error
        raise OSError(f"cannot serve at {where}: {error.strerror}") from error
    return address.page_address(*runner.addresses[0][:2])


def _has_screen() -> bool:
    """Whether a browser can open a window; without one, a text browser might start."""
    if sys.platform in ("darwin", "win32"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
