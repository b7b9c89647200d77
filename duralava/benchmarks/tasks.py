"""The tasks to time: each function builds its inputs and returns a `Task`.

Each task runs in a separate process (`worker.py`), so that its memory use and imports
do not affect other tasks. This is why the functions import what they need themselves.
"""

import dataclasses
import itertools
import math
import pathlib
import tempfile
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple


class Task(NamedTuple):
    """A function to time.

    Attributes:
      run: does the work once and waits for its end.
      units: number of frames or clips that one run produces.
      count_flops: returns the floating-point operations of one run; None if they cannot
        be counted.
    """

    run: Callable[[], Any]
    units: int
    count_flops: Callable[[], float] | None = None


def matrix_product(size: int) -> Task:
    """A float32 matrix product, which measures the machine's peak arithmetic rate."""
    import jax

    factor = jax.random.normal(jax.random.key(0), (size, size))
    product = jax.jit(lambda a: a @ a)
    return Task(lambda: product(factor).block_until_ready(), 1, lambda: 2.0 * size**3)


def train(config: dict[str, Any]) -> Task:
    """A training step of duralava; units are frames of film."""
    import jax
    import numpy as np

    from duralava import config as c
    from duralava.datasets.clips import batch_of
    from duralava.training import step

    config = c.from_dict(c.Config, config)
    key, size = jax.random.key(0), config.model.resolution
    init_state, train_step = step.compiled()
    state = init_state(key, config=config)
    shape = (config.data.clip_length, config.data.batch_size, size, size, 3)
    clips = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    batch = jax.device_put(batch_of(clips))
    program = train_step.lower(state, batch, key, config=config).compile()

    def run() -> None:
        nonlocal state
        state, metrics = program(state, batch, key)
        jax.block_until_ready(metrics)

    def count_flops() -> float:
        # XLA counts the body of a loop once. With all clips in one group there is no
        # loop over groups.
        training = dataclasses.replace(config.training, clips_at_once=shape[1])
        whole = dataclasses.replace(config, training=training)
        lowered = train_step.lower(state, batch, key, config=whole)
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


def sample(checkpoint: str, num_frames: int, size: int) -> Task:
    """One lamp, frame by frame, in memory; units are frames, one per model step.

    A run is a film of its own, of at least `num_frames` frames and of whole chunks. A
    chunk that an earlier run has computed does not count.
    """
    from duralava import lamp as lamps

    chunk = lamps.frames_at_once(size**2)
    count = math.ceil(num_frames / chunk) * chunk
    film = _endless_film(checkpoint, size)

    def run() -> None:
        for _ in itertools.islice(film(), count):
            pass

    return Task(run, count)


def sample_keras(num_frames: int, *, graph: bool) -> Task:
    """The original's live loop, in eager mode or as a `tf.function`."""
    import tensorflow as tf

    from duralava.benchmarks import keras_original

    step = keras_original.Original().live_step
    if graph:
        step = tf.function(step)
    return Task(lambda: keras_original.film_live(step, num_frames), num_frames)


def write_apng(checkpoint: str, num_frames: int, size: int) -> Task:
    """The APNG writer alone, on frames that are already in memory."""
    from duralava.rendering import writers

    frames = _endless_film(checkpoint, size)()
    film = list(itertools.islice(frames, min(num_frames, 1_000)))

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
    """Reads clips from a film on disk, as training does; units are clips."""
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
        frames = np.load(file.name, mmap_mode="r", allow_pickle=False)
        film = clips.Film(frames, data.film_fps)
        batches = clips.batch_iterator(film, data, seed=0)

    def run() -> None:
        for _ in itertools.islice(batches, num_batches):
            pass

    return Task(run, num_batches * data.batch_size)


def watch(address: str, num_viewers: int, num_frames: int) -> Task:
    """Viewers of a served lamp; units are frames per viewer.

    A run ends when every viewer has received `num_frames` frames. If the server skips
    frames for a viewer, that viewer waits for later ones, and the measured rate falls
    below the rate of the lamp.
    """
    import asyncio

    import aiohttp

    async def view(session: aiohttp.ClientSession) -> None:
        # Status messages (text) arrive between frames (binary).
        remaining = num_frames
        async with session.ws_connect(address) as socket:
            while remaining:
                message = await socket.receive()
                if message.type is aiohttp.WSMsgType.CLOSED:
                    raise ConnectionError(f"{address} has closed the connection")
                remaining -= message.type is aiohttp.WSMsgType.BINARY

    async def view_all() -> None:
        async with aiohttp.ClientSession() as session:
            await asyncio.gather(*(view(session) for _ in range(num_viewers)))

    return Task(lambda: asyncio.run(view_all()), num_frames)


def _endless_film(checkpoint: str, size: int) -> Callable[[], Iterator[Any]]:
    """Returns a function that starts the film of a lamp.

    Its frames are u8[size, size, 3], one per model step.
    """
    from duralava import weights

    lamp = weights.load(checkpoint)
    return lambda: lamp.film(fps=lamp.steps_per_second, size=size)
