"""How a touch turns a latent so that wax gathers where the picture is touched.

How bright a place of the picture is, is nearly a linear function of the latent. A touch
turns the latent towards the direction of this function, and stops before the latent
would be an unlikely sample of N(0, I) in that direction. (The gradient at one latent
shows where this picture becomes brighter at once. To follow it leads to latents that
the generator has not learned.)

The exported page has the same in `duralava/export/static/push.js`. The tests of both
read `tests/fixtures/live.json`.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np
from etils import epy

from duralava.lamp import Lamp
from duralava.tracing import kept_jit

with epy.lazy_imports():  # which programs that are kept do not need
    from duralava import models

CELLS = 16  # rows and columns of the places whose brightness is known
RADIUS = 0.12  # of the region that a touch brightens, in heights of the frame
LEVEL = 2.5  # standard deviations of N(0, 1); one latent in 160 is brighter by itself
_NUM_LATENTS = 512  # twice as many change a direction by 0.1 rad


@kept_jit
def brightening(lamp: Lamp) -> jax.Array:
    """Returns how the brightness of each cell of the picture depends on the latent.

    Returns:
      f32[CELLS, CELLS, Z], the mean gradient over N(0, I): its place in the linear
      function of the latent that fits the brightness best. It is the mean of
      z (b(z) - b(-z)) / 2 over orthogonal bases of latents z, for which the result is
      exact where the brightness b is linear.
    """
    size = lamp.config.latent_size
    num_bases = math.ceil(_NUM_LATENTS / (2 * size))

    def mean_gradient(key: jax.Array) -> jax.Array:
        basis, _ = jnp.linalg.qr(jax.random.normal(key, (size, size)))
        latents = basis * size**0.5
        frames = models.generate(
            lamp.params["generator"],
            jnp.concatenate([latents, -latents]),
            config=lamp.config,
        )
        levels = jax.image.resize(
            jnp.mean(frames, axis=-1), (2 * size, CELLS, CELLS), "linear"
        )
        change = (levels[:size] - levels[size:]) / 2
        return jnp.einsum("nz,nyx->yxz", latents, change) / size

    keys = jax.random.split(jax.random.key(0), num_bases)
    return jnp.mean(jax.lax.map(mean_gradient, keys), axis=0)


def turn(
    latent: np.ndarray, gradients: np.ndarray, x: float, y: float, angle: float
) -> np.ndarray:
    """Turns a latent so that a place of the picture becomes brighter.

    The norm of the latent does not change. The turn ends where the part of the latent
    in the direction of the brightness is `LEVEL` standard deviations; a latent beyond
    that stays as it is.

    Args:
      latent: f32[Z].
      gradients: f32[N, N, Z] of `brightening`.
      x: place from the left edge, 0, to the right, 1.
      y: place from the top, 0, to the bottom, 1.
      angle: by which to turn in radians, 0 or more.
    """
    places = (np.arange(len(gradients)) + 0.5) / len(gradients)
    distance = np.square(places[:, None] - y) + np.square(places - x)
    weights = np.exp(-distance / (2 * RADIUS**2))
    direction = np.einsum("yx,yxz->z", weights, gradients, dtype=np.float64)
    norms = np.linalg.norm(direction), np.linalg.norm(latent)
    if not all(norms):
        return latent
    towards, unit = direction / norms[0], latent / norms[1]
    cosine = np.clip(unit @ towards, -1, 1)
    before = math.acos(cosine)
    after = max(before - angle, min(before, nearest_angle(latent.size)))
    aside = unit - cosine * towards
    aside /= max(np.linalg.norm(aside), 1e-12)
    turned = math.cos(after) * towards + math.sin(after) * aside
    return (norms[1] * turned).astype(np.float32)


def nearest_angle(size: int) -> float:
    """Returns the angle to the direction of the brightness at which a turn ends.

    Args:
      size: number of values of the latent.
    """
    return math.acos(min(LEVEL / size**0.5, 1.0))
