"""Where configs of training runs are, in a clone and where duralava is installed."""

import importlib.metadata
import pathlib
import re
from collections.abc import Sequence

_CLONE = pathlib.Path(__file__).parents[2] / "experiments" / "configs"
_NAMED = re.compile(r"(--?config=)(\w+)")


def names() -> list[str]:
    """Returns the names of the configs, sorted."""
    return sorted(_paths())


def path(name: str) -> pathlib.Path:
    """Returns the file of a config.

    Raises:
      ValueError: there is none of that name.
    """
    try:
        return _paths()[name]
    except KeyError:
        raise ValueError(
            f"no config '{name}': neither a file, nor one of {', '.join(names())}"
        ) from None


def with_paths(arguments: Sequence[str]) -> list[str]:
    """Returns command-line arguments, `--config=NAME` by the path of its file.

    A name that is not known stays as it is.
    """

    def full(argument: str) -> str:
        named = _NAMED.fullmatch(argument)
        known = named and _paths().get(named[2])
        return f"{named[1]}{known}" if known else argument

    return [full(argument) for argument in arguments]


def _paths() -> dict[str, pathlib.Path]:
    if _CLONE.is_dir():
        files = list(_CLONE.glob("*.py"))
    else:
        installed = importlib.metadata.files("duralava") or []
        files = [
            pathlib.Path(file.locate()).resolve()
            for file in installed
            if file.parent.name == "configs" and file.suffix == ".py"
        ]
    return {file.stem: file for file in files}
