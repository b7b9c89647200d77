"""The loop around `train_step`: film in, checkpoints and logs out."""

import contextlib
import dataclasses
import math
import os
import pathlib
import time
import warnings
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Self

import grain
import jax
import jax.numpy as jnp
import numpy as np
import tensorboardX
import tqdm

from duralava import datasets, files, models, weights
from duralava.checkpoints import (
    Checkpoints,
    last_phase,
    open_workdir,
    phase_workdir,
)
from duralava.config import Config
from duralava.datasets import clips
from duralava.lamp import Lamp
from duralava.training import logging, optimizers, sharding, step
from duralava.training.interruption import stop_signals
from duralava.training.state import TrainState, init_train_state

_MOST_TRIES = 3  # after the first one


def train(
    config: Config,
    workdir: str | os.PathLike[str],
    *,
    data_dir: str | os.PathLike[str] = datasets.DATA_DIR,
    start_from: str | os.PathLike[str] | None = None,
    max_seconds: float = math.inf,
    counts_compilation: bool = False,
    on_step: Callable[[int], Any] | None = None,
) -> TrainState:
    """Trains all phases of a config, for a time, or until SIGTERM or Ctrl-C.

    The first phase trains in `workdir`, the others in folders `phase_2`, ... in it,
    each from the averaged weights of the one before. A run goes on from the latest
    checkpoint of its last phase, if there is one; its parameters at the end are, bit
    for bit, those of a run that was never interrupted. When the time is over, or at
    either signal, it finishes the step, saves and returns.

    All devices of all processes of `jax.distributed` train together: each process reads
    its own clips, and the first one alone writes what is written once. The workdir is
    on a disk that all of them share. What stops any process stops all of them, at the
    next logged step.

    Args:
      config: of the run; its `film_fps` is taken from the data set.
      workdir: folder for `config.json`, `checkpoints/` and TensorBoard's events.
      data_dir: folder of prepared data sets.
      start_from: weights that generator, transition and encoder start from, as
        `weights.load` takes them; None for fresh ones.
      max_seconds: training time, counted from the end of the first step of this call,
        which is compiled before.
      counts_compilation: whether it is counted from the start of this call instead.
      on_step: called with the number of steps made, instead of a progress bar.

    Returns:
      The last state.

    Raises:
      ValueError: the data set is not prepared or does not fit the config, the workdir
        holds another config, or the weights to start from do not fit.
      OSError: the workdir cannot be written.
      FloatingPointError: losses or weights are not finite any more, again and again.
    """
    deadline = _Deadline(max_seconds)
    if counts_compilation:
        deadline.start()
    phases = config.phases()
    begun = min(last_phase(workdir), len(phases))
    with stop_signals() as stopped:
        for number, phase in enumerate(phases, start=1):
            folder = phase_workdir(workdir, number)
            config, batches = _open_film(phase, data_dir)
            held_out = _load_film(config, data_dir, "test")
            place = sharding.placement(config)
            open_workdir(folder, config)
            if number < begun:  # complete
                continue
            with _locked(folder):
                state, ended = _train_phase(
                    config,
                    folder,
                    batches,
                    held_out,
                    place=place,
                    start_from=start_from,
                    stops=lambda: stopped.is_set() or deadline.is_over(),
                    first_step_done=deadline.start,
                    on_step=on_step,
                )
            if not ended:
                break
            start_from = folder
    return state


def _locked(workdir: pathlib.Path) -> contextlib.AbstractContextManager[None]:
    """Keeps other runs from a workdir; of several processes, the first one does."""
    if jax.process_index():
        return contextlib.nullcontext()
    return files.locked(workdir)


class _Deadline:
    """Is over some seconds after it was started."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._end = math.inf

    def start(self) -> None:
        """Starts to count, at the first call."""
        if self._end == math.inf:
            self._end = time.monotonic() + self._seconds

    def is_over(self) -> bool:
        return time.monotonic() >= self._end


def _train_phase(
    config: Config,
    workdir: pathlib.Path,
    batches: grain.DatasetIterator[clips.Batch],
    held_out: clips.Film,
    *,
    place: sharding.Placement,
    start_from: str | os.PathLike[str] | None,
    stops: Callable[[], bool],
    first_step_done: Callable[[], None],
    on_step: Callable[[int], Any] | None,
) -> tuple[TrainState, bool]:
    """Trains one phase; returns its last state and whether it is complete."""
    training = config.training
    is_first = jax.process_index() == 0
    checkpoints = Checkpoints(workdir, keep=training.keep_checkpoints)
    init_state, make_step = step.compiled()
    score = logging.scorer(held_out.frames, seed=training.seed)

    def averaged() -> Lamp:
        return lamp_of(sharding.local_copy(state.ema), config)

    def open_state() -> tuple[TrainState, int]:
        """Returns the state of the last checkpoint, or the first one, and its tries."""
        key = jax.random.key(training.seed)
        like = jax.eval_shape(lambda: init_train_state(key, config=config))
        restored = checkpoints.restore(like, config=config)
        if restored is None:
            batches.set_state(first_position)
            state = init_state(key, config=config)
            if start_from is not None:
                state = _with_weights(state, start_from, config)
            return place.state(state), 0
        state, kept = restored
        batches.set_state(kept.get("clips", kept))  # alone, before there were tries
        return place.state(state), kept.get("tries", 0)

    def save(score: float | None) -> None:
        kept = {"clips": batches.get_state(), "tries": attempt.tries}
        checkpoints.save(state, kept, score=score)

    first_position = batches.get_state()
    state, tries = open_state()
    attempt = _Attempt.number(tries, config)
    count = saved = int(state.step)

    with (
        contextlib.closing(checkpoints),
        tensorboardX.SummaryWriter(str(workdir), write_to_disk=is_first) as writer,
        tqdm.tqdm(
            total=training.num_steps,
            initial=count,
            unit="step",
            dynamic_ncols=True,
            # Shown in a terminal only.
            disable=None if is_first and on_step is None else True,
        ) as progress,
    ):
        report = logging.scalar_reporter(writer, progress, config=config)
        stopping = sharding.any_process(stops(), count, training)
        while not stopping and count < training.num_steps:
            batch = place.batch(next(batches))
            state, metrics = make_step(state, batch, attempt.key, config=attempt.config)
            first_step_done()
            count += 1
            progress.update()
            if on_step:
                on_step(count)
            stopping = sharding.any_process(stops(), count, training)
            ends = stopping or count == training.num_steps
            logs = count % training.log_every == 0 or ends
            draws = count % training.sample_every == 0
            saves = count % training.checkpoint_every == 0
            if (logs or draws or saves) and not metrics["finite"]:
                attempt = attempt.next(count, metrics)
                state, _ = open_state()
                count = saved = int(state.step)
                progress.update(count - progress.n)
                continue
            if logs:
                report(count, metrics)
            if draws and is_first:
                logging.write_pictures(writer, count, averaged(), seed=training.seed)
            if saves:
                value = score(averaged())
                writer.add_scalar("energy_distance", value, count)
                save(value)
                saved = count
        if count > saved:
            save(None)
    return state, count == training.num_steps


class _Attempt(NamedTuple):
    """How a phase is trained, after some tries that became not finite.

    Each try has other random numbers, and half the learning rate of the one before.

    Attributes:
      tries: that became not finite.
      original: config of the run.
      key: base key of this try.
      config: with the learning rates of this try.
    """

    tries: int
    original: Config
    key: jax.Array
    config: Config

    @classmethod
    def number(cls, tries: int, original: Config) -> Self:
        """Returns the try that follows `tries` others."""
        key = jax.random.key(original.training.seed)
        if not tries:
            return cls(0, original, key, original)
        slowed = optimizers.slowed(original, 0.5**tries)
        return cls(tries, original, jax.random.fold_in(key, tries), slowed)

    def next(self, count: int, metrics: Mapping[str, jax.Array]) -> Self:
        """Returns the next try, and says why.

        Raises:
          FloatingPointError: it would be the fourth one.
        """
        broken = [n for n, value in metrics.items() if not np.isfinite(value)]
        what = ", ".join(broken) or "the weights"
        if self.tries == _MOST_TRIES:
            raise FloatingPointError(
                f"step {count}: not finite: {what}; it was tried {_MOST_TRIES} times "
                "from the last checkpoint, each time with half the learning rate"
            )
        warnings.warn(
            f"step {count}: not finite: {what}; training goes back to the last "
            f"checkpoint, with half the learning rate",
            stacklevel=2,
        )
        return self.number(self.tries + 1, self.original)


def seconds_per_step(
    config: Config,
    *,
    num_steps: int,
    data_dir: str | os.PathLike[str] = datasets.DATA_DIR,
) -> float:
    """Trains for a few steps, keeps nothing, and returns the time of a step.

    Args:
      config: of the run.
      num_steps: steps that are timed, after a first one that is not: it is compiled.
      data_dir: folder of prepared data sets.

    Raises:
      ValueError: the data set is not prepared or does not fit the config.
    """
    config, batches = _open_film(config, data_dir)
    place = sharding.placement(config)
    key = jax.random.key(config.training.seed)
    init_state, make_step = step.compiled()
    state = place.state(init_state(key, config=config))

    def next_state(state: TrainState) -> TrainState:
        return make_step(state, place.batch(next(batches)), key, config=config)[0]

    state = jax.block_until_ready(next_state(state))
    start = time.monotonic()
    for _ in range(num_steps):
        state = next_state(state)
    jax.block_until_ready(state)
    return (time.monotonic() - start) / num_steps


def lamp_of(params: Any, config: Config) -> Lamp:
    """Returns the lamp of a run's generator side."""
    return Lamp(params, config.model, config.data.steps_per_second, config)


def _with_weights(
    state: TrainState, start_from: str | os.PathLike[str], config: Config
) -> TrainState:
    """Returns the first state, its fresh networks replaced by other weights."""
    loaded = models.with_fresh_parts(weights.load(start_from).params, state.generator)
    models.check_fit(
        loaded,
        config=config.model,
        source=start_from,
        with_encoder="encoder" in state.generator,
    )
    params = jax.tree.map(jnp.asarray, loaded)
    return state._replace(generator=params, ema=jax.tree.map(jnp.copy, params))


def _open_film(
    config: Config, data_dir: str | os.PathLike[str]
) -> tuple[Config, grain.DatasetIterator[clips.Batch]]:
    """Returns the config with the film's rate in it, and the batches to learn from."""
    film = _load_film(config, data_dir, "train")
    config = _with_film_rate(config, film)
    batches = clips.batch_iterator(film, config.data, seed=config.training.seed)
    return config, batches


def _with_film_rate(config: Config, film: clips.Film) -> Config:
    data = dataclasses.replace(config.data, film_fps=film.fps)
    return dataclasses.replace(config, data=data)


def _load_film(
    config: Config, data_dir: str | os.PathLike[str], split: str
) -> clips.Film:
    """Returns film of a split, its frames of the resolution of the model."""
    size = config.model.resolution
    film = clips.load_film(config.data.dataset, data_dir, split, resolution=size)
    if film.frames.shape[1:] != (size, size, 3):
        raise ValueError(
            f"{config.data.dataset} has frames of {film.frames.shape[1]}x"
            f"{film.frames.shape[2]}, the model draws {size}x{size}"
        )
    return film
