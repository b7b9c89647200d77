"""Features of clips that need no download.

Every extractor turns clips u8[T, N, H, W, 3] into f32[N, D], a row for each clip. The
convolutional extractors have random kernels, which distinguish distributions about as
well as trained kernels do (Sarafijanovic-Djukic & Davis 2019; Betzalel et al. 2022). A
fixed seed makes them the same on every machine. Histograms are square roots of shares:
the random error of a square root is about the same for large and for small shares.
"""

import functools
import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from duralava import compilation, draws, models
from duralava.evaluation import motion

_SEED = 20
_CHANNELS = (32, 64, 64)
_SMALLEST = 8  # height and width of the last layer's map
_LAYOUT_FEATURES = 96  # that depend on where in the picture something is
_COLOUR_BINS = 16  # of each colour channel
_JOINT_BINS = 4  # of each channel, in the joint histogram of all three
_LAG = 3  # steps between two frames whose motion is measured
_BLOCK, _SEARCH = 8, 6  # pixels of a 64x64 frame
_DIRECTIONS = 8
_SPEED_EDGES = (0.25, 0.5, 1.0, 2.0, 4.0)  # pixels of a 64x64 frame, per lag
_AT_ONCE = 16  # clips whose features are extracted together

_LEAST_SPREAD = 0.3  # of a feature, relative to the root mean square of all features

Extractor = Callable[[jax.Array], jax.Array]
"""Clips u8[T, N, H, W, 3] -> features f32[N, D]."""


class Scale(NamedTuple):
    """How features are scaled: `(feature - mean) / divisor`, each f[D]."""

    mean: np.ndarray
    divisor: np.ndarray


def random_conv_frames(clips: jax.Array) -> jax.Array:
    """Random convolutional features of each clip's first frame."""
    frames = models.from_uint8(clips[0])
    return _random_features(frames[:, None], kernel_steps=1)


def random_conv_clips(clips: jax.Array) -> jax.Array:
    """Random space-time convolutional features of each clip.

    Half of the first layer's kernels sum to zero over time: they detect change only.
    """
    return _random_features(models.from_uint8(clips).swapaxes(0, 1), kernel_steps=3)


def colour_histogram(clips: jax.Array) -> jax.Array:
    """Histograms of red, green and blue and their joint histogram, over all frames."""
    pixels = clips.swapaxes(0, 1).reshape(clips.shape[1], -1, 3)
    each = pixels // (256 // _COLOUR_BINS) + _COLOUR_BINS * jnp.arange(3)
    joint = (pixels // (256 // _JOINT_BINS)).astype(jnp.int32)
    joint = joint @ jnp.array([_JOINT_BINS**2, _JOINT_BINS, 1])
    count = jax.vmap(_histogram, in_axes=(0, None))
    each = count(each.reshape(len(pixels), -1), 3 * _COLOUR_BINS)
    joint = count(joint, _JOINT_BINS**3)
    return jnp.concatenate([each, joint], axis=-1)


def radial_spectrum(clips: jax.Array) -> jax.Array:
    """Logarithm of the power at each spatial frequency.

    The power is that of the brightness under a Hann window, averaged over frames and
    directions: over rings of width 1, at 1 to H / 2 cycles per picture.
    """
    size = clips.shape[2]
    grey = models.from_uint8(clips).mean(axis=-1)
    window = np.hanning(size)[:, None] * np.hanning(size)
    grey = (grey - grey.mean(axis=(2, 3), keepdims=True)) * window
    power = jnp.square(jnp.abs(jnp.fft.fft2(grey))).mean(axis=0)
    frequency = np.fft.fftfreq(size, 1 / size)
    radius = np.rint(np.hypot(frequency[:, None], frequency)).astype(int)
    rings = [power[:, radius == r].mean(axis=-1) for r in range(1, size // 2 + 1)]
    # A black picture has no power. The power of rounding errors is the floor.
    return jnp.log(jnp.stack(rings, axis=-1) + size**2 / 127.5**2 / 12)


def motion_histogram(clips: jax.Array) -> jax.Array:
    """Histogram of the directions and speeds of motion.

    Blocks of brightness are matched over three steps. Of the blocks with a reliable
    motion, the features are the share that rests, and the shares that move in each of
    eight directions at five speeds. FVMD (Liu et al. 2024) does the same with tracked
    points.
    """
    count, size = clips.shape[1:3]
    moments = clips[:: min(_LAG, len(clips) - 1)].mean(axis=-1, keepdims=True)
    first, second = (m.reshape(-1, size, size, 1) for m in (moments[:-1], moments[1:]))
    scale = max(size // 64, 1)
    moved, reliable = motion.block_motion(
        first, second, block=_BLOCK * scale, search=_SEARCH * scale
    )
    moved = moved / scale
    speed = jnp.linalg.norm(moved, axis=-1)
    turn = jnp.arctan2(moved[..., 0], moved[..., 1]) / (2 * math.pi) * _DIRECTIONS
    direction = jnp.round(turn).astype(jnp.int32) % _DIRECTIONS
    quick = jnp.searchsorted(jnp.array(_SPEED_EDGES), speed, side="right")
    bins = jnp.where(quick == 0, 0, 1 + (quick - 1) * _DIRECTIONS + direction)
    num_bins = 1 + len(_SPEED_EDGES) * _DIRECTIONS
    # Unreliable blocks go into an extra bin, which is left out.
    bins = jnp.where(reliable, bins, num_bins)
    bins = bins.reshape(-1, count, bins[0].size).swapaxes(0, 1).reshape(count, -1)
    counts = jax.vmap(lambda b: jnp.bincount(b, length=num_bins + 1)[:-1])(bins)
    return jnp.sqrt(counts / jnp.maximum(counts.sum(axis=-1, keepdims=True), 1))


EXTRACTORS: dict[str, Extractor] = {
    extractor.__name__: extractor
    for extractor in (
        random_conv_frames,
        random_conv_clips,
        colour_histogram,
        radial_spectrum,
        motion_histogram,
    )
}


def extract(
    clips: np.ndarray, extractors: Mapping[str, Extractor] = EXTRACTORS
) -> dict[str, np.ndarray]:
    """Returns the features f32[N, D] of clips u8[T, N, H, W, 3] by extractor's name."""
    parts: dict[str, list[np.ndarray]] = {name: [] for name in extractors}
    for start in range(0, clips.shape[1], _AT_ONCE):
        some = clips[:, start : start + _AT_ONCE]
        for name, extractor in extractors.items():
            parts[name].append(np.asarray(_compiled(extractor)(some)))
    return {name: np.concatenate(part) for name, part in parts.items()}


def fit_scale(rows: np.ndarray) -> Scale:
    """Returns a scale for features f[N, D] that gives them a total variance of about 1.

    Features that hardly vary in the learned film are not amplified to the level of the
    others: a histogram bin that is hit once in a film would dominate all other bins.
    """
    std = rows.std(axis=0, dtype=np.float64)
    least = _LEAST_SPREAD * np.sqrt(np.mean(np.square(std)))
    return Scale(rows.mean(axis=0), np.maximum(std, least) * np.sqrt(len(std)))


def rescale(
    rows: Mapping[str, np.ndarray], scales: Mapping[str, Scale]
) -> dict[str, np.ndarray]:
    """Returns scaled features by extractor."""
    return {
        name: (rows[name] - scales[name].mean) / scales[name].divisor for name in rows
    }


@functools.cache
def _compiled(extractor: Extractor) -> Extractor:
    return compilation.jit(extractor)


def _histogram(values: jax.Array, num_bins: int) -> jax.Array:
    return jnp.sqrt(jnp.bincount(values, length=num_bins) / values.size)


def _random_features(clips: jax.Array, *, kernel_steps: int) -> jax.Array:
    """Means of every layer's channels, and a random projection of the last layer.

    f32[N, T, H, W, 3] -> f32[N, D]. The projection depends on where in the picture the
    channels of the last layer are active.
    """
    features, x = [], clips
    while x.shape[2] > _SMALLEST:
        index = len(features)
        channels = _CHANNELS[min(index, len(_CHANNELS) - 1)]
        shape = (min(kernel_steps, x.shape[1]), 4, 4, x.shape[-1], channels)
        kernel = _normal(index, shape)
        if index == 0 and kernel_steps > 1:
            kernel[..., ::2] -= kernel[..., ::2].mean(axis=0)
        kernel *= math.sqrt(2 / math.prod(shape[:-1]))
        stride = 1 if index == 0 else min(2, x.shape[1])
        x = jax.nn.relu(_convolve(x, kernel, stride=stride))
        features.append(x.mean(axis=(1, 2, 3)))
    last = x.mean(axis=1)
    half = last.shape[1] // 2
    last = last.reshape(len(last), half, 2, half, 2, -1).mean(axis=(2, 4))
    flat = last.reshape(len(last), -1)
    matrix = _normal(len(features), (flat.shape[-1], _LAYOUT_FEATURES))
    layout = flat @ matrix / math.sqrt(flat.shape[-1])
    return jnp.concatenate([*features, layout], axis=-1)


def _convolve(x: jax.Array, kernel: np.ndarray, *, stride: int) -> jax.Array:
    """Convolves f32[N, T, H, W, I] over time and space, with a stride of 2 in space.

    Implemented as a convolution over space alone, which is faster on CPUs.

    Args:
      x: to convolve.
      kernel: f32[k, 4, 4, I, O], over k steps.
      stride: in time.
    """
    count = (x.shape[1] - len(kernel)) // stride + 1
    span = stride * (count - 1) + 1
    steps = [x[:, i : i + span : stride] for i in range(len(kernel))]
    pictures = jnp.concatenate(steps, axis=-1)
    y = jax.lax.conv_general_dilated(
        pictures.reshape(-1, *pictures.shape[2:]),
        np.concatenate(kernel, axis=-2),
        (2, 2),
        ((1, 1), (1, 1)),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )
    return y.reshape(len(x), count, *y.shape[1:])


def _normal(index: int, shape: tuple[int, ...]) -> np.ndarray:
    """Draws weights at trace time: XLA would take seconds to fold them."""
    with jax.ensure_compile_time_eval():
        key = jax.random.fold_in(jax.random.key(_SEED), index)
        return np.array(draws.normal(key, shape))
