"""The tools, as one command: `duralava render`, `duralava live` and so on.

Each is a module of this package with flags and a `main`. From a clone, the files in
`tools/` and `experiments/` start the same.
"""

import importlib
import sys
from collections.abc import Sequence

from duralava import command_line
from duralava.commands import recipes

COMMANDS = {
    "render": "film a lamp into a file, for as long as is asked",
    "live": "watch a lamp in the browser or in the terminal",
    "export": "take a lamp elsewhere: as a web page, ONNX or StableHLO",
    "learn": "learn a film of one's own, from the file to a lamp that plays",
    "train": "train by a config",
    "evaluate": "measure how real a lamp looks and how long it lasts",
    "simulate": "film a lava lamp in physics, without any network",
    "prepare": "prepare a data set for training",
    "benchmark": "time duralava on this machine",
}
_TRAINING = ("train", "learn")


def main() -> None:
    """Runs the command that the shell was told."""
    match sys.argv[1:]:
        case [name, *arguments] if name in COMMANDS:
            run(name, arguments)
        case ["--help" | "-h" | "help"]:
            print(_help())
        case []:
            sys.exit(_help())
        case [name, *_]:
            sys.exit(f"error: no command '{name}'; there are {', '.join(COMMANDS)}")


def run(name: str, arguments: Sequence[str] | None = None) -> None:
    """Runs one of `COMMANDS` and exits.

    Args:
      name: of the command.
      arguments: after its name; None for those that the program was started with.
    """
    if name in _TRAINING:
        # Before anything is imported that would have to be imported again.
        command_line.use_huge_pages()
    arguments = sys.argv[1:] if arguments is None else arguments
    sys.argv = [f"duralava {name}", *recipes.with_paths(arguments)]
    command_line.run(importlib.import_module(f"{__name__}.{name}").main)


def _help() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {what}" for name, what in COMMANDS.items()]
    return "\n".join(
        [
            "duralava: a neural network that simulates a lava lamp for ever",
            "",
            *lines,
            "",
            "duralava COMMAND --help tells more.",
        ]
    )
