"""Classifier two-sample test: whether a network can tell generated frames from film.

A small convolutional network is trained from scratch to tell film from the frames of a
contender, and then tested on lamps that it was not trained on (Lopez-Paz & Oquab 2017).
Its result is the area under the curve of receiver operating characteristics (AUC): the
probability that of a pair of pictures it finds the generated one, 0.5 if it cannot tell
them apart.

The `exact` form shows the network the pictures as they are. It detects differences that
no eye sees: it reaches 1 for film that is blurred by a Gaussian of 0.4 pixels. In the
`eye` form, pictures of both sides are blurred, tinted and covered with noise at random,
anew each time (`disturb`). What is left to tell are shapes, creases, broken blobs,
strong blur and, in clips, motion.
"""

import dataclasses
import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import scipy.stats

from duralava import compilation, draws, models
from duralava.evaluation.distances import Estimate
from duralava.models import convolution

_SEED = 30
_CHANNELS = {32: 24, 16: 48, 8: 96, 4: 96}  # by height and width of a layer's map
_SMALLEST = 4
_HIDDEN = 64
_BATCH = 16  # pictures of each side in a training step
_DRAWS = 40  # pictures drawn from each clip during training
_LEARNING_RATE = 2e-3
_WEIGHT_DECAY = 1e-2
_LEFT_OUT = 0.1  # share of clips, in the middle, that are in neither half
_MOMENTS = 4  # of each clip that are tested
_GROUPS = 20  # of the jackknife

_LEAST_BLUR, _MOST_BLUR = 0.3, 1.0  # pixels
_BLUR_REACH = 3  # pixels
_COLOUR_SPREAD = 0.04  # standard deviation, of colours and light
_NOISE = 6 / 127.5  # standard deviation, in units of [-1, 1]


@dataclasses.dataclass(frozen=True)
class View:
    """What the network sees of a clip.

    Attributes:
      frames: number K of frames that it sees together, 1 for single pictures.
      spacing: steps from one of them to the next, fewer in a short clip.
      disturbed: whether the pictures are disturbed: the `eye` form.
    """

    frames: int = 1
    spacing: int = 2
    disturbed: bool = True


def area_under_curve(positive: np.ndarray, negative: np.ndarray) -> float:
    """Returns the probability that a positive score exceeds a negative one.

    Ties count half (the statistic of Mann & Whitney 1947, as a share of all pairs).

    Args:
      positive: scores f[N].
      negative: scores f[M].
    """
    ranks = scipy.stats.rankdata(np.concatenate([positive, negative]))
    count = len(positive)
    above = ranks[:count].sum() - count * (count + 1) / 2
    return float(above / (count * len(negative)))


def disturb(pictures: jax.Array, key: jax.Array) -> jax.Array:
    """Blurs, tints and lights pictures at random, and adds noise.

    Each picture is blurred by a Gaussian of 0.3 to 1 pixels. Each of its colours is
    multiplied by 1 + 0.04 x and its brightness moved by 0.04 x of the range, and each
    value gets noise of 6 grey levels, with x of N(0, 1). Frames that are seen
    together have blur, colour and light in common.

    Args:
      pictures: f32[B, K, H, W, 3] in [-1, 1], K frames seen together.
      key: of all random numbers.
    """
    keys = jax.random.split(key, 4)
    count = len(pictures)
    sigma = jax.random.uniform(keys[0], (count,), minval=_LEAST_BLUR, maxval=_MOST_BLUR)
    gain = 1 + _COLOUR_SPREAD * draws.normal(keys[1], (count, 1, 1, 1, 3))
    light = 2 * _COLOUR_SPREAD * draws.normal(keys[2], (count, 1, 1, 1, 1))
    pictures = (blur(pictures, sigma) + 1) * gain - 1 + light
    return pictures + _NOISE * _noise(keys[3], pictures.shape)


def blur(pictures: jax.Array, sigma: jax.Array) -> jax.Array:
    """Blurs pictures f32[B, K, H, W, 3] by Gaussians of sigma f32[B] pixels.

    Weights beyond the borders are left out. Each axis is a product with a matrix.
    """
    count, frames, height, width, colours = pictures.shape
    rows, columns = (_gaussians(sigma, length) for length in (height, width))
    pictures = pictures.reshape(count, frames, height, width * colours)
    pictures = jnp.einsum("bij,bkjx->bkix", rows, pictures)
    pictures = pictures.reshape(count, frames, height, width, colours)
    return jnp.einsum("bij,bkyjc->bkyic", columns, pictures)


def _gaussians(sigma: jax.Array, length: int) -> jax.Array:
    """Returns matrices f32[B, length, length] whose rows are normalised Gaussians."""
    distance = np.abs(np.subtract.outer(np.arange(length), np.arange(length)))
    weights = jnp.exp(-0.5 * jnp.square(distance / sigma[:, None, None]))
    weights = jnp.where(distance <= _BLUR_REACH, weights, 0)
    return weights / weights.sum(axis=-1, keepdims=True)


def _noise(key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """Returns nearly normal noise of variance 1: the sum of four random bytes.

    It takes a quarter of the time of `draws.normal`.
    """
    bits = draws.bits(key, shape)
    total = sum(((bits >> shift) & 255).astype(jnp.float32) for shift in (0, 8, 16, 24))
    return (total - 4 * 255 / 2) / math.sqrt(4 * (256**2 - 1) / 12)


def two_sample_auc(film: np.ndarray, other: np.ndarray, view: View) -> Estimate:
    """Trains the network on one half of the clips and tests it on the other half.

    Clips are in the order of their lamps, so the halves show different lamps. The tenth
    of the clips between them, which may show a lamp of both, is left out. The budget is
    fixed: 40 pictures are drawn of each clip, and the seed is always the same.

    Args:
      film: clips u8[T, N, H, W, 3]; H and W are a power of two, at least 8.
      other: clips of the contender, of the same shape.
      view: what the network sees of them.

    Returns:
      AUC, with the 95 % interval of a jackknife over groups of neighbouring test clips
      (of the test alone: another training gives another network).
    """
    spacing = max(1, min(view.spacing, (len(film) - 1) // max(1, view.frames - 1)))
    view = dataclasses.replace(view, spacing=spacing)
    count = film.shape[1]
    size = round(count * (1 - _LEFT_OUT) / 2)
    key = jax.random.key(_SEED)
    network = _init(jax.random.fold_in(key, 0), film.shape[2], 3 * view.frames)
    network = _train(
        network,
        film[:, :size],
        other[:, :size],
        jax.random.fold_in(key, 1),
        view=view,
        num_steps=math.ceil(_DRAWS * size / _BATCH),
    )
    scores = [
        _score(network, side[:, -size:], jax.random.fold_in(key, number), view)
        for number, side in enumerate((other, film), 2)
    ]
    return _estimate(*scores)


def _estimate(other: np.ndarray, film: np.ndarray) -> Estimate:
    """Returns the AUC of scores f[M, N] of N clips each, with its interval."""
    count = other.shape[1]
    groups = np.arange(count) * min(_GROUPS, count) // count
    whole = area_under_curve(other.ravel(), film.ravel())
    parts = np.array(
        [
            area_under_curve(
                *(side[:, groups != group].ravel() for side in (other, film))
            )
            for group in np.unique(groups)
        ]
    )
    variance = (len(parts) - 1) * np.mean(np.square(parts - parts.mean()))
    reach = scipy.stats.t.ppf(0.975, len(parts) - 1) * math.sqrt(variance)
    return Estimate(whole, whole - reach, whole + reach)


def _init(key: jax.Array, size: int, channels: int) -> Any:
    """Returns the parameters of a network for pictures f32[H, W, C]."""
    layers = []
    while size > _SMALLEST:
        size //= 2
        outputs = _CHANNELS[min(size, max(_CHANNELS))]
        shape = (4, 4, channels, outputs)
        layers.append(_init_layer(jax.random.fold_in(key, size), shape))
        channels = outputs
    hidden = _init_layer(jax.random.fold_in(key, 1), (size * channels, _HIDDEN))
    return layers, hidden, _init_layer(jax.random.fold_in(key, 0), (_HIDDEN, 1))


def _init_layer(key: jax.Array, shape: tuple[int, ...]) -> tuple[jax.Array, jax.Array]:
    scale = math.sqrt(2 / math.prod(shape[:-1]))
    return scale * draws.normal(key, shape), jnp.zeros(shape[-1])


def _logits(network: Any, pictures: jax.Array) -> jax.Array:
    """Pictures f32[B, K, H, W, 3] -> logits f32[B] that they are not film.

    The last map is averaged over its columns. It keeps its rows, because a lamp is not
    the same at all heights. A network that kept its columns as well would learn film by
    heart, instead of what tells it from other film.
    """
    count, _, height, width, _ = pictures.shape
    x = pictures.transpose(0, 2, 3, 1, 4).reshape(count, height, width, -1)
    layers, (weight, bias), (last_weight, last_bias) = network
    for kernel, offset in layers:
        x = jax.nn.leaky_relu(convolution.downsample(x, kernel) + offset, 0.2)
    x = x.mean(axis=2).reshape(count, -1)
    x = jax.nn.leaky_relu(x @ weight + bias, 0.2)
    return (x @ last_weight + last_bias)[:, 0]


def _pictures(
    clips: jax.Array, moments: jax.Array, index: jax.Array, view: View, key: jax.Array
) -> jax.Array:
    """Returns what is seen f32[B, K, H, W, 3] of clips i32[B] at moments i32[B]."""
    steps = moments[:, None] + view.spacing * np.arange(view.frames)
    pictures = models.from_uint8(clips[steps, index[:, None]])
    return disturb(pictures, key) if view.disturbed else pictures


@functools.partial(compilation.jit, static_argnames=("view", "num_steps"))
def _train(
    network: Any,
    film: jax.Array,
    other: jax.Array,
    key: jax.Array,
    *,
    view: View,
    num_steps: int,
) -> Any:
    """Trains a network on all moments of clips u8[T, N, H, W, 3]."""
    schedule = optax.cosine_onecycle_schedule(num_steps, _LEARNING_RATE, 0.2)
    optimizer = optax.adamw(schedule, b2=0.99, weight_decay=_WEIGHT_DECAY)
    num_moments = len(film) - view.spacing * (view.frames - 1)

    def draw(clips: jax.Array, key: jax.Array) -> jax.Array:
        keys = jax.random.split(key, 3)
        moments = jax.random.randint(keys[0], (_BATCH,), 0, num_moments)
        index = jax.random.randint(keys[1], (_BATCH,), 0, clips.shape[1])
        return _pictures(clips, moments, index, view, keys[2])

    def loss(network: Any, pictures: jax.Array) -> jax.Array:
        logits = _logits(network, pictures)
        return jax.nn.softplus(
            jnp.concatenate([logits[:_BATCH], -logits[_BATCH:]])
        ).mean()

    def step(carry: Any, number: jax.Array) -> tuple[Any, None]:
        network, state = carry
        keys = jax.random.split(jax.random.fold_in(key, number))
        pictures = jnp.concatenate([draw(film, keys[0]), draw(other, keys[1])])
        gradients = jax.grad(loss)(network, pictures)
        changes, state = optimizer.update(gradients, state, network)
        return (optax.apply_updates(network, changes), state), None

    start = network, optimizer.init(network)
    (network, _), _ = jax.lax.scan(step, start, jnp.arange(num_steps))
    return network


def _score(network: Any, clips: np.ndarray, key: jax.Array, view: View) -> np.ndarray:
    """Returns logits f32[M, N] of M moments of clips u8[T, N, H, W, 3]."""
    last = len(clips) - 1 - view.spacing * (view.frames - 1)
    moments = np.linspace(0, last, min(_MOMENTS, last + 1)).round().astype(int)
    index = np.arange(clips.shape[1])
    return np.stack(
        [
            _score_pictures(
                network,
                clips,
                np.full(len(index), moment),
                index,
                jax.random.fold_in(key, moment),
                view=view,
            )
            for moment in moments
        ]
    )


@functools.partial(compilation.jit, static_argnames="view")
def _score_pictures(
    network: Any,
    clips: jax.Array,
    moments: jax.Array,
    index: jax.Array,
    key: jax.Array,
    *,
    view: View,
) -> jax.Array:
    return _logits(network, _pictures(clips, moments, index, view, key))
