"""Checkpoints of a training run, by Orbax; no other module imports it.

A workdir holds `config.json` and `checkpoints/STEP/`, each with two parts: `averaged`,
the weights that are rendered, and `state`, all else that training goes on from. The
later phases of a run have workdirs of their own in it: `phase_2/`, ...

Each checkpoint contains checksums of its arrays. A checkpoint that is damaged is passed
over, with a warning, for the one before it.
"""

import contextlib
import functools
import itertools
import json
import logging
import os
import pathlib
import re
import shutil
import sys
import warnings
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import absl.logging
import jax
import numpy as np
from jax.experimental import multihost_utils
from orbax.checkpoint.experimental import v1 as ocp

from duralava import files, models, trees
from duralava.config import Config, from_dict, to_dict
from duralava.lamp import Lamp

CONFIG = "config.json"
FOLDER = "checkpoints"
_NO_METRIC = float("inf")
_SPARE_BYTES = 2_000_000  # for metadata, and for what else the run writes
_LONGEST_REASON = 200  # characters of an error of Orbax
_DATA = "data"  # in the metadata: what else was kept, and the name of its checksum


class Checkpoints:
    """Writes the checkpoints of one workdir, in the background.

    It keeps the latest `keep` and the best, by the lowest `score` given to `save`.
    A run that is killed while it writes leaves the previous checkpoint intact.

    Raises:
      ValueError: the metadata of all checkpoints are damaged.
    """

    def __init__(self, workdir: str | os.PathLike[str], *, keep: int) -> None:
        _quiet()
        policies = ocp.training.preservation_policies
        policy = policies.AnyPreservationPolicy(
            [
                policies.LatestN(keep),
                policies.BestN(
                    get_metric_fn=lambda metrics: metrics.get("score", _NO_METRIC),
                    reverse=True,
                    n=1,
                    keep_checkpoints_without_metrics=False,
                ),
            ]
        )
        folder = _absolute(workdir)

        def opened() -> ocp.training.Checkpointer:
            with _silence():
                return ocp.training.Checkpointer(
                    folder / FOLDER,
                    preservation_policy=policy,
                    cleanup_tmp_directories=True,
                )

        try:
            self._checkpointer = opened()
        except ValueError:  # Orbax reads the metadata of all checkpoints
            _set_aside_unreadable(folder)
            self._checkpointer = opened()

    def save(self, state: Any, data: dict[str, Any], *, score: float | None) -> None:
        """Starts to write a checkpoint; `state` may be donated once this returns.

        Args:
          state: a `NamedTuple` of arrays, with fields `step` and `ema`, after the step
            that names the checkpoint.
          data: what else to keep, plain JSON.
          score: the lower, the better; None where it was not measured.

        Raises:
          OSError: the disk has no space for it.
        """
        parts = {"averaged": state.ema, "state": state._replace(ema=None)}
        self._check_space(parts)
        checksums = {
            name: _checksum(leaf.addressable_data(0))
            for name, leaf in trees.named_leaves(parts).items()
            if leaf.is_fully_replicated  # else no process has it as a whole
        }
        self._checkpointer.save_checkpointables_async(
            int(state.step),
            parts,
            # Without force, Orbax skips a checkpoint while it still writes the last.
            force=True,
            metrics=None if score is None else {"score": score},
            custom_metadata={
                "data": data,
                "checksums": checksums | {_DATA: _checksum_of_json(data)},
            },
        )

    def _check_space(self, parts: dict[str, Any]) -> None:
        """Raises OSError if the disk is too full; Orbax would end in tracebacks."""
        needed = sum(leaf.nbytes for leaf in jax.tree.leaves(parts)) + _SPARE_BYTES
        folder = pathlib.Path(self._checkpointer.directory)
        if shutil.disk_usage(folder.parent).free < needed:
            self._checkpointer.wait()
            raise OSError(
                f"no space in {folder} for a checkpoint of {needed / 1e6:.0f} MB"
            )

    def restore(
        self, like: Any, *, config: Config
    ) -> tuple[Any, dict[str, Any]] | None:
        """Returns the latest state that is whole, and what was kept with it.

        Damaged checkpoints are warned of, and renamed to `damaged_STEP`.

        Args:
          like: a state of the same structure, of arrays or of shapes.
          config: of the run.

        Returns:
          None if the workdir has no checkpoint yet.

        Raises:
          ValueError: all checkpoints are damaged, or parameters are not those of
            `config`.
        """
        self._checkpointer.wait()
        folder = pathlib.Path(self._checkpointer.directory)
        if not _steps(folder.parent):
            return None
        parts = {
            "averaged": _on_default_device(like.ema),
            "state": _on_default_device(like._replace(ema=None)),
        }
        found, damaged = _newest_whole(
            folder.parent,
            config,
            lambda *_: parts,
            with_encoder="encoder" in like.ema,
        )
        if damaged:
            _set_aside(folder, damaged)
            with _silence():
                self._checkpointer.reload()
        state = found.parts["state"]._replace(ema=found.parts["averaged"])
        return state, found.data

    def close(self) -> None:
        """Waits until all is written."""
        self._checkpointer.close()


def open_workdir(workdir: str | os.PathLike[str], config: Config) -> None:
    """Makes a workdir for `config`, or opens the one of an earlier run.

    A run may go on with another schedule (`config.training`, but for the seed); all
    else must be as it was.

    Raises:
      ValueError: the workdir holds another config, and the message names what differs;
        or it has checkpoints without a config.
      OSError: the folder cannot be made or written.
    """
    folder = _absolute(workdir)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / CONFIG
    text = json.dumps(to_dict(config), indent=2) + "\n"
    if not path.exists() and _steps(folder):
        raise ValueError(f"workdir {workdir} has checkpoints, but no {CONFIG}")
    if path.exists():
        before, now = _flatten(to_dict(read_config(folder))), _flatten(json.loads(text))
        differing = [
            f"{name} is {before.get(name)} there, {now.get(name)} here"
            for name in sorted(before | now)
            if before.get(name) != now.get(name) and _fixed(name)
        ]
        if differing:
            raise ValueError(
                f"workdir {workdir} holds another config: {'; '.join(differing)}"
            )
    if jax.process_index() == 0:
        with files.written_whole(path) as partial:
            partial.write_text(text)


def read_config(workdir: str | os.PathLike[str]) -> Config:
    """Returns the config of a workdir.

    Raises:
      ValueError: there is none, or it is not a config.
    """
    path = _absolute(workdir) / CONFIG
    if not path.is_file():
        raise ValueError(f"{workdir} is not a training's workdir: it has no {CONFIG}")
    try:
        return from_dict(Config, files.parse_json(path.read_text()))
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path} is not a config: {error}") from error


def phase_workdir(workdir: str | os.PathLike[str], number: int) -> pathlib.Path:
    """Returns the workdir of a phase; the first phase, number 1, has the run's own."""
    folder = _absolute(workdir)
    return folder if number == 1 else folder / f"phase_{number}"


def load_lamp(workdir: str | os.PathLike[str]) -> Lamp:
    """Returns the lamp of the latest averaged weights of a workdir.

    Of a run of several phases, it is that of the last phase that has a checkpoint.

    Raises:
      ValueError: no checkpoint there, none that is whole, or parameters that are not
        those of its config.
    """
    _quiet()
    folder = phase_workdir(workdir, last_phase(workdir))
    config = read_config(folder)
    found, _ = _newest_whole(folder, config, _to_render)
    params = found.parts["averaged"]
    return Lamp(params, config.model, config.data.steps_per_second, config)


def latest_checkpoint(workdir: str | os.PathLike[str]) -> pathlib.Path:
    """Returns the folder of the latest checkpoint, which may be damaged.

    Raises:
      ValueError: the workdir has none, or is not a training's workdir.
    """
    folder = phase_workdir(workdir, last_phase(workdir))
    step = latest_step(folder)
    if step < 0:
        read_config(workdir)
        raise ValueError(f"{workdir} has no checkpoint yet")
    return folder / FOLDER / str(step)


def latest_step(workdir: str | os.PathLike[str]) -> int:
    """Returns the step of the latest checkpoint of a phase's workdir, -1 for none."""
    return max(_steps(_absolute(workdir)), default=-1)


def last_phase(workdir: str | os.PathLike[str]) -> int:
    """Returns the number of the last phase that has a checkpoint, 1 if none has."""
    return next(
        number
        for number in itertools.count(1)
        if not _steps(phase_workdir(workdir, number + 1))
    )


class _Found(NamedTuple):
    parts: dict[str, Any]
    data: dict[str, Any]


def _newest_whole(
    workdir: pathlib.Path,
    config: Config,
    parts_like: Callable[[Any, Any], dict[str, Any]],
    *,
    with_encoder: bool | None = None,
) -> tuple[_Found, list[int]]:
    """Returns the newest checkpoint that is whole, and the steps of newer ones.

    Args:
      workdir: of the phase.
      config: of the run.
      parts_like: returns shapes and types of the parts to read, from those of the
        averaged weights, and from the metadata of the checkpoint.
      with_encoder: as of `models.check_fit`.

    Raises:
      ValueError: there is none that fits the config.
    """
    steps = sorted(_steps(workdir), reverse=True)
    if not steps:
        raise ValueError(f"{workdir} has no checkpoint yet")
    damaged: dict[int, str] = {}
    for step in steps:
        path = workdir / FOLDER / str(step)
        try:
            metadata = _read_metadata(path)
            expected = models.check_fit(
                metadata.metadata["averaged"],
                config=config.model,
                source=path,
                with_encoder=with_encoder,
            )
            custom = metadata.custom_metadata
            parts = _read_parts(
                path, parts_like(expected, metadata), custom.get("checksums", {})
            )
        except (_DamagedError, ValueError) as error:
            damaged[step] = str(error)
            continue
        for number, reason in damaged.items():
            warnings.warn(
                f"checkpoint {number} of {workdir} is damaged ({reason}); the one of "
                f"step {step} is taken",
                stacklevel=3,
            )
        return _Found(parts, custom[_DATA]), list(damaged)
    raise _no_whole(workdir, damaged)


def _set_aside_unreadable(workdir: pathlib.Path) -> None:
    """Sets aside the checkpoints whose metadata are damaged, and warns of them.

    Raises:
      ValueError: those of all checkpoints are.
    """
    steps, damaged = _steps(workdir), {}
    for step in steps:
        try:
            _read_metadata(workdir / FOLDER / str(step))
        except _DamagedError as error:
            damaged[step] = str(error)
    if len(damaged) == len(steps):
        raise _no_whole(workdir, damaged)
    for step, reason in damaged.items():
        warnings.warn(
            f"checkpoint {step} of {workdir} is damaged ({reason}); it is set aside",
            stacklevel=3,
        )
    _set_aside(workdir / FOLDER, damaged)


def _set_aside(folder: pathlib.Path, steps: Iterable[int]) -> None:
    """Renames checkpoints to `damaged_STEP`."""
    multihost_utils.sync_global_devices("damaged checkpoints are known")
    if jax.process_index() == 0:
        for step in steps:
            (folder / str(step)).rename(folder / f"damaged_{step}")
    multihost_utils.sync_global_devices("damaged checkpoints are renamed")


def _no_whole(workdir: pathlib.Path, damaged: Mapping[int, str]) -> ValueError:
    reasons = "; ".join(f"{step}: {reason}" for step, reason in damaged.items())
    return ValueError(f"{workdir} has no checkpoint that can be read: {reasons}")


class _DamagedError(Exception):
    """A checkpoint cannot be read."""


def _to_render(averaged: Any, metadata: Any) -> dict[str, Any]:
    """Returns what to read of a checkpoint for its lamp.

    That is all of it, so that a lamp comes from the checkpoint that a run goes on from.
    """
    parts = {"averaged": averaged}
    if "checksums" in metadata.custom_metadata:
        parts["state"] = metadata.metadata["state"]
    return _on_default_device(parts)


def _read_metadata(path: pathlib.Path) -> Any:
    try:
        with _silence():
            metadata = ocp.checkpointables_metadata(path)
        custom = metadata.custom_metadata
        checksums = custom.get("checksums", {})
        if {*custom} - {"checksums"} != {_DATA}:
            raise ValueError("its metadata are incomplete")
        for part in ("averaged", "state"):
            if not metadata.metadata.get(part):
                raise ValueError(f"it has no {part}")
        if checksums.get(_DATA) not in (None, _checksum_of_json(custom[_DATA])):
            raise ValueError("its metadata are not what was saved")
    except Exception as error:  # Orbax raises whatever its many parts raise
        raise _DamagedError(_reason(error)) from error
    return metadata


def _read_parts(
    path: pathlib.Path, like: dict[str, Any], checksums: dict[str, int]
) -> dict[str, Any]:
    try:
        with _silence():
            parts = ocp.load_checkpointables(path, like)
    except Exception as error:  # Orbax raises whatever its many parts raise
        raise _DamagedError(_reason(error)) from error
    leaves = trees.named_leaves(parts)
    for name, checksum in checksums.items():
        if name != _DATA and (
            name not in leaves or _checksum(leaves[name]) != checksum
        ):
            raise _DamagedError(f"{name} is not what was saved")
    return parts


def _reason(error: Exception) -> str:
    line = " ".join(str(error).split()) or type(error).__name__
    return line if len(line) <= _LONGEST_REASON else f"{line[:_LONGEST_REASON]}..."


def _checksum(array: Any) -> int:
    return zlib.crc32(np.ascontiguousarray(array))


def _checksum_of_json(data: Any) -> int:
    return zlib.crc32(json.dumps(data, sort_keys=True).encode())


def _steps(workdir: pathlib.Path) -> list[int]:
    """Returns the steps of a phase's checkpoints, complete ones and damaged ones."""
    return [
        int(path.name)
        for path in (workdir / FOLDER).glob("*")
        if re.fullmatch("0|[1-9][0-9]*", path.name) and path.is_dir()
    ]


def _on_default_device(tree: Any) -> Any:
    """Returns shapes to load onto this machine, whatever devices the run had."""
    sharding = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
    return jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding),
        tree,
    )


def _fixed(name: str) -> bool:
    return not name.startswith("training.") or name == "training.seed"


def _flatten(values: dict[str, Any], prefix: str = "") -> dict[str, str]:
    flat = {}
    for name, value in values.items():
        if isinstance(value, dict):
            flat |= _flatten(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = json.dumps(value)
    return flat


def _absolute(path: str | os.PathLike[str]) -> pathlib.Path:
    return pathlib.Path(path).expanduser().absolute()


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Orbax logs what is wrong with a checkpoint before it raises it."""
    before = absl.logging.get_verbosity()
    absl.logging.set_verbosity(absl.logging.FATAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        absl.logging.set_verbosity(before)


def _quiet() -> None:
    """Orbax logs a hundred lines for each save; warnings are enough.

    What it says of a damaged file is in the error that it raises. Other reads that it
    had begun end later, when nobody waits for them: that is no error.
    """
    logging.getLogger("asyncio").addFilter(_is_not_of_a_damaged_file)
    hook = sys.unraisablehook
    if getattr(hook, "func", None) is not _report_unraisable:
        sys.unraisablehook = functools.partial(_report_unraisable, hook)
    absl.logging.set_verbosity(absl.logging.WARNING)
    logging.getLogger("orbax").setLevel(logging.WARNING)


def _is_not_of_a_damaged_file(record: logging.LogRecord) -> bool:
    """Whether asyncio logs anything but a task of Orbax that could not read a file."""
    return "tensorstore" not in record.getMessage()


def _report_unraisable(report: Callable[[Any], Any], unraisable: Any) -> None:
    """Reports an exception that nobody can catch, but those of late reads of Orbax."""
    code = getattr(unraisable.object, "cr_code", None)  # of a coroutine
    of_orbax = code is not None and "orbax" in pathlib.Path(code.co_filename).parts
    too_late = str(unraisable.exc_value) == "Event loop is closed"
    if not (of_orbax or (too_late and unraisable.object is None)):
        report(unraisable)
