"""Shows the numbers behind a lamp beside it, in the browser, for teachers and talks.

duralava explain
duralava explain --host=0.0.0.0 --noopen

Each bar is one number of the latent. Drag it, and see what it does to the picture. All
who open the page share the lamp; `duralava live` has the same page behind "More".
"""

from collections.abc import Sequence

from absl import flags

from duralava.commands import live

_FLAGS = (
    *("host", "port", "seed", "theme", "checkpoint", "open", "allowed_host"),
    *("everybody_steers", "embeddable", "max_connections"),
    "max_connections_per_address",
)
for _name in _FLAGS:
    flags.declare_key_flag(_name)


def main(_: Sequence[str]) -> None:
    """Shows the page until Ctrl-C."""
    live.serve(fps=live.FPS, page="explain.html")
