"""The second stage of learning a film: what its lamp becomes when it runs on."""

import contextlib
import dataclasses
import os
import pathlib
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from duralava import checkpoints, files
from duralava.config import Config
from duralava.learning import plan
from duralava.training import loop, second_stage, sharding
from duralava.training.interruption import stop_signals
from duralava.training.state import TrainState, init_train_state

_PHASE = 2


def fit(
    config: Config,
    workdir: str | os.PathLike[str],
    first: TrainState,
    *,
    seconds: float,
    on_share: Callable[[float], Any],
) -> None:
    """Fits flow and transition to the film, and saves the lamp as phase 2.

    Does nothing if phase 2 is already of this state, or if a signal stops it.

    Args:
      config: of the run.
      workdir: of the run.
      first: last state of the run.
      seconds: of training.
      on_share: called with how far it is, 0 to 1.

    Raises:
      ValueError: another process trains there.
      OSError: the workdir cannot be written.
    """
    folder = checkpoints.phase_workdir(workdir, _PHASE)
    if checkpoints.latest_step(folder) >= int(first.step):
        return
    learned, _ = plan.films(config, workdir)
    with files.locked(pathlib.Path(workdir).expanduser()), stop_signals() as stopped:
        lamp = second_stage.train_second_stage(
            loop.lamp_of(sharding.local_copy(first.ema), config),
            learned,
            schedule=second_stage.Schedule(seconds=seconds),
            seed=config.training.seed,
            mirrored=config.data.horizontal_flip,
            on_share=on_share,
            stops=stopped.is_set,
        )
        if stopped.is_set():
            return
    second = dataclasses.replace(config, model=lamp.config)
    checkpoints.open_workdir(folder, second)
    fresh = init_train_state(jax.random.key(config.training.seed), config=second)
    state = fresh._replace(
        step=sharding.local_copy(first.step),
        generator=lamp.params,
        ema=jax.tree.map(jnp.copy, lamp.params),
    )
    with contextlib.closing(checkpoints.Checkpoints(folder, keep=1)) as saved:
        saved.save(state, {}, score=None)
