"""Packages that only some features need: the extras of setup.cfg."""

import contextlib
from collections.abc import Iterator


@contextlib.contextmanager
def needed(extra: str) -> Iterator[None]:
    """Turns the lack of a package into one line that names the extra to install.

    Args:
      extra: of setup.cfg, which installs what is imported inside; empty for none.

    Raises:
      ValueError: an import inside failed because a package is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if not extra or package == "duralava":
            raise
        raise ValueError(
            f"this needs the package {package}: pip install 'duralava[{extra}]'"
        ) from error
