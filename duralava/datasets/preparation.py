"""Preparing a data set: it appears under its final name when it is complete."""

import contextlib
import io
import os
import pathlib
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import tensorflow_datasets as tfds

from duralava import files
from duralava.datasets import DATA_DIR, unfinished, video
from duralava.datasets.film import FilmBuilder
from duralava.datasets.lava_lamp import LavaLamp
from duralava.datasets.simulated_lava_lamp import SimulatedLavaLamp

DATASETS: dict[str, type[FilmBuilder]] = {
    builder.name: builder for builder in (LavaLamp, SimulatedLavaLamp)
}
"""All data sets by name; a builder's `takes_source` says whether it reads a film."""

_UNFINISHED = ".preparing_"  # prefix of folders of film that can be continued
_FILM = "film"


def prepare(
    name: str,
    data_dir: str | os.PathLike[str] = DATA_DIR,
    *,
    source: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    on_share: Callable[[float], Any] | None = None,
) -> tuple[tfds.core.DatasetBuilder, bool]:
    """Prepares a data set unless it exists, and returns its builder.

    If the preparation of simulated film is killed, the same call continues it. What
    other processes that were killed left in the folder is removed, unless they can be
    continued.

    Args:
      name: `lava_lamp/64x64`, `simulated_lava_lamp/64x64_10min`, ...; without a config
        the first one is used.
      data_dir: folder of prepared data sets, created if it is missing.
      source: film or folder of images, for a data set that takes one.
      overwrite: whether an existing data set is prepared anew.
      on_share: called with the share of the source that is decoded, instead of a
        progress bar.

    Returns:
      The builder, and whether anything was written: False if the data set existed.

    Raises:
      ValueError: unknown name, a missing or superfluous `source`, `source` is not a
        film, or the data set exists from another film and may not be overwritten.
      OSError: no such `source`, or `data_dir` cannot be written to.
    """
    dataset, _, config = name.partition("/")
    if dataset not in DATASETS:
        raise ValueError(f"unknown data set '{dataset}'; known: {', '.join(DATASETS)}")
    builder_class = DATASETS[dataset]
    configs = builder_class.builder_configs
    if config and config not in configs:
        raise ValueError(
            f"{dataset} has no config '{config}'; known: {', '.join(configs)}"
        )
    kwargs: dict[str, Any] = {"config": config or next(iter(configs))}
    if builder_class.takes_source:
        if source is None:
            raise ValueError(f"{dataset} needs a source: a video or a folder of images")
        source = kwargs["source"] = video.open_source(source)
    elif source is not None:
        raise ValueError(f"{dataset} takes no source")

    data_dir = pathlib.Path(data_dir).expanduser()
    target = data_dir / dataset / kwargs["config"] / str(builder_class.VERSION)
    if target.exists() and not overwrite:
        try:
            builder = builder_class(data_dir=data_dir, **kwargs)
            known = builder.info.metadata["source"] if source else None
        except OSError:
            raise
        except Exception as error:  # TFDS raises whatever its many parts raise
            raise ValueError(f"{target} is damaged: {error!r}; overwrite it") from error
        if source and known != video.fingerprint(source):
            raise ValueError(
                f"{target} holds another film than {source}; take another folder, or "
                "overwrite it"
            )
        return builder, False

    data_dir.mkdir(parents=True, exist_ok=True)
    for left in data_dir.glob(f"{_UNFINISHED}*"):
        if not unfinished.has_finished_parts(left / _FILM):
            files.remove_abandoned(left)
    with contextlib.ExitStack() as stack:
        folder = data_dir
        if builder_class.resumable:
            folder = data_dir / f"{_UNFINISHED}{dataset}_{kwargs['config']}"
            kwargs["work_dir"] = stack.enter_context(_work_dir(folder))
        temporary = stack.enter_context(files.temporary_folder(folder))
        watched = {"on_share": on_share} if on_share else {}
        builder = builder_class(data_dir=temporary, **kwargs, **watched)
        # The builders show their own progress; TFDS would name the temporary folder.
        tfds.disable_progress_bar()
        with contextlib.redirect_stdout(io.StringIO()):
            builder.download_and_prepare()
        if target.exists():
            shutil.rmtree(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(builder.data_dir, target)
    return builder_class(data_dir=data_dir, **kwargs), True


@contextlib.contextmanager
def _work_dir(folder: pathlib.Path) -> Iterator[pathlib.Path]:
    """Yields a path in `folder`, which it locks, for unfinished film.

    At the end, `folder` is removed unless there is film at that path.
    """
    folder.mkdir(exist_ok=True)
    with files.locked(folder):
        work_dir = folder / _FILM
        try:
            yield work_dir
        finally:
            if not work_dir.exists():
                shutil.rmtree(folder)
