"""One lamp that plays in real time, and that a touch pushes.

The exported page has the same in `duralava/export/static/player.js`. The tests of both
read `tests/fixtures/live.json`.
"""

import functools
import math
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from etils import epy
from scipy import special

from duralava.lamp import Lamp, RolloutState, interpolate
from duralava.live import touch
from duralava.tracing import kept_jit

with epy.lazy_imports():  # which programs that are kept do not need
    from duralava import models

PUSH_SECONDS = 0.5  # duration of one touch
PUSH_SPEED = 0.8  # radians per second by which a touch turns the latent
FRAME_SIZE = 160  # pixels, where a generator draws any size
_SIGNIFICANCE = 0.001  # share of the samples of N(0, I) that the bounds leave out


class Player(NamedTuple):
    """The state of a lamp between two steps of the rollout.

    Attributes:
      before: latent f32[1, Z] at `step`.
      after: latent f32[1, Z] at `step + 1`.
      key: of the transition's noise.
      step: number of steps made.
      share: part of the way to the next step, in [0, 1).
    """

    before: jax.Array
    after: jax.Array
    key: jax.Array
    step: int
    share: float


class Health(NamedTuple):
    """Whether a latent is plausible as a sample of N(0, I).

    Attributes:
      mean: of its values.
      std: of its values.
      normal: whether it is within `NormalBounds`.
    """

    mean: float
    std: float
    normal: bool


class NormalBounds(NamedTuple):
    """Bounds that one in 1,000 samples of N(0, I) exceeds.

    The bounds of the squares and that of the sum each leave out half of them.

    Attributes:
      min_squares: of the sum of a latent's squared values.
      max_squares: of the sum of a latent's squared values.
      max_sum: of the absolute sum of a latent's values, divided by sqrt(Z).
    """

    min_squares: float
    max_squares: float
    max_sum: float


def begin(lamp: Lamp, state: RolloutState) -> Player:
    """Returns the player of one lamp: the first of a rollout, from its state on."""
    before = state.latents[:1]
    after = _next_latents(lamp, before, state.key, state.step)
    return Player(before, after, state.key, state.step, 0.0)


def advance(lamp: Lamp, player: Player, num_steps: float) -> Player:
    """Returns the lamp after `num_steps` more, 0 or more, which need not be whole."""
    whole, share = divmod(player.share + num_steps, 1)
    before, after = player.before, player.after
    end = player.step + int(whole)
    for step in range(player.step + 1, end + 1):
        before, after = after, _next_latents(lamp, after, player.key, step)
    return Player(before, after, player.key, end, share)


def render_frame(lamp: Lamp, player: Player, *, size: int = FRAME_SIZE) -> np.ndarray:
    """Returns the lamp's frame u8[H, W, 3] at this moment.

    Args:
      lamp: its weights.
      player: the moment.
      size: height and width in pixels, where the generator draws any size.
    """
    share = np.full(1, player.share, np.float32)
    size = lamp.drawn_size(None, default=size)
    return np.asarray(_render(lamp, player.before, player.after, share, size=size))


def shown_latent(player: Player) -> np.ndarray:
    """Returns the latent f32[Z] at this moment."""
    share = np.full(1, player.share, np.float32)
    return np.asarray(_interpolate(player.before, player.after, share)[0])


def compute_features(lamp: Lamp, player: Player) -> np.ndarray:
    """Returns the lamp's map of features f32[S, S, C] at this moment."""
    share = np.full(1, player.share, np.float32)
    return np.asarray(_compute_features(lamp, player.before, player.after, share))


def push(
    lamp: Lamp,
    player: Player,
    gradients: np.ndarray,
    x: float,
    y: float,
    seconds: float,
) -> Player:
    """Turns the latent so that wax gathers where the picture is touched.

    Args:
      lamp: its weights.
      player: before the touch.
      gradients: f32[N, N, Z], `touch.brightening` of the lamp.
      x: place from the left edge, 0, to the right, 1.
      y: place from the top, 0, to the bottom, 1.
      seconds: duration of the touch.
    """
    latent = np.asarray(player.before[0])
    turned = touch.turn(latent, gradients, x, y, PUSH_SPEED * seconds)
    before = jnp.asarray(turned[None])
    after = _next_latents(lamp, before, player.key, player.step)
    return player._replace(before=before, after=after)


def place(lamp: Lamp, player: Player, latent: Sequence[float]) -> Player:
    """Returns the lamp with another latent f32[Z], from which it runs on."""
    before = jnp.asarray(latent, jnp.float32)[None]
    after = _next_latents(lamp, before, player.key, player.step)
    return player._replace(before=before, after=after, share=0.0)


def latent_health(latent: jax.Array | np.ndarray) -> Health:
    """Compares the values of a latent f32[Z] with N(0, I)."""
    z = np.asarray(latent, np.float64)
    squares, total = np.sum(z**2), z.sum() / math.sqrt(z.size)
    bounds = normal_bounds(z.size)
    normal = (
        bounds.min_squares < squares < bounds.max_squares
        and abs(total) < bounds.max_sum
    )
    return Health(float(z.mean()), float(z.std()), bool(normal))


def normal_bounds(size: int) -> NormalBounds:
    """Returns the bounds for latents of `size` values."""
    tail = _SIGNIFICANCE / 4  # two statistics with two tails each
    # Of the chi-square distribution of the squares, and of the normal one of the sum.
    least, most = 2 * special.gammaincinv(size / 2, tail), special.chdtri(size, tail)
    return NormalBounds(float(least), float(most), float(-special.ndtri(tail)))


def _next_latents(
    lamp: Lamp, latents: jax.Array, key: jax.Array, step: int
) -> jax.Array:
    return lamp.rollout(latents, key, step, num_steps=1)[0]


_interpolate = kept_jit(interpolate)


@functools.partial(kept_jit, static_argnames=("size",))
def _render(
    lamp: Lamp, before: jax.Array, after: jax.Array, share: jax.Array, *, size: int
) -> jax.Array:
    return lamp.generate(interpolate(before, after, share), size=size)[0]


@kept_jit
def _compute_features(
    lamp: Lamp, before: jax.Array, after: jax.Array, share: jax.Array
) -> jax.Array:
    latent = interpolate(before, after, share)
    return models.features(lamp.params["generator"], latent, config=lamp.config)[0]
