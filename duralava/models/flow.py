"""Flow: an invertible map between normal latents and the codes of film.

The codes that an encoder gives to film are not quite normal: they fill only a part of
the space. A generator that has learned from codes shows blurred or broken pictures
elsewhere. So, as in a second stage of an autoencoder (Dai and Wipf 2019), a flow learns
the distribution of codes: it maps N(0, I) to it. Latents stay normal, and the
transition moves them; the generator draws the codes that the flow makes of them.

The flow is a chain of affine couplings (Dinh et al. 2017, RealNVP). Each layer works in
its own learned orthonormal basis. One half of the values is scaled and moved by amounts
that are computed from the other half, then the other way round.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from duralava.config import ModelConfig
from duralava.models import layers
from duralava.models.orthogonal import free_parameters, orthonormal_bases

_MOST_SCALE = 0.99  # of a layer, at which its factor is nearly e


def init_flow(key: jax.Array, *, config: ModelConfig) -> Any:
    """Returns fresh parameters of a flow: it is nearly the identity."""
    coupling, basis = layers.coupling_deviations(
        _coupling(config), size=config.latent_size, count=config.flow_layers
    )
    return layers.sample_params(key, {"coupling": coupling, "basis": basis})


def init_normal_flow(
    key: jax.Array, mean: np.ndarray, covariance: np.ndarray, *, config: ModelConfig
) -> Any:
    """Returns parameters of a flow whose codes are nearly of N(mean, covariance).

    All layers work in the basis of the principal components, and each stretches them by
    the same factors. Standard deviations are limited to what a flow can reach: a factor
    of e in a layer.

    Args:
      key: of the networks, which have little effect yet.
      mean: f[Z].
      covariance: f[Z, Z].
      config: shape of the flow.
    """
    count = config.flow_layers
    _, components = np.linalg.eigh(covariance)
    # Large and small ones in both halves.
    components = np.concatenate([components[:, ::2], components[:, 1::2]], axis=1)
    free = free_parameters(components)
    basis = np.asarray(orthonormal_bases(jnp.asarray(free, jnp.float32)), np.float64)
    deviations = np.sqrt(np.diag(basis.T @ covariance @ basis))
    scales = np.arctanh(np.clip(np.log(deviations) / count, -_MOST_SCALE, _MOST_SCALE))
    shifts = np.zeros((count, config.latent_size))
    shifts[-1] = mean @ basis
    biases = np.concatenate(
        [
            np.broadcast_to(scales, shifts.shape).reshape(count, 2, -1),
            shifts.reshape(count, 2, -1),
        ],
        axis=-1,
    )
    params = init_flow(key, config=config)
    coupling = dict(params["coupling"])
    last = max(coupling)
    coupling[last] = coupling[last] | {"bias": jnp.asarray(biases, jnp.float32)}
    bases = jnp.broadcast_to(jnp.asarray(free, jnp.float32), params["basis"].shape)
    return {"coupling": coupling, "basis": bases}


def to_codes(params: Any, latents: jax.Array, *, config: ModelConfig) -> jax.Array:
    """Maps latents f32[N, Z] to codes f32[N, Z], each by itself.

    Args:
      params: of `init_flow`.
      latents: f32[N, Z]; if they are of N(0, I), codes are distributed as the flow has
        learned.
      config: shape of the flow.
    """

    def layer(x: jax.Array, params: tuple[Any, jax.Array]) -> tuple[jax.Array, None]:
        couplings, basis = params
        a, b = _halves(x, basis)
        scale, shift = _scale_and_shift(couplings, 0, b, config)
        a = a * jnp.exp(scale) + shift
        scale, shift = _scale_and_shift(couplings, 1, a, config)
        b = b * jnp.exp(scale) + shift
        return _joined(a, b, basis), None

    return jax.lax.scan(layer, latents, _layers(params))[0]


def to_latents(
    params: Any, codes: jax.Array, *, config: ModelConfig
) -> tuple[jax.Array, jax.Array]:
    """Maps codes to latents: the inverse of `to_codes`.

    Args:
      params: of `init_flow`.
      codes: f32[N, Z].
      config: shape of the flow.

    Returns:
      Latents f32[N, Z], and the logarithm of the change of volume f32[N]: the log
      density of a code is that of N(0, I) at its latent, plus this.
    """

    def layer(
        carry: tuple[jax.Array, jax.Array], params: tuple[Any, jax.Array]
    ) -> tuple[tuple[jax.Array, jax.Array], None]:
        x, log_volume = carry
        couplings, basis = params
        a, b = _halves(x, basis)
        scale_b, shift = _scale_and_shift(couplings, 1, a, config)
        b = (b - shift) * jnp.exp(-scale_b)
        scale_a, shift = _scale_and_shift(couplings, 0, b, config)
        a = (a - shift) * jnp.exp(-scale_a)
        log_volume -= scale_a.sum(axis=-1) + scale_b.sum(axis=-1)
        return (_joined(a, b, basis), log_volume), None

    start = (codes, jnp.zeros(codes.shape[:-1]))
    return jax.lax.scan(layer, start, _layers(params), reverse=True)[0]


def _layers(params: Any) -> tuple[Any, jax.Array]:
    """Returns the couplings of all layers, and their bases f32[L, Z, Z]."""
    return params["coupling"], orthonormal_bases(params["basis"])


def _scale_and_shift(
    couplings: Any, half: int, x: jax.Array, config: ModelConfig
) -> tuple[jax.Array, jax.Array]:
    """Returns the log scale and the shift of one half, from the other half x."""
    params = jax.tree.map(lambda leaf: leaf[half], couplings)
    output = _coupling(config).apply({"params": params}, x)
    scale, shift = jnp.split(output, 2, axis=-1)
    # A factor of at most e in a layer, so that the inverse stays accurate.
    return jnp.tanh(scale), shift


def _coupling(config: ModelConfig) -> layers.Perceptron:
    return layers.Perceptron(config.flow_hidden, config.latent_size)


def _halves(x: jax.Array, basis: jax.Array) -> list[jax.Array]:
    return jnp.split(jnp.matmul(x, basis, precision="highest"), 2, axis=-1)


def _joined(a: jax.Array, b: jax.Array, basis: jax.Array) -> jax.Array:
    x = jnp.concatenate([a, b], axis=-1)
    return jnp.matmul(x, basis.T, precision="highest")
