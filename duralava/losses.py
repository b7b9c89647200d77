"""Adversarial losses, gradient penalties and the penalty that keeps latents normal.

All are pure functions of logits or latents; `train_step` puts them together.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.nn import softplus

Discriminator = Callable[[jax.Array], jax.Array]
"""f32[T, B, H, W, 3] -> logits f32[T, B]."""


class Logits(NamedTuple):
    """What the discriminator says of film and of generated clips, f32[T, B] each."""

    real: jax.Array
    fake: jax.Array


def bce_losses(logits: Logits) -> tuple[jax.Array, jax.Array]:
    """Binary cross-entropy, non-saturating (Goodfellow et al. 2014), mean over logits.

    Returns:
      Discriminator's and generator's loss, f32[] each; both log 2 where logits are 0
      (the discriminator's is the mean over both kinds of clip).
    """
    discriminator = softplus(-logits.real).mean() + softplus(logits.fake).mean()
    return discriminator / 2, softplus(-logits.fake).mean()


def relativistic_losses(logits: Logits) -> tuple[jax.Array, jax.Array]:
    """Relativistic pairing loss (Jolicoeur-Martineau 2019; R3GAN, Huang et al. 2024).

    Each step of a generated clip is compared with the same step of a real one.

    Returns:
      Discriminator's and generator's loss, f32[] each; both log 2 where it cannot
      tell them apart.
    """
    margin = logits.real - logits.fake
    return softplus(-margin).mean(), softplus(margin).mean()


def exact_gradient_penalty(
    discriminator: Discriminator, clips: jax.Array, signs: jax.Array
) -> jax.Array:
    """Zero-centred gradient penalty |dD/dclip|^2 (Mescheder et al. 2018: R1, R2).

    The squared gradient of each logit with respect to the whole clip, averaged over
    steps and clips. One backward pass serves all steps: with random signs in front
    of the logits, their cross terms vanish in expectation (Hutchinson 1989).

    Args:
      discriminator: logits of clips; each clip judged by itself.
      clips: f32[T, B, H, W, 3].
      signs: 1 or -1 by chance for each logit, [T, B].

    Returns:
      f32[].
    """
    logits, pullback = jax.vjp(discriminator, clips)
    (gradient,) = pullback(signs.astype(logits.dtype))
    return jnp.sum(jnp.square(gradient)) / logits.size


def finite_difference_penalty(
    logits: jax.Array, noisy_logits: jax.Array, noise_std: float
) -> jax.Array:
    """Estimates the gradient penalty from logits of clips with a little noise.

    For noise n of standard deviation s, E (D(x + n) - D(x))^2 = s^2 |dD/dx|^2 to
    first order; no double backward (Lin et al. 2025, Seaweed-APT, equation 3).

    Args:
      logits: D(x), f32[T, B].
      noisy_logits: D(x + n), f32[T, B].
      noise_std: s, in units of the clip.

    Returns:
      f32[], in expectation what `exact_gradient_penalty` gives.
    """
    return jnp.mean(jnp.square((noisy_logits - logits) / noise_std))


def normality_penalty(latents: jax.Array) -> tuple[jax.Array, dict[str, jax.Array]]:
    """How far latents are from independent standard-normal values.

    For each dimension, over steps and clips, `mean^2 + (std - 1)^2 + skewness^2 +
    (kurtosis - 3)^2`, averaged over dimensions; plus the squared correlations of a
    dimension with all others, summed, averaged over dimensions. The moments of single
    dimensions see a dead one, the correlation sees a copied one. (Covariances in its
    place would shrink all dimensions, for those of a small batch are never zero.)

    Args:
      latents: f32[T, B, Z].

    Returns:
      The penalty f32[], and `mean`, `std`, `skewness`, `kurtosis` averaged over
      dimensions and the root mean square `correlation` of two dimensions, f32[] each.
    """
    samples = latents.reshape(-1, latents.shape[-1])
    count, size = samples.shape
    mean = samples.mean(axis=0)
    centred = samples - mean
    variance = jnp.mean(jnp.square(centred), axis=0)
    # A dead dimension has no shape: the small constant keeps its gradient finite.
    std = jnp.sqrt(variance + 1e-6)
    standard = centred / std
    skewness = jnp.mean(standard**3, axis=0)
    kurtosis = jnp.mean(standard**4, axis=0)
    correlation = standard.T @ standard / count
    between = jnp.sum(jnp.square(correlation * (1 - jnp.eye(size))))
    moments = mean**2 + (std - 1) ** 2 + skewness**2 + (kurtosis - 3) ** 2
    return moments.mean() + between / size, {
        "mean": mean.mean(),
        "std": std.mean(),
        "skewness": skewness.mean(),
        "kurtosis": kurtosis.mean(),
        "correlation": jnp.sqrt(between / max(size * (size - 1), 1)),
    }


def moment_distance(codes: jax.Array) -> jax.Array:
    """Unbiased estimate of how far codes of film are from N(0, I) in two moments.

    `|E z|^2 / Z + |E zz' - I|^2 / Z`, where squares of expectations are means of
    products over pairs of different clips: z.y for the first, (z.y)^2 for the second
    (a maximum mean discrepancy with a polynomial kernel, Gretton et al. 2012, as in
    Tolstikhin et al. 2018). A penalty on the moments of the batch itself would be large
    for the true distribution too, for a batch shows only a few lamps, and least for
    codes that say nothing.

    Args:
      codes: f32[N, B, Z], N moments of each of B clips, B at least 2.

    Returns:
      f32[], below zero by chance.
    """
    count, size = codes.shape[1:]
    products = jnp.einsum("nbz,mcz->nmbc", codes, codes)
    apart = 1 - jnp.eye(count)
    pairs = products.shape[0] ** 2 * count * (count - 1)
    first = jnp.sum(products * apart) / pairs
    second = jnp.sum(jnp.square(products) * apart) / pairs
    square_norm = jnp.mean(jnp.sum(jnp.square(codes), axis=-1))
    return (first + second - 2 * square_norm + size) / size


def frame_error(drawn: jax.Array, film: jax.Array) -> jax.Array:
    """Mean of `(|d| + d^2) / 2` over the differences d of frames of one shape, f32[].

    The absolute value gives clear edges; the square has a direction from the start,
    where wax covers a pixel less than half of the time and the median is no wax.
    """
    difference = jnp.abs(drawn - film)
    return jnp.mean(difference * (1 + difference)) / 2


def change_error(drawn: jax.Array, film: jax.Array) -> jax.Array:
    """Mean squared error of the change from each step to the next, f32[].

    What a generator draws wrongly is nearly the same from step to step, and flicker is
    as nothing beside it. If errors e are a process e' = r e + noise, their likelihood
    weights `(e' - r e)^2` by 1 / (1 - r^2) against the error of one frame: for slow
    film, whose r is near 1, by ten and more.

    Args:
      drawn: f32[T, B, H, W, 3], consecutive steps, at least 2.
      film: of the same shape.
    """
    return jnp.mean(jnp.square(jnp.diff(drawn, axis=0) - jnp.diff(film, axis=0)))


def normal_divergence(mean: jax.Array, log_std: jax.Array) -> jax.Array:
    """Kullback-Leibler divergence of N(mean, std^2) from N(0, 1).

    Args:
      mean: f32[..., Z].
      log_std: f32[..., Z].

    Returns:
      f32[], nats per latent dimension, averaged over all (Kingma & Welling 2014,
      appendix B).
    """
    variance = jnp.exp(2 * log_std)
    return 0.5 * jnp.mean(jnp.square(mean) + variance - 1 - 2 * log_std)
