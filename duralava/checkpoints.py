"""Checkpoints of a training run, by Orbax; no other module imports it.

A workdir holds `config.json` and `checkpoints/STEP/`, each with two parts: `averaged`,
the weights that are rendered, and `state`, all else that training goes on from.
"""

import json
import logging
import os
import pathlib
from typing import Any

import absl.logging
import jax
from orbax.checkpoint.experimental import v1 as ocp

from duralava import files
from duralava.config import Config, from_dict, to_dict
from duralava.pretrained import abstract_params, check_shapes, named_leaves
from duralava.train_step import TrainState, init_train_state

CONFIG = "config.json"
_FOLDER = "checkpoints"
_NO_METRIC = float("inf")


class Checkpoints:
    """Writes the checkpoints of one workdir, in the background.

    Kept are the latest `keep` and the best, by the lowest `score` given to `save`.
    A run that is killed while it writes leaves the previous checkpoint whole.
    """

    def __init__(self, workdir: str | os.PathLike[str], *, keep: int) -> None:
        _quiet()
        policies = ocp.training.preservation_policies
        self._checkpointer = ocp.training.Checkpointer(
            _absolute(workdir) / _FOLDER,
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
        """The step of the latest whole checkpoint; None before the first."""
        latest = self._checkpointer.latest
        return None if latest is None else latest.step

    def save(
        self, state: TrainState, data: dict[str, Any], *, score: float | None
    ) -> None:
        """Starts to write a checkpoint; `state` may be donated once this returns.

        Args:
          state: after the step that names the checkpoint.
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

    def restore(self, config: Config) -> tuple[TrainState, dict[str, Any]]:
        """Returns the latest state, and the state of the iterator over clips.

        Raises:
          ValueError: its parameters are not those of `config`.
        """
        state = jax.eval_shape(
            lambda: init_train_state(jax.random.key(0), config=config)
        )
        step = self._checkpointer.latest.step
        path = self._checkpointer.directory / str(step)
        _check(path, "averaged", state.ema)
        loaded = self._checkpointer.load_checkpointables(
            step,
            {
                "averaged": _on_default_device(state.ema),
                "state": _on_default_device(state._replace(ema=None)),
            },
        )
        metadata = self._checkpointer.checkpointables_metadata(step)
        state = loaded["state"]._replace(ema=loaded["averaged"])
        return state, metadata.custom_metadata["data"]

    def close(self) -> None:
        """Waits until all is written."""
        self._checkpointer.close()


def open_workdir(workdir: str | os.PathLike[str], config: Config) -> None:
    """Makes a workdir for `config`, or opens the one of a run that goes on.

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


def load_averaged(workdir: str | os.PathLike[str]) -> tuple[Any, Config]:
    """Returns the latest averaged weights of a workdir, and its config.

    Raises:
      ValueError: no checkpoint there, or parameters that are not those of its config.
    """
    _quiet()
    config = read_config(workdir)
    folder = _absolute(workdir) / _FOLDER
    steps = [int(path.name) for path in folder.glob("*") if path.name.isdigit()]
    if not steps:
        raise ValueError(f"{workdir} has no checkpoint yet")
    path = folder / str(max(steps))
    params = abstract_params(config)
    _check(path, "averaged", params)
    loaded = ocp.load_checkpointables(path, {"averaged": _on_default_device(params)})
    return loaded["averaged"], config


def _check(path: pathlib.Path, part: str, expected: Any) -> None:
    found = ocp.checkpointables_metadata(path).metadata[part]
    check_shapes(named_leaves(expected), named_leaves(found), source=path)


def _on_default_device(tree: Any) -> Any:
    """Where arrays go, whatever devices the run that saved them had."""
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
    """Orbax tells of each save in a hundred lines; warnings are enough."""
    absl.logging.set_verbosity(absl.logging.WARNING)
    logging.getLogger("orbax").setLevel(logging.WARNING)
