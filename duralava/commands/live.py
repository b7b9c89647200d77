"""Shows a lamp live, in the browser or in the terminal.

duralava live
duralava live --host=0.0.0.0 --port=8000 --noopen
duralava live --host=127.0.0.1 --allowed_host=lamp.example  (behind a proxy)
duralava live --terminal
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from absl import flags
from etils import epy

from duralava import command_line, pretrained, themes
from duralava.live.limits import Limits

with epy.lazy_imports():
    import asyncio
    import webbrowser

    from duralava import weights
    from duralava.live import access, address, server, show, terminal

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
    pretrained.DEFAULT,
    "Name of shipped weights, a training's workdir, or a .safetensors file.",
)
_TERMINAL = flags.DEFINE_bool("terminal", False, "Draw in the terminal.")
_OPEN = flags.DEFINE_bool("open", True, "Open the page in the browser.")
_ALLOWED_HOST = flags.DEFINE_multi_string(
    "allowed_host",
    [],
    "Name at which the page can be opened, such as that of a proxy in front of it; can "
    "be repeated. The names of this machine's loopback and its addresses always work.",
)
_EVERYBODY_STEERS = flags.DEFINE_bool(
    "everybody_steers",
    False,
    "Let all viewers change the lamp, also when others than you can open the page.",
)
_EMBEDDABLE = flags.DEFINE_bool(
    "embeddable", False, "Let pages of other sites show the page in a frame."
)
_MAX_CONNECTIONS = flags.DEFINE_integer(
    "max_connections",
    Limits.connections,
    "Connections that are open at once; a viewer takes one to seven.",
    lower_bound=1,
)
_MAX_PER_ADDRESS = flags.DEFINE_integer(
    "max_connections_per_address",
    Limits.per_address,
    "Connections of one address that are open at once.",
    lower_bound=1,
)


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
    who = _access()
    names = dict.fromkeys([_CHECKPOINT.value, *weights.names()])
    lamps = {name: weights.load(name) for name in names}
    lamp = show.Show(lamps, fps=fps, seed=_SEED.value)
    try:
        asyncio.run(_serve(lamp, who, page))
    except KeyboardInterrupt:
        # All is closed. The usual end would wait for programs that XLA still compiles.
        os._exit(command_line.report_interruption())


def _access() -> access.Access:
    """Returns who may open the page and steer the lamp, as the flags say."""
    for name in _ALLOWED_HOST.value:
        host = access.parse_host(name)
        if host is None or host.port is not None:
            raise ValueError(
                f"--allowed_host is a name such as lamp.example, not {name}"
            )
    others = _ALLOWED_HOST.value or address.others_can_open(_HOST.value)
    return access.Access(
        allowed_hosts=frozenset(name.lower() for name in _ALLOWED_HOST.value),
        token=access.make_token() if others and not _EVERYBODY_STEERS.value else None,
        embeddable=_EMBEDDABLE.value,
    )


async def _serve(lamp: show.Show, who: access.Access, name: str) -> None:
    limits = Limits(_MAX_CONNECTIONS.value, _MAX_PER_ADDRESS.value)
    async with server.serving(
        lamp, _HOST.value, _PORT.value, access=who, limits=limits
    ) as listening:
        page = address.page_address(*listening) / name
        if _THEME.value != themes.DEFAULT:
            page = page.with_query(theme=_THEME.value)
        print(f"the lamp plays at {page} (Ctrl-C ends it)", flush=True)
        own = page
        if who.token:
            own = page.update_query(steer=who.token)
            print(f"who opens {own} can steer it; others watch", flush=True)
        if sys.stdout.isatty() and address.others_can_open(page.host):
            print(address.qr_code(page), flush=True)
        if _OPEN.value and _has_screen():
            webbrowser.open(str(own))
        await lamp.run()


def _has_screen() -> bool:
    """Whether a browser can open a window; without one, a text browser might start."""
    if sys.platform in ("darwin", "win32"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
