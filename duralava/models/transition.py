"""Transition: the latent of one moment becomes the latent of the next."""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from duralava.config import ModelConfig
from duralava.models import layers
from duralava.models.orthogonal import cayley

Step = Callable[[jax.Array, jax.Array], jax.Array]


class Perceptron(nn.Module):
    """A dense network with two hidden layers and a small output."""

    hidden: int
    features: int
    num_hidden: int = 2

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """f32[..., C] -> f32[..., features]."""
        for _ in range(self.num_hidden):
            x = layers.activate(layers.Dense(self.hidden)(x))
        # Small at the start: a lamp begins by moving as slowly as wax does, and what
        # its pictures hardly show goes on so. Moving fast, that would be flicker, and
        # a wide network would run away before a penalty has taught it anything.
        scale = 0.0566 / self.hidden**0.5
        kernel, bias = nn.initializers.constant(scale), nn.initializers.constant(0.02)
        return layers.Dense(self.features, kernel_init=kernel, bias_init=bias)(x)


def rotation(params: Any, *, config: ModelConfig) -> Callable[[jax.Array], jax.Array]:
    """Returns a map f32[B, Z] -> f32[B, Z] that keeps N(0, I), whatever `params` are.

    Halves a and b of the latent take turns: the pairs of one are turned by angles
    that are computed from the other. Neither |z| nor volume changes, as an angle
    does not depend on what it turns. The density of N(0, I) depends on |z| alone, so
    it is kept. Each layer does so in a learned orthonormal basis of its own, so that
    halves and pairs are others in each, and angles alone say how fast a latent moves.
    """
    network = _angles(config)
    bases = rotation_bases(params)

    def angles(turn: Any, half: int, x: jax.Array) -> jax.Array:
        turn = jax.tree.map(lambda leaf: leaf[half], turn)
        # At most a radian: gradients through long rollouts stay bounded.
        return jnp.tanh(network.apply({"params": turn}, x))

    def layer(z: jax.Array, params: tuple[Any, jax.Array]) -> tuple[jax.Array, None]:
        turn, basis = params
        a, b = jnp.split(jnp.matmul(z, basis, precision="highest"), 2, axis=-1)
        change_a = pair_changes(a, angles(turn, 0, b))
        change_b = pair_changes(b, angles(turn, 1, a + change_a))
        # Only the change goes through the basis and back: it is small, and so is
        # what rounding does to it. Lamps that differ a little part exponentially.
        change = jnp.concatenate([change_a, change_b], axis=-1)
        return z + jnp.matmul(change, basis.T, precision="highest"), None

    def move(latents: jax.Array) -> jax.Array:
        z, _ = jax.lax.scan(layer, latents, (params["turn"], bases))
        # The norm is kept by mathematics; this keeps rounding from adding up over
        # millions of steps. Differences are summed, as a difference of sums would be
        # rounded more coarsely than what is lost in a step.
        lost = jnp.sum((latents - z) * (latents + z), axis=-1, keepdims=True)
        return z + z * (lost / (2 * jnp.maximum(_square_norm(z), 1e-30)))

    return move


def rotation_bases(params: Any) -> jax.Array:
    """Returns the orthonormal basis of each layer of a rotation: f32[L, Z, Z]."""
    return cayley(params["basis"] - jnp.swapaxes(params["basis"], -1, -2))


def pair_changes(x: jax.Array, angles: jax.Array) -> jax.Array:
    """What turning the planes (x[i], x[i + n]) by angles[i] adds to x.

    Args:
      x: f32[..., 2n].
      angles: f32[..., n] in radians.

    Returns:
      f32[..., 2n], accurate relative to itself for small angles too: sin and
      1 - cos are written with the sine of the half angle.
    """
    first, second = jnp.split(x, 2, axis=-1)
    half_sin, half_cos = jnp.sin(angles / 2), jnp.cos(angles / 2)
    return (
        2
        * jnp.tile(half_sin, 2)
        * jnp.concatenate(
            [
                -half_sin * first - half_cos * second,
                half_cos * first - half_sin * second,
            ],
            axis=-1,
        )
    )


def init_transition(key: jax.Array, *, config: ModelConfig) -> Any:
    """Returns fresh parameters of `transition`."""
    size = config.latent_size
    if config.transition == "mlp":
        return layers.draw(key, layers.deviations(_mlp(config), jnp.zeros((1, size))))
    turn = layers.deviations(_angles(config), jnp.zeros((1, size // 2)))
    count = config.transition_layers
    deviations = {
        "turn": jax.tree.map(lambda d: jnp.broadcast_to(d, (count, 2, *d.shape)), turn),
        "basis": jnp.full((count, size, size), 0.1),
    }
    return layers.draw(key, deviations)


def transition_step(params: Any, *, config: ModelConfig) -> Step:
    """Returns `transition` for fixed parameters, what depends on them made once."""
    if config.transition == "mlp":

        def move(latents: jax.Array) -> jax.Array:
            return latents + _mlp(config).apply({"params": params}, latents)

    else:
        move = rotation(params, config=config)

    def step(latents: jax.Array, noise: jax.Array) -> jax.Array:
        if config.refresh == 0:
            return move(latents)
        keep = (1 - config.refresh**2) ** 0.5
        return keep * move(latents) + config.refresh * noise

    return step


def transition(
    params: Any, latents: jax.Array, noise: jax.Array, *, config: ModelConfig
) -> jax.Array:
    """Moves latents one step on, each by itself.

    `rotation` maps N(0, I) to N(0, I) exactly; `mlp` is a residual dense network that
    learns to. With a refresh share s the result is `sqrt(1 - s^2) z + s noise`, which
    keeps N(0, I) too.

    Args:
      params: of `init_transition`.
      latents: f32[B, Z].
      noise: f32[B, Z], standard normal; without effect where `config.refresh` is 0.
      config: shape of the network.

    Returns:
      f32[B, Z].
    """
    return transition_step(params, config=config)(latents, noise)


def _angles(config: ModelConfig) -> Perceptron:
    """The network of a rotation from one half to the angles of the other's pairs."""
    return Perceptron(config.transition_hidden, config.latent_size // 4)


def _mlp(config: ModelConfig) -> Perceptron:
    return Perceptron(
        config.transition_hidden, config.latent_size, config.transition_layers
    )


def _square_norm(x: jax.Array) -> jax.Array:
    return jnp.sum(jnp.square(x), axis=-1, keepdims=True)
