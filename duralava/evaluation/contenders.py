"""The contenders of an evaluation: each has a name, and gives a sample of film."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import numpy as np

from duralava import models
from duralava.evaluation import durability
from duralava.evaluation.linear_texture import (
    fit_linear_texture,
    sample_linear_texture,
)
from duralava.evaluation.plan import Plan
from duralava.evaluation.samples import (
    MOST_STEPS,
    NUM_LAMPS,
    PICTURE_SIZE,
    Sample,
    SampleSize,
    Segments,
    cut_sample,
)
from duralava.evaluation.video_texture import fit_video_texture, sample_video_texture
from duralava.lamp import Lamp

LEARNED = "learned film (the floor)"
LINEAR, VIDEO = "linear texture", "video texture"
_SPACING = 64  # steps between two clips of one lamp
_RECORDS = 10_000  # states of one lamp over time
_RIVAL_HORIZON = 20
_TEXTURE_STEPS = 20_000  # nearly the most that textures are fitted to
_PLACES_SEED = 40
_WINDOWS_AT_ONCE = 64


class Contender(NamedTuple):
    """What is compared with held-out film.

    Attributes:
      name: in reports.
      sample: returns its sample.
    """

    name: str
    sample: Callable[[], Sample]


def film_contenders(
    learned: Segments,
    size: SampleSize,
    *,
    stride: int,
    seed: int,
    windows: Segments | None = None,
) -> list[Contender]:
    """Returns the learned film, and the two textures that are fitted to it.

    Textures are fitted to every nth segment of a long film.

    Args:
      learned: the film.
      size: of the samples.
      stride: film frames per step.
      windows: of the film, as of `cut_sample`.
      seed: of the textures. They share one generator of random numbers: take their
        samples in order, once each.
    """
    rng = np.random.default_rng(seed)
    # A video texture compares all frames with each other.
    every = max(1, sum(map(len, learned)) // (stride * _TEXTURE_STEPS))
    steps = [segment[::stride] for segment in learned[::every]]

    def texture(
        name: str,
        fit: Callable[[Segments], Any],
        sample_clips: Callable[..., np.ndarray],
    ) -> Contender:
        def sample() -> Sample:
            fitted = fit(steps)
            return Sample(
                sample_clips(fitted, size.num_clips, size.clip_length, rng=rng),
                sample_clips(fitted, NUM_LAMPS, size.film_length, rng=rng),
            )

        return Contender(name, sample)

    return [
        Contender(
            LEARNED,
            lambda: cut_sample(learned, size, stride=stride, windows=windows),
        ),
        texture(LINEAR, fit_linear_texture, sample_linear_texture),
        texture(VIDEO, fit_video_texture, sample_video_texture),
    ]


def rival(name: str, lamp: Lamp, plan: Plan, size: SampleSize) -> Contender:
    """Returns another lamp after 20 steps."""

    def sample() -> Sample:
        (state,) = run_lamps(lamp, (_RIVAL_HORIZON,), plan.num_lamps, plan)
        return generate_sample(lamp, select_latents(state.latents, size))

    return Contender(name, sample)


def lamp_at_horizon(
    name: str, lamp: Lamp, state: durability.HorizonState, size: SampleSize
) -> Contender:
    """Returns the lamp that is evaluated, at one of its horizons."""
    latents = select_latents(state.latents, size)
    return Contender(name, lambda: generate_sample(lamp, latents))


def run_lamps(
    lamp: Lamp,
    horizons: tuple[int, ...],
    num_lamps: int,
    plan: Plan,
    on_steps: Callable[[int], Any] = lambda steps: None,
) -> Iterator[durability.HorizonState]:
    """Runs lamps to horizons, with latents of as many steps as a sample takes.

    Args:
      lamp: whose transition runs.
      horizons: numbers of steps, ascending.
      num_lamps: that run side by side.
      plan: of the evaluation.
      on_steps: called with the number of steps made since it was last called.

    Raises:
      ValueError: a horizon is too far.
    """
    start = lamp.start(plan.seed, count=num_lamps)
    clips_each = -(-plan.num_clips // num_lamps)
    window = max(MOST_STEPS, (clips_each - 1) * _SPACING + plan.clip_length)
    return durability.run_to_horizons(
        lamp,
        start.latents,
        start.key,
        horizons,
        window=window,
        record_every=max(1, horizons[-1] // _RECORDS),
        on_steps=on_steps,
    )


class SampleLatents(NamedTuple):
    """The latents of a sample.

    Attributes:
      clips: f32[T, N, Z].
      film: f32[S, L, Z].
    """

    clips: np.ndarray
    film: np.ndarray


def select_latents(latents: np.ndarray, size: SampleSize) -> SampleLatents:
    """Selects the latents of a sample from those of lamps f32[W, M, Z].

    If the lamps are fewer than the clips, each gives several clips, some time apart.
    They are neighbours in the sample, as `distances.kernel_distance` needs for clips
    that depend on each other.
    """
    num_lamps, latent_size = latents.shape[1:]
    clips_each = -(-size.num_clips // num_lamps)
    steps = _SPACING * np.arange(clips_each) + np.arange(size.clip_length)[:, None]
    clips = latents[steps].swapaxes(1, 2).reshape(size.clip_length, -1, latent_size)
    # Copied, so that the other latents can be freed.
    film = latents[: size.film_length, :NUM_LAMPS].copy()
    return SampleLatents(clips[:, : size.num_clips].copy(), film)


def generate_sample(lamp: Lamp, latents: SampleLatents) -> Sample:
    """Generates the frames of latents, and windows if the generator draws any size."""
    clips, film = (np.asarray(lamp.generate(z)) for z in latents)
    if not lamp.config.any_size:
        return Sample(clips, film)
    rng = np.random.default_rng(_PLACES_SEED)
    last = PICTURE_SIZE - lamp.config.resolution
    places = rng.integers(last + 1, size=(2, *latents.clips.shape[:2]))
    left, top = (places / PICTURE_SIZE).astype(np.float32)
    return Sample(clips, film, np.asarray(_windows(lamp, latents.clips, left, top)))


@jax.jit
def _windows(
    lamp: Lamp, latents: jax.Array, left: jax.Array, top: jax.Array
) -> jax.Array:
    """Returns windows u8[T, N, R, R, 3] of pictures of latents f32[T, N, Z].

    `left` and `top` are their places f32[T, N], in widths of the picture.
    """
    size = lamp.config.resolution

    def draw(arguments: tuple[jax.Array, ...]) -> jax.Array:
        latent, left, top = arguments
        return models.to_uint8(
            models.generate(
                lamp.params["generator"],
                latent,
                size=size,
                window=models.Window(left, top, 1 / PICTURE_SIZE),
                config=lamp.config,
            )
        )

    flat = jax.tree.map(
        lambda values: values.reshape(-1, *values.shape[2:]), (latents, left, top)
    )
    windows = jax.lax.map(draw, flat, batch_size=_WINDOWS_AT_ONCE)
    return windows.reshape(*latents.shape[:2], size, size, 3)
