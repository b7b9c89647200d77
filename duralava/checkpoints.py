"""Checkpoints of a training run, by Orbax; no other module imports it.

A workdir holds `config.json` and `checkpoints/STEP/`, each with two parts: `averaged`,
the weights that are rendered, and `state`, all else that training goes on from. The
later phases of a run have workdirs of their own in it: `phase_2/`, ...
"""

import itertools
import json
import logging
import os
import pathlib
from typing import Any

import absl.logging
import jax
from orbax.checkpoint.experimental import v1 as ocp

from duralava import files, models
from duralava.config import Config, from_dict, to_dict
from duralava.lamp import Lamp

CONFIG = "config.json"
FOLDER = "checkpoints"
_NO_METRIC = float("inf")


class Checkpoints:
    """Writes the checkpoints of one workdir, in the background.

    It keeps the latest `keep` and the best, by the lowest `score` given to `save`.
    A run that is killed while it writes leaves the previous checkpoint intact.
    """

    def __init__(self, workdir: str | os.PathLike[str], *, keep: int) -> None:
        _quiet()
        policies = ocp.training.preservation_policies
        self._checkpointer = ocp.training.Checkpointer(
            _absolute(workdir) / FOLDER,
            preservation_policy=policies.AnyPreservationPolicy(
                [
                    policies.LatestN(keep),
                    policies.BestN(
                        get_metric_fn=lambda metrics: metrics.get("score", _NO_METRIC),
                        reverse=True,
                        n=1,
                        keep_checkpoints_without_metrics=False,
                    ),
                ]
            ),
            cleanup_tmp_directories=True,
        )

    @property
    def latest_step(self) -> int | None:
        """The step of the latest complete checkpoint; None before the first."""
        latest = self._checkpointer.latest
        return None if latest is None else latest.step

    def save(self, state: Any, data: dict[str, Any], *, score: float | None) -> None:
        """Starts to write a checkpoint; `state` may be donated once this returns.

        Args:
          state: a `NamedTuple` of arrays, with fields `step` and `ema`, after the step
            that names the checkpoint.
          data: state of the iterator over clips, plain JSON.
          score: the lower, the better; None where it was not measured.
        """
        self._checkpointer.save_checkpointables_async(
            int(state.step),
            {"averaged": state.ema, "state": state._replace(ema=None)},
            # Without force, Orbax skips a checkpoint while it still writes the last.
            force=True,
            metrics=None if score is None else {"score": score},
            custom_metadata={"data": data},
        )

    def restore(self, like: Any, *, config: Config) -> tuple[Any, dict[str, Any]]:
        """Returns the latest state, and the state of the iterator over clips.

        Args:
          like: a state of the same structure, of arrays or of shapes.
          config: of the run.

        Raises:
          ValueError: its parameters are not those of `config`.
        """
        step = self._checkpointer.latest.step
        path = self._checkpointer.directory / str(step)
        _check_averaged(path, config, with_encoder="encoder" in like.ema)
        loaded = self._checkpointer.load_checkpointables(
            step,
            {
                "averaged": _on_default_device(like.ema),
                "state": _on_default_device(like._replace(ema=None)),
            },
        )
        metadata = self._checkpointer.checkpointables_metadata(step)
        state = loaded["state"]._replace(ema=loaded["averaged"])
        return state, metadata.custom_metadata["data"]

    def close(self) -> None:
        """Waits until all is written."""
        self._checkpointer.close()


def open_workdir(workdir: str | os.PathLike[str], config: Config) -> None:
    """Makes a workdir for `config`, or opens the one of an earlier run.

    A run may go on with another schedule (`config.training`, but for the seed); all
    else must be as it was.

    Raises:
      ValueError: the workdir holds another config; the message names what differs.
      OSError: the folder cannot be made or written.
    """
    folder = _absolute(workdir)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / CONFIG
    text = json.dumps(to_dict(config), indent=2) + "\n"
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
        return from_dict(Config, json.loads(path.read_text()))
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
      ValueError: no checkpoint there, or parameters that are not those of its config.
    """
    _quiet()
    path = latest_checkpoint(workdir)
    config = read_config(path.parents[1])
    like = _on_default_device(_check_averaged(path, config))
    loaded = ocp.load_checkpointables(path, {"averaged": like})
    return Lamp(loaded["averaged"], config.model, config.data.steps_per_second, config)


def latest_checkpoint(workdir: str | os.PathLike[str]) -> pathlib.Path:
    """Returns the folder of the latest checkpoint of the last phase that has one.

    Raises:
      ValueError: the workdir has none, or is not a training's workdir.
    """
    folder = phase_workdir(workdir, last_phase(workdir))
    steps = _steps(folder)
    if not steps:
        read_config(workdir)
        raise ValueError(f"{workdir} has no checkpoint yet")
    return folder / FOLDER / str(max(steps))


def last_phase(workdir: str | os.PathLike[str]) -> int:
    """Returns the number of the last phase that has a checkpoint, 1 if none has."""
    return next(
        number
        for number in itertools.count(1)
        if not _steps(phase_workdir(workdir, number + 1))
    )


def _steps(workdir: pathlib.Path) -> list[int]:
    folder = workdir / FOLDER
    return [int(path.name) for path in folder.glob("*") if path.name.isdigit()]


def _check_averaged(
    path: pathlib.Path, config: Config, *, with_encoder: bool | None = None
) -> Any:
    """Returns shapes and types of the averaged weights of a checkpoint."""
    found = ocp.checkpointables_metadata(path).metadata["averaged"]
    return models.check_fit(
        found, config=config.model, source=path, with_encoder=with_encoder
    )


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


def _quiet() -> None:
    """Orbax logs a hundred lines for each save; warnings are enough."""
    absl.logging.set_verbosity(absl.logging.WARNING)
    logging.getLogger("orbax").setLevel(logging.WARNING)
