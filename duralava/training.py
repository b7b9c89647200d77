"""The loop around `train_step`: film in, checkpoints and pictures out."""

import contextlib
import dataclasses
import io
import math
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import grain
import jax
import jax.numpy as jnp
import numpy as np
import tensorboardX
import tqdm
from jax.experimental import multihost_utils
from jax.sharding import AxisType, NamedSharding, PartitionSpec
from PIL import Image
from tensorboardX.proto.summary_pb2 import Summary

from duralava import models, pretrained
from duralava.checkpoints import Checkpoints, open_workdir
from duralava.config import Config, ModelConfig, TrainingConfig
from duralava.datasets import clips
from duralava.evaluation.distances import energy_distance
from duralava.train_step import TrainState, programs

_SAMPLES = 256  # generated frames against as many of held-out film
_GRID = (4, 8)  # stills in a picture


def train(
    config: Config, workdir: str | os.PathLike[str], *, max_seconds: float = math.inf
) -> TrainState:
    """Trains until `config.training.num_steps`, for a time, or until SIGTERM or Ctrl-C.

    Goes on from the latest checkpoint in `workdir`, if there is one; the parameters
    at the end are, bit for bit, those of a run that never stopped. When the time is
    over, or at either signal, it finishes the step, saves and returns.

    All devices of all processes of `jax.distributed` train together: each reads its
    clips, the first alone shows and writes what is there once. The workdir is on a
    disk that all share. What stops any process stops all, at the next log.

    Args:
      config: of the run; its `film_fps` is taken from the data set.
      workdir: folder for `config.json`, `checkpoints/` and TensorBoard's events.
      max_seconds: time from this call's first step, which is compiled before, on.

    Returns:
      The last state.

    Raises:
      ValueError: the data set is not prepared or does not fit the config, the
        workdir holds another config, or the weights to start from do not fit.
      OSError: the workdir cannot be written.
      FloatingPointError: a loss is not finite any more.
    """
    config, batches = _open_film(config)
    data, training = config.data, config.training
    held_out = clips.load_film(data.dataset, data.data_dir, "test")
    place_state, place_clips = _placement(config)
    open_workdir(workdir, config)

    is_first = jax.process_index() == 0
    checkpoints = Checkpoints(workdir, keep=training.keep_checkpoints)
    key = jax.random.key(training.seed)
    init_state, make_step = programs()
    if checkpoints.latest_step is None:
        state = _start(init_state(key, config=config), training.start_from)
    else:
        state, position = checkpoints.restore(config)
        batches.set_state(position)
    state = place_state(state)
    score = _scorer(held_out.frames, config=config)
    step = int(state.step)

    with (
        contextlib.closing(checkpoints),
        tensorboardX.SummaryWriter(str(workdir), write_to_disk=is_first) as writer,
        _stop_signals() as stopped,
        tqdm.tqdm(
            total=training.num_steps,
            initial=step,
            unit="step",
            dynamic_ncols=True,
            disable=not is_first,
        ) as progress,
    ):
        saved = step
        report = _scalar_reporter(writer, progress, config=config)
        first, deadline = step, math.inf

        def ends() -> bool:
            over = stopped.is_set() or time.monotonic() >= deadline
            return _on_any_process(over, step, training)

        while step < training.num_steps and not ends():
            batch = place_clips(next(batches))
            state, metrics = make_step(state, batch, key, config=config)
            if step == first:
                deadline = time.monotonic() + max_seconds
            step += 1
            progress.update()
            if step % training.log_every == 0 or step == training.num_steps:
                report(step, metrics)
            if step % training.sample_every == 0 and is_first:
                _write_pictures(writer, step, _local(state.ema), config=config)
            if step % training.checkpoint_every == 0:
                value = score(_local(state.ema))
                writer.add_scalar("energy_distance", value, step)
                checkpoints.save(state, batches.get_state(), score=value)
                saved = step
        if step > saved:
            checkpoints.save(state, batches.get_state(), score=None)
    return state


def measure_pace(config: Config, *, num_steps: int) -> float:
    """Trains for a moment, keeps nothing, and tells how long it took.

    Args:
      config: of the run.
      num_steps: steps that are measured, after a first one that is not: it is compiled.

    Returns:
      Seconds of a step.

    Raises:
      ValueError: the data set is not prepared or does not fit the config.
    """
    config, batches = _open_film(config)
    place_state, place_clips = _placement(config)
    key = jax.random.key(config.training.seed)
    init_state, make_step = programs()
    state = place_state(init_state(key, config=config))

    def advance(state: TrainState) -> TrainState:
        return make_step(state, place_clips(next(batches)), key, config=config)[0]

    state = jax.block_until_ready(advance(state))
    begin = time.monotonic()
    for _ in range(num_steps):
        state = advance(state)
    jax.block_until_ready(state)
    return (time.monotonic() - begin) / num_steps


def _start(state: TrainState, weights: str) -> TrainState:
    """Returns the first state, with other networks in place of its fresh ones."""
    if not weights:
        return state
    found = pretrained.load(weights).params
    expected, given = (pretrained.named_leaves(p) for p in (state.generator, found))
    pretrained.check_shapes(expected, given, source=weights)
    leaves = [jnp.asarray(given[name]) for name in expected]
    params = jax.tree.unflatten(jax.tree.structure(state.generator), leaves)
    # Copies: the state is donated, and one array cannot be given away twice.
    return state._replace(generator=params, ema=jax.tree.map(jnp.copy, params))


def _open_film(config: Config) -> tuple[Config, grain.DatasetIterator[np.ndarray]]:
    """Returns the config with the film's rate in it, and the clips to learn from."""
    size = config.model.resolution
    film = clips.load_film(config.data.dataset, config.data.data_dir, "train")
    if film.frames.shape[1:] != (size, size, 3):
        raise ValueError(
            f"{config.data.dataset} has frames of {film.frames.shape[1]}x"
            f"{film.frames.shape[2]}, the model draws {size}x{size}"
        )
    data = dataclasses.replace(config.data, film_fps=film.fps)
    batches = clips.clip_iterator(film, data, seed=config.training.seed)
    return dataclasses.replace(config, data=data), batches


def _placement(
    config: Config,
) -> tuple[Callable[[TrainState], TrainState], Callable[[np.ndarray], jax.Array]]:
    """Returns functions that spread the state and a batch over all devices.

    Parameters are on every device; clips and the latents carried along are shared out.
    """
    devices = jax.device_count()
    batch_size, num_lamps = config.data.batch_size, config.loss.normality_lamps
    for count, what in ((batch_size, "a batch of {} clips"), (num_lamps, "{} lamps")):
        if count % devices:
            raise ValueError(
                f"{what.format(count)} cannot be shared equally between {devices} "
                "devices"
            )
    mesh = jax.make_mesh((devices,), ("data",), axis_types=(AxisType.Auto,))
    everywhere = NamedSharding(mesh, PartitionSpec())
    by_lamp = NamedSharding(mesh, PartitionSpec("data"))
    by_clip = NamedSharding(mesh, PartitionSpec(None, "data"))

    def spread(leaf: jax.Array, sharding: NamedSharding) -> jax.Array:
        # Every process holds the whole, and gives its devices what is theirs.
        whole = np.asarray(leaf)
        return jax.make_array_from_callback(whole.shape, sharding, whole.__getitem__)

    def place_state(state: TrainState) -> TrainState:
        pool, rest = state.latent_pool, state._replace(latent_pool=None)
        placed = jax.tree.map(lambda leaf: spread(leaf, everywhere), rest)
        return placed._replace(latent_pool=spread(pool, by_lamp))

    def place_clips(batch: np.ndarray) -> jax.Array:
        return jax.make_array_from_process_local_data(by_clip, batch)

    return place_state, place_clips


@contextlib.contextmanager
def _stop_signals() -> Iterator[threading.Event]:
    """Yields an event that SIGTERM or Ctrl-C sets; a second Ctrl-C interrupts."""
    stopped = threading.Event()
    before: dict[int, Any] = {}

    def stop(number: int, _: Any) -> None:
        stopped.set()
        signal.signal(number, before[number])

    for number in (signal.SIGTERM, signal.SIGINT):
        before[number] = signal.signal(number, stop)
    try:
        yield stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _on_any_process(over: bool, step: int, training: TrainingConfig) -> bool:
    """Whether it is over for this process, or for any of several.

    Several must leave the loop at the same step. To ask the others takes a message, so
    they do it only where the host waits for the devices anyway.
    """
    if jax.process_count() == 1:
        return over
    if step % training.log_every:
        return False
    return bool(multihost_utils.process_allgather(np.array(over)).any())


def _local(params: Any) -> Any:
    """Returns this process's own copy of what is on every device."""
    return jax.tree.map(lambda leaf: leaf.addressable_data(0), params)


def _scalar_reporter(
    writer: tensorboardX.SummaryWriter, progress: tqdm.tqdm, *, config: Config
) -> Callable[[int, dict[str, jax.Array]], None]:
    """Returns a function that shows the scalars of a step and keeps them."""
    last = (progress.n, time.monotonic())

    def report(step: int, metrics: dict[str, jax.Array]) -> None:
        nonlocal last
        values = {name: float(value) for name, value in metrics.items()}
        broken = [name for name, value in values.items() if not np.isfinite(value)]
        if broken:
            raise FloatingPointError(f"step {step}: not finite: {', '.join(broken)}")
        now = time.monotonic()
        rate = (step - last[0]) / (now - last[1]) * config.data.batch_size
        last = (step, now)
        for name, value in (values | {"clips_per_second": rate}).items():
            writer.add_scalar(name, value, step)
        shown = {
            name.removeprefix("loss/"): f"{value:.3g}"
            for name, value in values.items()
            if name.startswith("loss/")
        }
        progress.set_postfix({"clips/s": f"{rate:.1f}"} | shown)

    return report


def _scorer(held_out: np.ndarray, *, config: Config) -> Callable[[Any], float]:
    """Returns the distance of generated frames from held-out film, lower is better.

    The energy distance of frames from N(0, I), shrunk to 16x16 pixels: coarse, but
    cheap enough for every checkpoint.
    """
    chosen = np.linspace(0, len(held_out) - 1, _SAMPLES).astype(int)
    real = _shrink(models.from_uint8(jnp.asarray(held_out[chosen])))
    latents = jax.random.normal(
        jax.random.key(config.training.seed), (_SAMPLES, config.model.latent_size)
    )

    @jax.jit
    def score(params: Any) -> jax.Array:
        fake = jax.lax.map(
            lambda z: models.generate(params["generator"], z, config=config.model),
            latents,
            batch_size=8,
        )
        return energy_distance(_shrink(fake), real)

    return lambda params: float(score(params))


def _shrink(frames: jax.Array) -> jax.Array:
    count, size = frames.shape[:2]
    block = size // 16
    return frames.reshape(count, 16, block, 16, block, 3).mean(axis=(2, 4))


def _write_pictures(
    writer: tensorboardX.SummaryWriter, step: int, params: Any, *, config: Config
) -> None:
    """Writes a grid of stills and a moving clip of four lamps."""
    rows, columns = _GRID
    key = jax.random.key(config.training.seed)
    latents = jax.random.normal(key, (rows * columns, config.model.latent_size))
    stills = np.asarray(_draw(params, latents, config=config.model))
    writer.add_image("stills", _tile(stills, columns), step, dataformats="HWC")
    _, trajectory = models.rollout(
        params["transition"],
        latents[:4],
        key,
        0,
        num_steps=2 * config.data.clip_length,
        config=config.model,
    )
    film = np.asarray(_draw(params, trajectory, config=config.model))
    frames = [Image.fromarray(_tile(lamps, len(lamps))) for lamps in film]
    encoded = io.BytesIO()
    milliseconds = round(1000 / config.data.steps_per_second)
    frames[0].save(
        encoded,
        "GIF",
        save_all=True,
        append_images=frames[1:],
        duration=milliseconds,
        loop=0,
    )
    picture = Summary.Image(
        height=frames[0].height,
        width=frames[0].width,
        colorspace=3,
        encoded_image_string=encoded.getvalue(),
    )
    summary = Summary(value=[Summary.Value(tag="clip", image=picture)])
    writer.file_writer.add_summary(summary, step)


def _draw(params: Any, latents: jax.Array, *, config: ModelConfig) -> jax.Array:
    return models.to_uint8(models.generate(params["generator"], latents, config=config))


def _tile(frames: np.ndarray, columns: int) -> np.ndarray:
    """u8[N, H, W, 3] -> one picture, row by row."""
    count, height, width, _ = frames.shape
    grid = frames.reshape(count // columns, columns, height, width, 3)
    return grid.swapaxes(1, 2).reshape(-1, columns * width, 3)
