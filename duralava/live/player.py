"""One lamp that plays: it runs in real time, and a touch pushes it."""

import functools
import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy import stats

from duralava import models
from duralava.config import ModelConfig
from duralava.rendering.frames import interpolate
from duralava.rendering.lamps import Lamps

SLOWEST, FASTEST = 0.1, 10.0  # seconds of a lamp in a second, that can be asked for
PUSH_SECONDS = 0.5  # that one touch lasts
PUSH_RADIUS = 0.12  # of what a touch pulls at, in heights of the frame
PUSH_ANGLE = 0.9  # radians that a touch turns the latent by
_LIKELY = 0.001  # p-value above which a latent passes for a sample of N(0, I)


class Player(NamedTuple):
    """Where a lamp is between two of its steps.

    Attributes:
      before: latent f32[1, Z] at `step`.
      after: latent f32[1, Z] at the step after.
      key: of the transition's noise.
      step: number of steps made.
      share: of the way to the next step, in [0, 1).
    """

    before: jax.Array
    after: jax.Array
    key: jax.Array
    step: int
    share: float


class Health(NamedTuple):
    """What a latent's values say of it.

    Attributes:
      mean: of its values.
      std: of its values.
      normal: whether a sample of N(0, I) is as far from mean 0 and norm sqrt(Z) in more
        than one of 1,000 cases.
    """

    mean: float
    std: float
    normal: bool


class Likely(NamedTuple):
    """Within what a latent's values pass for a sample of N(0, I).

    Each of the two is left by a sample in half of 1 in 1,000 cases.

    Attributes:
      least: sum of their squares.
      most: sum of their squares.
      farthest: absolute value of their sum, divided by sqrt(Z).
    """

    least: float
    most: float
    farthest: float


def begin(params: Any, lamps: Lamps, *, config: ModelConfig) -> Player:
    """Returns one lamp at its start.

    Args:
      params: `{transition}`.
      lamps: of which the first plays.
      config: shape of the network.
    """
    before = lamps.latents[:1]
    after = _step(params["transition"], before, lamps.key, lamps.step, config=config)
    return Player(before, after, lamps.key, lamps.step, 0.0)


def advance(
    params: Any, player: Player, num_steps: float, *, config: ModelConfig
) -> Player:
    """Returns the lamp `num_steps`, 0 or more, further on."""
    whole, share = divmod(player.share + num_steps, 1)
    before, after = player.before, player.after
    for index in range(player.step + 1, player.step + 1 + int(whole)):
        before, after = (
            after,
            _step(params["transition"], after, player.key, index, config=config),
        )
    return Player(before, after, player.key, player.step + int(whole), share)


def draw(params: Any, player: Player, *, config: ModelConfig) -> np.ndarray:
    """Returns the lamp's picture u8[H, W, 3]."""
    share = np.float32(player.share)
    frame = _draw(
        params["generator"], player.before, player.after, share, config=config
    )
    return np.asarray(frame)


def push(
    params: Any,
    player: Player,
    x: float,
    y: float,
    seconds: float,
    *,
    config: ModelConfig,
) -> Player:
    """Turns the latent so that wax gathers where the picture is touched.

    The latent moves on the sphere, towards the gradient of the brightness around
    the place: it stays as likely a sample of N(0, I) as it was.

    Args:
      params: `{generator, transition}`.
      player: the lamp.
      x: place from the left edge, 0, to the right, 1.
      y: place from the top, 0, to the bottom, 1.
      seconds: for which it is touched.
      config: shape of the networks.
    """
    angle = PUSH_ANGLE * seconds / PUSH_SECONDS
    before = _push(params["generator"], player.before, x, y, angle, config=config)
    after = _step(params["transition"], before, player.key, player.step, config=config)
    return player._replace(before=before, after=after)


def health(player: Player) -> Health:
    """Tests the values of a lamp's latent at this moment."""
    z = np.asarray(player.before[0], np.float64)
    squares, total = np.sum(z**2), z.sum() / math.sqrt(z.size)
    bounds = likely(z.size)
    normal = bounds.least < squares < bounds.most and abs(total) < bounds.farthest
    return Health(float(z.mean()), float(z.std()), bool(normal))


def likely(size: int) -> Likely:
    """Returns the bounds for latents of `size` values."""
    tail = _LIKELY / 4  # each of the two bounds has two
    squares = stats.chi2(size)
    return Likely(
        float(squares.ppf(tail)), float(squares.isf(tail)), float(stats.norm.isf(tail))
    )


@functools.partial(jax.jit, static_argnames="config")
def _step(
    transition: Any,
    latents: jax.Array,
    key: jax.Array,
    step: int,
    *,
    config: ModelConfig,
) -> jax.Array:
    """Makes the step after `step`, as a rollout does."""
    return models.rollout(transition, latents, key, step, num_steps=1, config=config)[0]


@functools.partial(jax.jit, static_argnames="config")
def _draw(
    generator: Any,
    before: jax.Array,
    after: jax.Array,
    share: jax.Array,
    *,
    config: ModelConfig,
) -> jax.Array:
    latent = interpolate(before, after, jnp.broadcast_to(share, (1,)))
    return models.to_uint8(models.generate(generator, latent, config=config))[0]


@functools.partial(jax.jit, static_argnames="config")
def _push(
    generator: Any,
    latents: jax.Array,
    x: jax.Array,
    y: jax.Array,
    angle: jax.Array,
    *,
    config: ModelConfig,
) -> jax.Array:
    places = (jnp.arange(config.resolution) + 0.5) / config.resolution
    distance = jnp.square(places[:, None] - y) + jnp.square(places - x)
    weights = jnp.exp(-distance / (2 * PUSH_RADIUS**2))[..., None]

    def brightness(latents: jax.Array) -> jax.Array:
        frames = models.generate(generator, latents, config=config)
        return jnp.sum(frames * weights)

    gradient = jax.grad(brightness)(latents)
    norm = jnp.linalg.norm(latents)
    upright = latents / norm
    # The part of the gradient along the sphere.
    aside = gradient - jnp.sum(gradient * upright) * upright
    aside /= jnp.maximum(jnp.linalg.norm(aside), 1e-12)
    return norm * (jnp.cos(angle) * upright + jnp.sin(angle) * aside)
