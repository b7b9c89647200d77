"""The command line: `duralava render`, `duralava live` and so on.

Each command is a module of this package with flags and a `main`. In a clone, the files
in `tools/` and `experiments/` run the same commands.

What takes long to import is imported lazily, when it is first used: the help and an
error in a flag come at once.
"""

import importlib
import sys
from collections.abc import Sequence
from typing import NamedTuple

import duralava
from duralava import command_line, extras


class Command(NamedTuple):
    """A command of the command line.

    Attributes:
      does: what it does, in a few words.
      extra: of setup.cfg, which brings the packages it needs; empty for none.
      huge_pages: whether it runs in memory pages of 2 MB.
    """

    does: str
    extra: str = ""
    huge_pages: bool = False


COMMANDS = {
    "render": Command("write a film of a lamp to a file, of any length"),
    "live": Command("watch a lamp in the browser or in the terminal"),
    "explain": Command("see the numbers behind a lamp, and change them"),
    "export": Command("export a lamp as a web page, ONNX or StableHLO"),
    "learn": Command("learn your own film, from the file to a lamp", "train", True),
    "train": Command("train by a config", "train", True),
    "evaluate": Command("measure how real a lamp looks, how long it lasts", "train"),
    "simulate": Command("film a physical lava lamp, without any network"),
    "prepare": Command("prepare a data set for training", "train"),
    "benchmark": Command("measure the speed of duralava on this machine", "train"),
}


def main() -> None:
    """Runs the command that the arguments of the program name."""
    command_line.end_at_interruption()
    command_line.open_standard_streams()
    match sys.argv[1:]:
        case [name, *arguments] if name in COMMANDS:
            run(name, arguments)
        case ["--help" | "-h" | "help"]:
            print(_help())
        case ["--version"]:
            _print_version()
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
    command_line.end_at_interruption()
    command_line.open_standard_streams()
    command = COMMANDS[name]
    arguments = sys.argv[1:] if arguments is None else arguments
    if "--version" in arguments:
        _print_version()
        return
    if command.huge_pages:
        # First, because the program may start anew here.
        command_line.use_huge_pages()
    command_line.show_progress_only_to_people()
    sys.argv = [f"duralava {name}", *arguments]
    module = importlib.import_module(f"{__name__}.{name}")
    command_line.run(extras.needed(command.extra)(module.main))


def _print_version() -> None:
    print(f"duralava {duralava.__version__}")


def _help() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {does}" for name, (does, *_) in COMMANDS.items()]
    return "\n".join(
        [
            "duralava: a neural network that simulates a lava lamp for ever",
            "",
            *lines,
            "",
            "duralava COMMAND --help explains a command; --version prints the version.",
        ]
    )
