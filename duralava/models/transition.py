"""Transition: maps the latent of one step to the latent of the next."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from duralava.config import ModelConfig
from duralava.models import layers
from duralava.models.orthogonal import orthonormal_bases

Move = Callable[[jax.Array], jax.Array]
"""Latents f32[B, Z] -> latents f32[B, Z] one step later."""

Step = Callable[[jax.Array, jax.Array], jax.Array]
"""(Latents f32[B, Z], noise f32[B, Z]) -> latents f32[B, Z] one step later."""


def rotation(params: Any, config: ModelConfig) -> Move:
    """Returns a map f32[B, Z] -> f32[B, Z] that keeps N(0, I), whatever `params` are.

    A latent has two halves, a and b. The pairs of one half are rotated by angles that
    are computed from the other half, then the other way round. An angle does not depend
    on what it rotates, so neither |z| nor volume changes. The density of N(0, I) is a
    function of |z| alone, so N(0, I) is kept. Each layer works in its own learned
    orthonormal basis, so that halves and pairs differ from layer to layer, and the
    angles alone determine how fast a latent moves.
    """
    network = _angles(config)
    bases = orthonormal_bases(params["basis"])

    def turn(layer: int, half: int) -> Any:
        return jax.tree.map(lambda leaf: leaf[layer, half], params["turn"])

    # Taken apart here: a step that does so, or a scan over the layers, would copy all
    # weights each time.
    chain = [(turn(n, 0), turn(n, 1), basis) for n, basis in enumerate(bases)]

    def angles(turn: Any, x: jax.Array) -> jax.Array:
        # At most a radian: gradients through long rollouts stay bounded.
        return jnp.tanh(network.apply({"params": turn}, x))

    def layer(z: jax.Array, turn_a: Any, turn_b: Any, basis: jax.Array) -> jax.Array:
        a, b = jnp.split(jnp.matmul(z, basis, precision="highest"), 2, axis=-1)
        change_a = pair_changes(a, angles(turn_a, b))
        change_b = pair_changes(b, angles(turn_b, a + change_a))
        # Only the change is rotated back: it is small, and so is its rounding error.
        # That matters, because trajectories diverge exponentially from small errors.
        change = jnp.concatenate([change_a, change_b], axis=-1)
        return z + jnp.matmul(change, basis.T, precision="highest")

    def move(latents: jax.Array) -> jax.Array:
        z = latents
        for weights in chain:
            z = layer(z, *weights)
        # Exact arithmetic keeps the norm; this stops rounding errors from adding up
        # over millions of steps. It sums differences, because the rounding of a
        # difference of sums would be larger than the error of a step.
        lost = jnp.sum((latents - z) * (latents + z), axis=-1, keepdims=True)
        return z + z * (lost / (2 * jnp.maximum(_square_norm(z), 1e-30)))

    return move


def pair_changes(x: jax.Array, angles: jax.Array) -> jax.Array:
    """Returns the change of x when the planes (x[i], x[i + n]) rotate by angles[i].

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
    """Returns fresh parameters of `transition`.

    Raises:
      ValueError: `config.transition` is not a key of `TRANSITIONS`.
    """
    return _chosen(config).init(key, config)


def transition_step(params: Any, *, config: ModelConfig) -> Step:
    """Returns `transition` for fixed parameters, what depends on them computed once.

    Raises:
      ValueError: `config.transition` is not a key of `TRANSITIONS`.
    """
    move = _chosen(config).move(params, config)

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

    Raises:
      ValueError: `config.transition` is not a key of `TRANSITIONS`.
    """
    return transition_step(params, config=config)(latents, noise)


class Transition(NamedTuple):
    """A kind of transition.

    Attributes:
      init: (key, config) -> fresh parameters.
      move: (parameters, config) -> a map f32[B, Z] -> f32[B, Z], each lamp by itself.
        What depends on the parameters alone is computed before the map is returned.
    """

    init: Callable[[jax.Array, ModelConfig], Any]
    move: Callable[[Any, ModelConfig], Move]


def _init_rotation(key: jax.Array, config: ModelConfig) -> Any:
    turn, basis = layers.coupling_deviations(
        _angles(config), size=config.latent_size, count=config.transition_layers
    )
    return layers.sample_params(key, {"turn": turn, "basis": basis})


def _init_mlp(key: jax.Array, config: ModelConfig) -> Any:
    latent = jnp.zeros((1, config.latent_size))
    return layers.sample_params(key, layers.deviations(_mlp(config), latent))


def residual_mlp(params: Any, config: ModelConfig) -> Move:
    """Returns z + network(z), f32[B, Z] -> f32[B, Z]: the original's transition.

    A result that is longer than `longest_latent` is shortened. A penalty keeps latents
    normal where training has seen them; a lamp that leaves these once in a million
    steps could otherwise diverge.
    """
    network = _mlp(config)

    def move(latents: jax.Array) -> jax.Array:
        z = latents + network.apply({"params": params}, latents)
        length = jnp.sqrt(jnp.maximum(_square_norm(z), 1.0))  # whose gradient is finite
        return z * jnp.minimum(1.0, longest_latent(config.latent_size) / length)

    return move


def longest_latent(latent_size: int) -> float:
    """Returns sqrt(Z) + 5, which |z| of N(0, I) exceeds with p < 1e-8, for any Z."""
    return latent_size**0.5 + 5


TRANSITIONS = {
    "rotation": Transition(_init_rotation, rotation),
    "mlp": Transition(_init_mlp, residual_mlp),
}
"""The values that `ModelConfig.transition` can take."""


def _chosen(config: ModelConfig) -> Transition:
    try:
        return TRANSITIONS[config.transition]
    except KeyError:
        raise ValueError(
            f"model.transition is '{config.transition}'; it can be one of "
            f"{', '.join(TRANSITIONS)}"
        ) from None


def _angles(config: ModelConfig) -> layers.Perceptron:
    """The network that maps one half to the angles of the other half's pairs."""
    return layers.Perceptron(config.transition_hidden, config.latent_size // 4)


def _mlp(config: ModelConfig) -> layers.Perceptron:
    return layers.Perceptron(
        config.transition_hidden, config.latent_size, config.transition_layers
    )


def _square_norm(x: jax.Array) -> jax.Array:
    return jnp.sum(jnp.square(x), axis=-1, keepdims=True)
