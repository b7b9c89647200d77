"""What a run logs: scalars, pictures for TensorBoard, and a score of its frames."""

import time
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import tensorboardX
import tqdm
from tensorboardX.proto.summary_pb2 import Summary

from duralava import models
from duralava.config import Config
from duralava.evaluation.distances import energy_distance
from duralava.lamp import Lamp
from duralava.rendering import pictures, writers

_SAMPLES = 256  # generated frames, against as many of held-out film
_SCORED_SIZE = 16  # height and width of the frames that are scored
_STILLS = (4, 8)  # rows and columns
_CLIP_LAMPS = 4


def scalar_reporter(
    writer: tensorboardX.SummaryWriter, progress: tqdm.tqdm, *, config: Config
) -> Callable[[int, dict[str, jax.Array]], None]:
    """Returns a function that shows the scalars of a step and writes them."""
    last = (progress.n, time.monotonic())

    def report(step: int, metrics: dict[str, jax.Array]) -> None:
        nonlocal last
        values = {name: float(v) for name, v in metrics.items() if name != "finite"}
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


def scorer(held_out: np.ndarray, *, seed: int) -> Callable[[Lamp], float]:
    """Returns the distance of generated frames from held-out film, lower is better.

    The energy distance of frames from N(0, I), shrunk to 16x16 pixels: coarse, but
    cheap enough for every checkpoint.

    Args:
      held_out: film u8[N, H, W, 3].
      seed: of the latents.
    """
    chosen = np.linspace(0, len(held_out) - 1, _SAMPLES).astype(int)
    real = models.shrink(models.from_uint8(jnp.asarray(held_out[chosen])), _SCORED_SIZE)

    @jax.jit
    def score(lamp: Lamp) -> jax.Array:
        latents = jax.random.normal(
            jax.random.key(seed), (_SAMPLES, lamp.config.latent_size)
        )
        fake = jax.lax.map(
            lambda z: models.generate(lamp.params["generator"], z, config=lamp.config),
            latents,
            batch_size=8,
        )
        return energy_distance(models.shrink(fake, _SCORED_SIZE), real)

    return lambda lamp: float(score(lamp))


def write_pictures(
    writer: tensorboardX.SummaryWriter, step: int, lamp: Lamp, *, seed: int
) -> None:
    """Writes a grid of stills, and a moving clip of four lamps."""
    rows, columns = _STILLS
    key = jax.random.key(seed)
    latents = jax.random.normal(key, (rows * columns, lamp.config.latent_size))
    stills = pictures.tile(np.asarray(lamp.generate(latents)), rows, columns)
    writer.add_image("stills", stills, step, dataformats="HWC")
    num_steps = 2 * lamp.training.data.clip_length
    _, trajectory = lamp.rollout(latents[:_CLIP_LAMPS], key, num_steps=num_steps)
    clip = [
        pictures.tile(moment, 1, _CLIP_LAMPS)
        for moment in np.asarray(lamp.generate(trajectory))
    ]
    height, width, _ = clip[0].shape
    fps = min(lamp.steps_per_second, writers.MAX_GIF_FPS)
    picture = Summary.Image(
        height=height,
        width=width,
        colorspace=3,
        encoded_image_string=writers.encode_animation(clip, ".gif", fps=fps),
    )
    summary = Summary(value=[Summary.Value(tag="clip", image=picture)])
    writer.file_writer.add_summary(summary, step)
