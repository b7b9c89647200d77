"""Output that appears under its final name when it is complete."""

import contextlib
import fcntl
import json
import math
import os
import pathlib
import shutil
import tempfile
from collections.abc import Iterator
from typing import Any

import numpy as np

_TEMPORARY = ".partial_"


@contextlib.contextmanager
def written_whole(path: str | os.PathLike[str]) -> Iterator[pathlib.Path]:
    """Yields a temporary path on the disk of `path`, and renames it at the end.

    If the program is killed while it writes, `path` keeps its previous content. Several
    processes may write the same file at once.

    Args:
      path: file, or folder that is missing or empty. An existing file is replaced; of
        a symbolic link, it is what the link points to.

    Yields:
      The temporary path. On an exception it is removed.
    """
    target = pathlib.Path(path).resolve()
    with temporary_folder(target.parent) as folder:
        yield folder / target.name
        os.replace(folder / target.name, target)


@contextlib.contextmanager
def temporary_folder(parent: str | os.PathLike[str]) -> Iterator[pathlib.Path]:
    """Yields a new folder in another one, and removes it at the end.

    First it removes the temporary folders there of processes that were killed.
    """
    for left in pathlib.Path(parent).glob(f"{_TEMPORARY}*"):
        remove_abandoned(left)
    folder, descriptor = _new_locked(parent)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(descriptor)


def remove_abandoned(folder: str | os.PathLike[str]) -> None:
    """Removes a folder unless a process has locked it."""
    with contextlib.suppress(OSError, ValueError), locked(folder):
        shutil.rmtree(folder)


@contextlib.contextmanager
def locked(folder: str | os.PathLike[str]) -> Iterator[None]:
    """Keeps other processes that call this from a folder.

    The lock ends with the process, however it ends.

    Raises:
      ValueError: another process has locked the folder.
      OSError: the folder cannot be locked.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise ValueError(f"another process is writing to {folder}") from None
    finally:
        os.close(descriptor)


def write_json(path: pathlib.Path, contents: Any) -> None:
    """Writes dictionaries, sequences, numbers and text as JSON.

    Arrays become lists; numbers that are not finite become null, as JSON has none.
    """
    path.write_text(json.dumps(_plain(contents), indent=2, allow_nan=False) + "\n")


def parse_json(text: str) -> Any:
    """Returns the value of JSON.

    Raises:
      ValueError: it is not JSON, or is nested too deeply.
    """
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def check_new_folder(path: str | os.PathLike[str]) -> None:
    """Checks that a folder can be created at `path`, without creating it.

    Raises:
      OSError: something is there that is not an empty folder, or as `check_parent`.
    """
    target = pathlib.Path(path)
    if target.exists() and not target.is_dir():
        raise NotADirectoryError(f"{target} is a file; name a folder")
    if target.is_dir() and any(target.iterdir()):
        raise FileExistsError(f"folder {target} is not empty")
    if target.is_mount():
        raise OSError(f"{target} is a mount point; name a folder inside it")
    check_parent(target)


def check_parent(path: str | os.PathLike[str]) -> None:
    """Checks that a file can be created beside `path`, and leaves none.

    Raises:
      OSError: the folder that is to hold `path` is missing or cannot be written to.
    """
    parent = pathlib.Path(path).parent
    if not parent.is_dir():
        raise FileNotFoundError(f"no folder {parent}")
    try:
        with tempfile.TemporaryFile(dir=parent):
            pass
    except OSError as error:
        raise OSError(f"cannot write to folder {parent}: {error.strerror}") from error


def _new_locked(parent: str | os.PathLike[str]) -> tuple[pathlib.Path, int]:
    """Returns a new temporary folder, and the descriptor that locks it."""
    while True:
        folder = pathlib.Path(tempfile.mkdtemp(prefix=_TEMPORARY, dir=parent))
        with contextlib.suppress(FileNotFoundError):
            descriptor = os.open(folder, os.O_RDONLY)
            # Where there are no locks, nobody removes it.
            with contextlib.suppress(OSError):
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            if folder.exists():  # else removed before it was locked
                return folder, descriptor
            os.close(descriptor)


def _plain(value: Any) -> Any:
    """Returns `value` in the types of JSON; None for a number that is not finite."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
