"""Runs packed in few small files, to be carried from one machine to another."""

import io
import os
import pathlib
import tarfile

from duralava import checkpoints

_PART_BYTES = 15 * 2**20
_NAME = "run.tar"


def pack(workdir: str | os.PathLike[str], folder: str | os.PathLike[str]) -> int:
    """Packs what a run goes on from: its last checkpoint, and all small files.

    Of several phases, it is the checkpoint of the last one that has begun.

    Args:
      workdir: of the run.
      folder: for the parts, created if it is missing; earlier parts are replaced.

    Returns:
      The number of bytes.

    Raises:
      ValueError: the run has no checkpoint.
      OSError: the folder cannot be written.
    """
    workdir, folder = pathlib.Path(workdir), pathlib.Path(folder)
    latest = checkpoints.latest_checkpoint(workdir)
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for path in sorted(workdir.rglob("*")):
            in_latest = path.is_relative_to(latest)
            in_any = checkpoints.FOLDER in path.relative_to(workdir).parts
            if path.is_file() and (in_latest or not in_any):
                archive.add(path, path.relative_to(workdir))
    folder.mkdir(parents=True, exist_ok=True)
    for path in parts(folder):
        path.unlink()
    content = stream.getvalue()
    for index, first in enumerate(range(0, len(content), _PART_BYTES)):
        part = content[first : first + _PART_BYTES]
        (folder / f"{_NAME}.{index:02d}").write_bytes(part)
    return len(content)


def unpack(folder: str | os.PathLike[str], workdir: str | os.PathLike[str]) -> None:
    """Writes a packed run to a workdir.

    Raises:
      tarfile.ReadError: parts are missing.
      OSError: the workdir cannot be written.
    """
    content = b"".join(path.read_bytes() for path in parts(folder))
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        archive.extractall(workdir, filter="data")


def parts(folder: str | os.PathLike[str]) -> list[pathlib.Path]:
    """Returns the parts of a packed run, in order; none where there is no run."""
    return sorted(pathlib.Path(folder).glob(f"{_NAME}.*"))
