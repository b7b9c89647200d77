"""Adversarial losses, gradient penalties, the normality penalty, the encoder's terms.

All are pure functions of logits, latents or frames. Three tables name those that a
config can choose: `ADVERSARIAL`, `LATENT_TERMS` and `ENCODER_TERMS`.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.nn import softplus

from duralava.config import LossConfig

Discriminator = Callable[[jax.Array], jax.Array]
"""f32[T, B, H, W, 3] -> logits f32[T, B], or f32[N, H, W, 3] -> logits f32[N]."""


class Logits(NamedTuple):
    """Logits of real and of generated clips, f32[T, B], or windows, f32[N]."""

    real: jax.Array
    fake: jax.Array


def bce_losses(logits: Logits) -> tuple[jax.Array, jax.Array]:
    """Binary cross-entropy, non-saturating (Goodfellow et al. 2014), mean over logits.

    Returns:
      Discriminator's and generator's loss, f32[] each; both log 2 where logits are 0
      (the discriminator's is the mean over real and generated clips).
    """
    discriminator = softplus(-logits.real).mean() + softplus(logits.fake).mean()
    return discriminator / 2, softplus(-logits.fake).mean()


def relativistic_losses(logits: Logits) -> tuple[jax.Array, jax.Array]:
    """Relativistic pairing loss (Jolicoeur-Martineau 2019; R3GAN, Huang et al. 2024).

    Each logit of a generated picture is paired with that of a real one.

    Returns:
      Discriminator's and generator's loss, f32[] each; both log 2 where the logits of
      real and generated clips are equal.
    """
    margin = logits.real - logits.fake
    return softplus(-margin).mean(), softplus(margin).mean()


def exact_gradient_penalty(
    discriminator: Discriminator, clips: jax.Array, signs: jax.Array
) -> jax.Array:
    """Zero-centred gradient penalty |dD/dclip|^2 (Mescheder et al. 2018: R1, R2).

    The squared gradient of each logit with respect to the whole clip, averaged over
    steps and clips. One backward pass is enough for all steps: with random signs on
    the logits, their cross terms vanish in expectation (Hutchinson 1989).

    Args:
      discriminator: logits of clips; each clip is scored by itself.
      clips: f32[T, B, H, W, 3].
      signs: 1 or -1 at random for each logit, [T, B].

    Returns:
      f32[].
    """
    logits, pullback = jax.vjp(discriminator, clips)
    (gradient,) = pullback(signs.astype(logits.dtype))
    return jnp.sum(jnp.square(gradient)) / logits.size


def finite_difference_penalty(
    logits: jax.Array, noisy_logits: jax.Array, noise_std: float
) -> jax.Array:
    """Estimates the gradient penalty from the logits of clips with added noise.

    For noise n of standard deviation s, E (D(x + n) - D(x))^2 = s^2 |dD/dx|^2 to
    first order; no double backward (Lin et al. 2025, Seaweed-APT, equation 3).

    Args:
      logits: D(x), f32[T, B].
      noisy_logits: D(x + n), f32[T, B].
      noise_std: s, in units of the clip.

    Returns:
      f32[], an estimate of `exact_gradient_penalty`.
    """
    return jnp.mean(jnp.square((noisy_logits - logits) / noise_std))


def normality_penalty(latents: jax.Array) -> tuple[jax.Array, dict[str, jax.Array]]:
    """How far latents are from independent standard-normal values.

    For each dimension, over steps and clips, `mean^2 + (std - 1)^2 + skewness^2 +
    (kurtosis - 3)^2`, averaged over dimensions; plus the squared correlations of a
    dimension with all others, summed, averaged over dimensions. The moments detect a
    constant dimension, the correlations detect a copied one. (Covariances in place of
    correlations would shrink all dimensions, because the covariances of a small batch
    are never zero.)

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
    # The small constant keeps the gradient of a constant dimension finite.
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
    """Unbiased distance of the codes of a film from N(0, I), in two moments.

    `|E z|^2 / Z + |E zz' - I|^2 / Z`, where squares of expectations are means of
    products over pairs of different clips: z.y for the first, (z.y)^2 for the second
    (a maximum mean discrepancy with a polynomial kernel, Gretton et al. 2012, as in
    Tolstikhin et al. 2018). A penalty on the moments of the batch itself would be large
    for the true distribution too, because a batch shows only a few lamps, and smallest
    for codes that contain no information.

    Args:
      codes: f32[N, B, Z], N moments of each of B clips, B at least 2.

    Returns:
      f32[]; sampling can make it negative.
    """
    count, size = codes.shape[1:]
    products = jnp.einsum("nbz,mcz->nmbc", codes, codes)
    different = 1 - jnp.eye(count)
    pairs = products.shape[0] ** 2 * count * (count - 1)
    first = jnp.sum(products * different) / pairs
    second = jnp.sum(jnp.square(products) * different) / pairs
    square_norm = jnp.mean(jnp.sum(jnp.square(codes), axis=-1))
    return (first + second - 2 * square_norm + size) / size


def frame_error(generated: jax.Array, film: jax.Array) -> jax.Array:
    """Mean of `(|d| + d^2) / 2` over the differences d of frames of one shape, f32[].

    The absolute value gives sharp edges. The square has a useful gradient from the
    start: where wax covers a pixel less than half of the time, the median is no wax.
    """
    difference = jnp.abs(generated - film)
    return jnp.mean(difference * (1 + difference)) / 2


def slope_error(generated: jax.Array, film: jax.Array) -> jax.Array:
    """Mean absolute error of the differences of neighbouring pixels, f32[].

    Where two bodies of wax meet, a crease changes few colours, but many slopes.

    Args:
      generated: f32[..., H, W, 3].
      film: of the same shape.
    """
    difference = generated - film
    down, across = (jnp.diff(difference, axis=axis) for axis in (-3, -2))
    return (jnp.abs(down).mean() + jnp.abs(across).mean()) / 2


def change_error(generated: jax.Array, film: jax.Array) -> jax.Array:
    """Mean squared error of the change from each step to the next, f32[].

    The errors of a generator are nearly equal from step to step, so flicker contributes
    little to `frame_error`. If errors e follow e' = r e + noise, their likelihood
    weights `(e' - r e)^2` by 1 / (1 - r^2) against the error of one frame: for slow
    film, whose r is near 1, by a factor of ten and more.

    Args:
      generated: f32[T, B, H, W, 3], consecutive steps, at least 2.
      film: of the same shape.
    """
    return jnp.mean(jnp.square(jnp.diff(generated, axis=0) - jnp.diff(film, axis=0)))


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


def ends(frames: jax.Array) -> jax.Array:
    """Returns the first and the last of at least two frames [N, ...]."""
    return frames[:: len(frames) - 1]


ADVERSARIAL = {"relativistic": relativistic_losses, "bce": bce_losses}
"""The values that `LossConfig.adversarial` can take."""


class EncodedClips(NamedTuple):
    """What a term of `ENCODER_TERMS` is a function of.

    Attributes:
      frames: some frames of each clip, the first and the last among them,
        f32[N, B, H, W, 3].
      mean: of their posterior, f32[N, B, Z].
      log_std: of their posterior, f32[N, B, Z].
      codes: samples of the posterior, f32[N, B, Z].
      log_density: of these codes under the flow, up to a constant, f32[N, B]; its
        gradient reaches the flow alone.
      decoded: frames generated from the first and the last code, f32[2, B, H, W, 3].
      rollout: frames generated in a window of the rollout from the first code,
        f32[R, B, H, W, 3].
      film: frames of the clip at the same steps, f32[R, B, H, W, 3].
      views: windows generated from the first and the last code, f32[2, B, H, W, 3].
      film_views: the same windows of the film, f32[2, B, H, W, 3].
    """

    frames: jax.Array
    mean: jax.Array
    log_std: jax.Array
    codes: jax.Array
    log_density: jax.Array
    decoded: jax.Array
    rollout: jax.Array
    film: jax.Array
    views: jax.Array
    film_views: jax.Array


@dataclasses.dataclass(frozen=True)
class Term:
    """A term of the generator's loss.

    Attributes:
      compute: returns the term f32[] before it is weighted.
      weight: field of `LossConfig` that holds its weight; empty for a term whose weight
        is in `LossConfig.extra_weights`, by its name.
    """

    compute: Callable[..., jax.Array]
    weight: str = ""


LATENT_TERMS = {
    "normality": Term(
        lambda latents: normality_penalty(latents)[0], "normality_weight"
    ),
}
"""Terms that are functions of the latents of a rollout, f32[T, B, Z]."""

ENCODER_TERMS = {
    "reconstruction": Term(
        lambda clips: frame_error(clips.decoded, ends(clips.frames)),
        "reconstruction_weight",
    ),
    "window": Term(
        lambda clips: frame_error(clips.views, clips.film_views), "window_weight"
    ),
    "slope": Term(
        lambda clips: (
            slope_error(clips.decoded, ends(clips.frames))
            + slope_error(clips.rollout, clips.film)
            + slope_error(clips.views, clips.film_views)
        ),
        "slope_weight",
    ),
    "rollout": Term(
        lambda clips: frame_error(clips.rollout, clips.film), "rollout_weight"
    ),
    "change": Term(
        lambda clips: change_error(clips.rollout, clips.film), "change_weight"
    ),
    "code_divergence": Term(
        lambda clips: normal_divergence(clips.mean, clips.log_std),
        "code_divergence_weight",
    ),
    "code_normality": Term(
        lambda clips: moment_distance(clips.codes), "code_normality_weight"
    ),
    "flow": Term(
        lambda clips: -clips.log_density.mean() / clips.codes.shape[-1], "flow_weight"
    ),
}
"""Terms that are functions of `EncodedClips`; one with a weight trains an encoder."""


def weighted_sum(
    terms: Mapping[str, Term], argument: object, *, config: LossConfig
) -> tuple[jax.Array, dict[str, jax.Array]]:
    """Returns the weighted sum f32[] of terms, and `loss/NAME` of each, f32[].

    Args:
      terms: `LATENT_TERMS` or `ENCODER_TERMS`.
      argument: what they are functions of.
      config: their weights; a term whose weight is zero is left out of the sum.
    """
    values = {name: term.compute(argument) for name, term in terms.items()}
    weights = {name: weight(name, term, config) for name, term in terms.items()}
    total = sum((w * values[name] for name, w in weights.items() if w), jnp.zeros(()))
    return total, {f"loss/{name}": value for name, value in values.items()}


def weight(name: str, term: Term, config: LossConfig) -> float:
    """Returns the weight of a term."""
    if term.weight:
        return getattr(config, term.weight)
    return dict(config.extra_weights).get(name, 0.0)


def has_weight(terms: Mapping[str, Term], *, config: LossConfig) -> bool:
    """Whether any of the terms has a weight above 0.

    If any of `ENCODER_TERMS` has one, an encoder is trained.

    Raises:
      ValueError: `config.extra_weights` names a term that is in neither table.
    """
    known = [*LATENT_TERMS, *ENCODER_TERMS]
    unknown = [name for name, _ in config.extra_weights if name not in known]
    if unknown:
        raise ValueError(
            f"loss.extra_weights names {', '.join(unknown)}; the terms are "
            f"{', '.join(known)}"
        )
    return any(weight(name, term, config) > 0 for name, term in terms.items())
