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


class Dense(nn.Module):
    """A dense network with two hidden layers and a small output."""

    hidden: int
    features: int
    num_hidden: int = 2

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """f32[..., C] -> f32[..., features]."""
        for _ in range(self.num_hidden):
            x = layers.activate(nn.Dense(self.hidden)(x))
        # Small at the start, so that a lamp begins by moving slowly.
        kernel, bias = nn.initializers.normal(0.02), nn.initializers.normal(0.1)
        return nn.Dense(self.features, kernel_init=kernel, bias_init=bias)(x)


class Rotation(nn.Module):
    """A map that keeps N(0, I), whatever its parameters.

    Halves a and b of the latent take turns: the pairs of one are turned by angles
    that are computed from the other. Neither |z| nor volume changes, as an angle
    does not depend on what it turns; a learned orthogonal matrix mixes the halves
    between layers. The density of N(0, I) depends on |z| alone, so it is kept.
    """

    config: ModelConfig

    def setup(self) -> None:
        """Names the parameters."""
        config = self.config
        size, pairs = config.latent_size, config.latent_size // 4
        self.turn_a = [
            Dense(config.transition_hidden, pairs)
            for _ in range(config.transition_layers)
        ]
        self.turn_b = [
            Dense(config.transition_hidden, pairs)
            for _ in range(config.transition_layers)
        ]
        self.mix = self.param(
            "mix",
            nn.initializers.normal(0.02),
            (config.transition_layers, size, size),
        )

    def mixers(self) -> jax.Array:
        """Orthogonal matrices f32[layers, Z, Z], by Cayley's transform of `mix`."""
        return cayley(self.mix - jnp.swapaxes(self.mix, -1, -2))

    def __call__(self, latents: jax.Array, mixers: jax.Array) -> jax.Array:
        """f32[B, Z] -> f32[B, Z] of the same norms."""
        z = latents
        for turn_a, turn_b, mixer in zip(self.turn_a, self.turn_b, mixers, strict=True):
            a, b = jnp.split(z, 2, axis=-1)
            # At most a radian: gradients through long rollouts stay bounded.
            a = rotate_pairs(a, jnp.tanh(turn_a(b)))
            b = rotate_pairs(b, jnp.tanh(turn_b(a)))
            z = jnp.matmul(jnp.concatenate([a, b], axis=-1), mixer, precision="highest")
        # The norm is kept by mathematics; this keeps rounding from adding up over
        # millions of steps.
        return z * jnp.sqrt(_square_norm(latents) / jnp.maximum(_square_norm(z), 1e-30))


def rotate_pairs(x: jax.Array, angles: jax.Array) -> jax.Array:
    """Turns the plane (x[i], x[i + n]) by angles[i] for each of its n pairs.

    Args:
      x: f32[..., 2n].
      angles: f32[..., n] in radians.

    Returns:
      f32[..., 2n].
    """
    first, second = jnp.split(x, 2, axis=-1)
    cos, sin = jnp.cos(angles), jnp.sin(angles)
    return jnp.concatenate(
        [cos * first - sin * second, sin * first + cos * second], axis=-1
    )


def init_transition(key: jax.Array, *, config: ModelConfig) -> Any:
    """Returns fresh parameters of `transition`."""
    latents = jnp.zeros((1, config.latent_size))
    if config.transition == "mlp":
        return _mlp(config).init(key, latents)["params"]
    size = config.latent_size
    mixers = jnp.zeros((config.transition_layers, size, size))
    return Rotation(config).init(key, latents, mixers)["params"]


def transition_step(params: Any, *, config: ModelConfig) -> Step:
    """Returns `transition` for fixed parameters, with their matrices made once."""
    if config.transition == "mlp":

        def move(latents: jax.Array) -> jax.Array:
            return latents + _mlp(config).apply({"params": params}, latents)

    else:
        network = Rotation(config)
        mixers = network.apply({"params": params}, method="mixers")

        def move(latents: jax.Array) -> jax.Array:
            return network.apply({"params": params}, latents, mixers)

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


def _mlp(config: ModelConfig) -> Dense:
    return Dense(config.transition_hidden, config.latent_size, config.transition_layers)


def _square_norm(x: jax.Array) -> jax.Array:
    return jnp.sum(jnp.square(x), axis=-1, keepdims=True)
