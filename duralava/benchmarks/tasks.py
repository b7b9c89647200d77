"""What is timed: each task builds its inputs, and gives the function to be timed.

A task runs in a process of its own (`worker.py`), so that its memory and its imports
are its own. Imports are inside the tasks for that reason.
"""

import dataclasses
import itertools
import pathlib
import tempfile
from collections.abc import Callable
from typing import Any, NamedTuple


class Task(NamedTuple):
    """Something to time.

    Attributes:
      run: does the work once, to its end.
      units: frames or clips that it makes.
      count_flops: counts the floating-point operations of a run; None where nobody
        knows.
    """

    run: Callable[[], Any]
    units: int
    count_flops: Callable[[], float] | None = None


def matrix_product(size: int) -> Task:
    """A float32 matrix product: the most arithmetic that the machine gives."""
    import jax

    factor = jax.random.normal(jax.random.key(0), (size, size))
    product = jax.jit(lambda a: a @ a)
    return Task(lambda: product(factor).block_until_ready(), 1, lambda: 2.0 * size**3)


def train(config: dict[str, Any]) -> Task:
    """A training step of duralava; units are frames of film."""
    import jax
    import numpy as np

    from duralava import config as c
    from duralava.train_step import programs

    config = c.from_dict(c.Config, config)
    key, size = jax.random.key(0), config.model.resolution
    init_state, make_step = programs()
    state = init_state(key, config=config)
    shape = (config.data.clip_length, config.data.batch_size, size, size, 3)
    clips = jax.device_put(np.random.default_rng(0).integers(0, 256, shape, np.uint8))
    step = make_step.lower(state, clips, key, config=config).compile()

    def run() -> None:
        nonlocal state
        state, metrics = step(state, clips, key)
        jax.block_until_ready(metrics)

    def count_flops() -> float:
        # XLA counts a loop's body once: with all clips at once none is over them.
        training = dataclasses.replace(config.training, clips_at_once=shape[1])
        whole = dataclasses.replace(config, training=training)
        lowered = make_step.lower(state, clips, key, config=whole)
        return lowered.cost_analysis()["flops"]

    return Task(run, shape[0] * shape[1], count_flops)


def train_keras(clip_length: int, batch_size: int) -> Task:
    """A training step of the original in Keras; units are frames of film."""
    import tensorflow as tf

    from duralava.benchmarks import keras_original

    original = keras_original.Original()
    shape = (clip_length, batch_size, 64, 64, 3)
    clips = tf.cast(tf.random.uniform(shape, 0, 256, tf.int32), tf.uint8)
    latents = tf.random.normal((batch_size, keras_original.LATENT))

    def run() -> None:
        nonlocal latents
        *losses, latents = original.train_step(clips, latents)
        for result in (*losses, latents):
            result.numpy()

    return Task(run, clip_length * batch_size)


def sample(checkpoint: str, num_frames: int) -> Task:
    """One lamp, frame after frame, in memory; units are frames, one a model step."""
    frames = _lamp(checkpoint)
    return Task(lambda: list(itertools.islice(frames, num_frames)), num_frames)


def sample_keras(num_frames: int, *, graph: bool) -> Task:
    """The original's live loop, eager as it is written, or as a `tf.function`."""
    import tensorflow as tf

    from duralava.benchmarks import keras_original

    step = keras_original.Original().live_step
    if graph:
        step = tf.function(step)
    return Task(lambda: keras_original.film_live(step, num_frames), num_frames)


def write_apng(checkpoint: str, num_frames: int) -> Task:
    """The APNG writer alone, on frames of a lamp that lie in memory."""
    from duralava.rendering import writers

    film = list(itertools.islice(_lamp(checkpoint), min(num_frames, 1_000)))

    def run() -> None:
        with tempfile.TemporaryDirectory() as folder:
            writers.write_frames(
                pathlib.Path(folder) / "lamp.png",
                itertools.cycle(film),
                fps=30,
                num_frames=num_frames,
            )

    return Task(run, num_frames)


def read_clips(config: dict[str, Any], num_batches: int, film_seconds: int) -> Task:
    """Clips from a film on the disk, as training reads them; units are clips."""
    import numpy as np
    from numpy.lib import format as npy

    from duralava import config as c
    from duralava.datasets import clips

    data, size = c.from_dict(c.Config, config).data, config["model"]["resolution"]
    shape = (round(film_seconds * data.film_fps), size, size, 3)
    rng = np.random.default_rng(0)
    with tempfile.NamedTemporaryFile(suffix=".npy") as file:
        frames = npy.open_memmap(file.name, mode="w+", dtype=np.uint8, shape=shape)
        for frame in frames:
            frame[:] = rng.integers(0, 256, shape[1:], np.uint8)
        film = clips.Film(np.load(file.name, mmap_mode="r"), data.film_fps)
        batches = clips.clip_iterator(film, data, seed=0)

    def run() -> None:
        for _ in itertools.islice(batches, num_batches):
            pass

    return Task(run, num_batches * data.batch_size)


def watch(address: str, num_viewers: int, num_frames: int) -> Task:
    """Viewers of a served lamp; units are frames that each of them gets.

    A run ends when the last viewer has its frames. A viewer whom the server passes over
    waits for later ones, so that the rate falls below the lamp's.
    """
    import asyncio

    import aiohttp

    async def view(session: aiohttp.ClientSession) -> None:
        # A message of the lamp's status comes between frames now and then.
        left = num_frames
        async with session.ws_connect(address) as socket:
            while left:
                message = await socket.receive()
                if message.type is aiohttp.WSMsgType.CLOSED:
                    raise ConnectionError(f"{address} has closed the connection")
                left -= message.type is aiohttp.WSMsgType.BINARY

    async def view_all() -> None:
        async with aiohttp.ClientSession() as session:
            await asyncio.gather(*(view(session) for _ in range(num_viewers)))

    return Task(lambda: asyncio.run(view_all()), num_frames)


def _lamp(checkpoint: str) -> Any:
    from duralava import pretrained
    from duralava.rendering import frames

    params, config = pretrained.load(checkpoint)
    pace = config.data.steps_per_second
    return frames.lamp_frames(params, config=config, seed=0, fps=pace)
