"""Arrays that are written in parts, by a program that may be killed meanwhile."""

import contextlib
import functools
import json
import os
import pathlib
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import IO, Any, NamedTuple

import numpy as np

from duralava import files
from duralava.datasets import arrays

_CONTENT, _FINISHED = "content.json", ".finished"

_Files = dict[tuple[str, str], IO[bytes]]  # by split and feature


class Unfinished(NamedTuple):
    """Arrays that are being written.

    Attributes:
      finished: names of the parts that are complete.
      write: called with a split, the number of its first row, and rows of each feature.
      finish: called with the name of a part when all its rows are written.
    """

    finished: frozenset[str]
    write: Callable[[str, int, Mapping[str, np.ndarray]], None]
    finish: Callable[[str], None]


@contextlib.contextmanager
def continued(
    folder: pathlib.Path,
    target: str | os.PathLike[str],
    *,
    lengths: Mapping[str, int],
    features: Mapping[str, arrays.Mapped],
    content: Any,
) -> Iterator[Unfinished]:
    """Writes arrays in `folder`, and moves them to `target` at the end.

    If the program fails or is killed, `folder` keeps the finished parts, and the next
    call continues with them. If no part is finished, a failure removes `folder`.

    Args:
      folder: created if it is missing, in a folder on the disk of `target`.
      target: folder for the complete arrays.
      lengths: number of rows of each split.
      features: of a row.
      content: describes the rows, as JSON. Parts of other content are deleted.

    Raises:
      ValueError: another process writes to `folder`.
      OSError: the arrays cannot be written.
    """
    specs = {name: feature.to_json_content() for name, feature in features.items()}
    description = json.dumps([content, dict(lengths), specs])
    paths = {
        (split, name): arrays.path(folder, split, name)
        for split in lengths
        for name in features
    }
    folder.mkdir(exist_ok=True)
    with files.locked(folder):
        if not _holds(folder, description, paths.values()):
            _start(folder, description, paths.values())
        try:
            with contextlib.ExitStack() as stack:
                opened = {
                    key: stack.enter_context(path.open("r+b"))
                    for key, path in paths.items()
                }
                for (split, name), file in opened.items():
                    arrays.write_header(file, features[name], lengths[split])
                yield Unfinished(
                    _finished(folder),
                    functools.partial(_write, opened, features),
                    functools.partial(_finish, folder, opened),
                )
        except BaseException:
            if not _finished(folder):
                shutil.rmtree(folder)
            raise
        for path in paths.values():
            os.replace(path, pathlib.Path(target) / path.name)
        shutil.rmtree(folder)


def has_finished_parts(folder: pathlib.Path) -> bool:
    """Returns whether `continued` would find finished parts in a folder."""
    return bool(_finished(folder))


def _holds(
    folder: pathlib.Path, description: str, paths: Iterable[pathlib.Path]
) -> bool:
    """Returns whether a folder holds parts of the same arrays."""
    content = folder / _CONTENT
    return (
        content.exists()
        and content.read_text() == description
        and all(path.exists() for path in paths)
    )


def _start(
    folder: pathlib.Path, description: str, paths: Iterable[pathlib.Path]
) -> None:
    """Deletes what is in a folder, and creates empty arrays."""
    for path in folder.iterdir():
        path.unlink()
    for path in paths:
        path.touch()
    (folder / _CONTENT).write_text(description)


def _finished(folder: pathlib.Path) -> frozenset[str]:
    return frozenset(path.stem for path in folder.glob(f"*{_FINISHED}"))


def _write(
    files: _Files,
    features: Mapping[str, arrays.Mapped],
    split: str,
    first: int,
    rows: Mapping[str, np.ndarray],
) -> None:
    for name, values in rows.items():
        arrays.write_rows(files[split, name], features[name], first, values)


def _finish(folder: pathlib.Path, files: _Files, part: str) -> None:
    for file in files.values():
        file.flush()
        os.fsync(file.fileno())
    (folder / f"{part}{_FINISHED}").touch()
